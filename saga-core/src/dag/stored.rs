//! Decodes one node of a stored DAG. All possible fields are in one struct, and the kind of the node determines
//! which of them are required. Constants are not parsed on the way, so that their numbers stay as they are
//! written.

use serde::{Deserialize, Deserializer, de};

use super::export::{DagJson, InputJson, KindJson, NodeJson};
use super::options::NodeOptions;
use crate::log::{Payload, RawJson, optional_json};
use crate::names::{ActionName, NodeName};
use crate::plan::Alternative;
use crate::policy::{DatabaseKind, UndoContract};

#[derive(Deserialize)]
struct NodeForm {
    name: NodeName,
    kind: KindWord,
    action: Option<ActionName>,
    rev: Option<u32>,
    undo: Option<UndoContract>,
    #[serde(default)]
    undo_on_failure: bool,
    transaction: Option<DatabaseKind>,
    #[serde(default)]
    fresh_key: bool,
    #[serde(default, deserialize_with = "optional_json")]
    value: Option<Payload>,
    params: Option<NodeName>,
    dag: Option<DagJson>,
    items: Option<NodeName>,
    body: Option<DagJson>,
    by: Option<NodeName>,
    arms: Option<Vec<DagJson>>,
    #[serde(rename = "for")]
    alternatives: Option<Vec<Alternative>>,
    parts: Option<Vec<DagJson>>,
    #[serde(default)]
    pivot: bool,
    #[serde(default)]
    inputs: Vec<InputJson>,
    #[serde(default)]
    after: Vec<NodeName>,
    #[serde(flatten)]
    options: NodeOptions,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
#[serde(rename_all = "snake_case")]
enum KindWord {
    Action,
    Constant,
    Computed,
    Subsaga,
    ForEach,
    Choose,
    Wait,
    Try,
}

impl KindWord {
    /// The word of a kind that is written, so that the compiler asks for each kind here, where it is read.
    #[cfg(test)]
    fn of(kind: &KindJson) -> Self {
        match kind {
            KindJson::Action { .. } => Self::Action,
            KindJson::Constant { .. } => Self::Constant,
            KindJson::Computed => Self::Computed,
            KindJson::Subsaga { .. } => Self::Subsaga,
            KindJson::ForEach { .. } => Self::ForEach,
            KindJson::Choose { .. } => Self::Choose,
            KindJson::Wait { .. } => Self::Wait,
            KindJson::Try { .. } => Self::Try,
        }
    }
}

impl<'de> Deserialize<'de> for NodeJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        fn needed<T, E: de::Error>(field: Option<T>, name: &'static str) -> Result<T, E> {
            field.ok_or_else(|| E::missing_field(name))
        }
        let form = NodeForm::deserialize(from)?;
        let kind = match form.kind {
            KindWord::Action => KindJson::Action {
                action: needed(form.action, "action")?,
                rev: needed(form.rev, "rev")?,
                undo: needed(form.undo, "undo")?,
                undo_on_failure: form.undo_on_failure,
                transaction: form.transaction,
                fresh_key: form.fresh_key,
            },
            KindWord::Constant => {
                KindJson::Constant { value: RawJson(needed(form.value, "value")?) }
            }
            KindWord::Computed => KindJson::Computed,
            KindWord::Subsaga => {
                KindJson::Subsaga { params: form.params, dag: needed(form.dag, "dag")? }
            }
            KindWord::ForEach => {
                KindJson::ForEach { items: form.items, body: needed(form.body, "body")? }
            }
            KindWord::Wait => KindJson::Wait { alternatives: needed(form.alternatives, "for")? },
            KindWord::Try => KindJson::Try { parts: needed(form.parts, "parts")? },
            KindWord::Choose => KindJson::Choose { by: form.by, arms: needed(form.arms, "arms")? },
        };
        Ok(Self {
            name: form.name,
            kind,
            pivot: form.pivot,
            inputs: form.inputs,
            after: form.after,
            options: form.options,
            #[cfg(feature = "testing")]
            notes: Default::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_node_that_is_written_is_read() {
        let name = |name: &str| name.parse::<NodeName>().unwrap();
        let dag = || -> DagJson {
            serde_json::from_value(
                json!({"name": "Part", "nodes": [{"name": "a", "kind": "computed"}]}),
            )
            .unwrap()
        };
        let undo = UndoContract::None;
        let (rev, undo_on_failure, transaction, fresh_key) = (0, false, None, false);
        let action = "act".parse().unwrap();
        let kinds = [
            KindJson::Action { action, rev, undo, undo_on_failure, transaction, fresh_key },
            KindJson::Constant { value: RawJson(Payload::from(&b"1"[..])) },
            KindJson::Computed,
            KindJson::Subsaga { params: Some(name("p")), dag: dag() },
            KindJson::ForEach { items: Some(name("i")), body: dag() },
            KindJson::Choose { by: Some(name("b")), arms: vec![dag(), dag()] },
            KindJson::Wait { alternatives: vec![Alternative::Sleep] },
            KindJson::Try { parts: vec![dag(), dag()] },
        ];
        for kind in kinds {
            let mut written = serde_json::to_value(&kind).unwrap();
            written["name"] = json!("node");
            let read: NodeJson = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(KindWord::of(&read.kind), KindWord::of(&kind));
            assert_eq!(
                serde_json::to_value(&read.kind).unwrap(),
                serde_json::to_value(&kind).unwrap()
            );
        }
    }
}
