//! Stored values that this program's types cannot read, and what can be done about them. What is said names the
//! value and the place in it, and quotes nothing of it.

use std::fmt;

use crate::error::ActionError;
use crate::log::{NodePath, SagaId};
use crate::machine::SagaState;

/// How many outputs are named beside the first.
const NAMED: usize = 3;

/// A stored value that this program's types cannot read.
pub(crate) struct UnreadableValue {
    /// The node whose output it is; `None` for the saga's parameters.
    node: Option<NodePath>,
    error: ActionError,
}

impl UnreadableValue {
    pub(crate) fn params(error: ActionError) -> Self {
        Self { node: None, error }
    }

    pub(super) fn output(node: NodePath, error: ActionError) -> Self {
        Self { node: Some(node), error }
    }

    /// The node whose output it is; `None` if it is the saga's parameters.
    pub(crate) fn node(&self) -> Option<&NodePath> {
        self.node.as_ref()
    }

    /// Why it cannot be read.
    pub(crate) fn why(&self) -> String {
        decoder_message(&self.error)
    }
}

impl fmt::Display for UnreadableValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "this program cannot read the output of node `{node}`: ")?,
            None => f.write_str("this program cannot read the saga's parameters: ")?,
        }
        f.write_str(&self.why())
    }
}

/// What is said about the output of a saga that has completed.
pub(crate) fn unreadable_output(error: &ActionError) -> String {
    format!("its output cannot be read: {}; {REMEDY}", decoder_message(error))
}

/// Why there is no output of a composite node: that of a part cannot be read.
pub(super) fn unreadable_part(node: &NodePath, error: &ActionError) -> ActionError {
    ActionError::new_deserialize(format!("the output of node `{node}`: {}", decoder_message(error)))
}

/// What the decoder said.
pub(crate) fn decoder_message(error: &ActionError) -> String {
    match error {
        ActionError::DeserializeFailed { message } => message.clone(),
        ActionError::Failed { .. }
        | ActionError::SerializeFailed { .. }
        | ActionError::Injected
        | ActionError::SubsagaCreateFailed { .. }
        | ActionError::TimedOut { .. }
        | ActionError::Panicked { .. }
        | ActionError::Cancelled { .. }
        | ActionError::NotAnAncestor { .. } => error.to_string(),
    }
}

/// Where such a value comes from, and what makes it readable.
const REMEDY: &str = "other code wrote it, or it is damaged: let its type read that form too, as with `#[serde(default)]` or \
    `#[serde(alias = \"..\")]`, or run the code that wrote it, alone or as `old_saga` beside a new `#[version]`";

/// The values of a saga that this program's types cannot read, in the order of the log.
#[derive(Default)]
pub(super) struct UnreadableValues(Vec<UnreadableValue>);

impl UnreadableValues {
    pub(super) fn note(&mut self, value: UnreadableValue) {
        self.0.push(value);
    }

    /// True if the output of this node is one of them.
    pub(super) fn has(&self, node: &NodePath) -> bool {
        self.0.iter().any(|value| value.node.as_ref() == Some(node))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &UnreadableValue> {
        self.0.iter()
    }

    /// Why the saga must not resume, and what to do about it.
    pub(super) fn reason(&self, saga: &SagaId, state: &SagaState) -> Option<String> {
        let first = self.0.first()?;
        let more = self.others();
        let mut reason = format!(
            "{first}{more}; {REMEDY}; then `operator.unpark(\"{saga}\")` resumes the saga, with all \
             that it has done"
        );
        let cancel = "`operator.cancel` undoes what can be undone";
        let decide = "`operator.decide` gives the saga another output in its place";
        // nobody can give it other parameters
        let can_decide = self.0.iter().all(|value| value.node.is_some());
        match (can_decide, !state.past_pivot()) {
            (true, true) => reason.push_str(&format!("; otherwise {decide}, and {cancel}")),
            (true, false) => reason.push_str(&format!("; otherwise {decide}")),
            (false, true) => reason.push_str(&format!("; otherwise {cancel}")),
            (false, false) => {}
        }
        Some(reason)
    }

    /// The outputs beside the first value.
    fn others(&self) -> String {
        let others = self.0.iter().skip(1).filter_map(|value| value.node.as_ref());
        let named = others.clone().take(NAMED).map(|node| format!("`{node}`")).collect::<Vec<_>>();
        let (named, unnamed) = (named.join(", "), others.count().saturating_sub(NAMED));
        match unnamed {
            _ if named.is_empty() => String::new(),
            0 => format!(" (nor the output of {named})"),
            n => format!(" (nor the output of {named} and {n} more)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_others_are_named_and_the_rest_is_counted() {
        let mut values = UnreadableValues::default();
        let mut others = Vec::new();
        for node in ["a", "b", "c", "d", "e", "f"] {
            values.note(UnreadableValue::output(node.into(), ActionError::new_deserialize("no")));
            others.push(values.others());
        }
        assert_eq!(others[..2], ["", " (nor the output of `b`)"]);
        assert_eq!(others[3], " (nor the output of `b`, `c`, `d`)");
        assert_eq!(others[5], " (nor the output of `b`, `c`, `d` and 2 more)");
    }
}
