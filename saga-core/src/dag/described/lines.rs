//! The nodes of a DAG as lines, and back. A node that holds others is followed by theirs, under their paths:
//! `hotels[..]/book`, `stay#1/book`, `ride/book`.

use std::fmt::Display;
use std::iter::Peekable;

use super::super::export::{DagJson, InputJson, KindJson, NodeJson, Notes, RETURNS};
use super::super::options::NodeOptions;
use super::notation::Value;
use super::words::{CONTRACTS, DATABASES, database_word, undo_word};
use crate::json;
use crate::log::{Payload, RawJson};
use crate::names::{ActionName, NodeName, SagaName};

/// A line that is no node.
#[derive(Debug)]
pub(crate) struct BadLine {
    pub(crate) line: usize,
    pub(crate) why: String,
}

/// The lines of all nodes.
pub(super) fn lines(dag: &DagJson) -> Vec<String> {
    let mut lines = Vec::new();
    write(dag, "", &mut lines);
    lines
}

fn write(dag: &DagJson, path: &str, lines: &mut Vec<String>) {
    for node in &dag.nodes {
        let path = format!("{path}{}", node.name);
        let mut line = String::new();
        Value::Table(fields(node, &path, &dag.name)).write(&mut line);
        lines.push(line);
        match &node.kind {
            KindJson::Action { .. }
            | KindJson::Constant { .. }
            | KindJson::Computed
            | KindJson::Wait { .. } => {}
            KindJson::Subsaga { dag, .. } => write(dag, &part_path(&path, "saga", 0), lines),
            KindJson::ForEach { body, .. } => write(body, &part_path(&path, "for", 0), lines),
            KindJson::Choose { arms: parts, .. } | KindJson::Try { parts } => {
                for (i, part) in parts.iter().enumerate() {
                    write(part, &part_path(&path, "choose", i), lines);
                }
            }
        }
    }
}

/// What the paths of the nodes in a part begin with.
fn part_path(holder: &str, kind: &str, part: usize) -> String {
    match kind {
        "for" => format!("{holder}[..]/"),
        "choose" | "try" => format!("{holder}#{part}/"),
        _ => format!("{holder}/"),
    }
}

/// `saga`: the name of the DAG that the node is in, which bodies and arms have as well.
fn fields(node: &NodeJson, path: &str, saga: &SagaName) -> Vec<(String, Value)> {
    let mut fields = Vec::new();
    let mut say = |key: &str, value: Value| fields.push((key.to_string(), value));
    say("node", Value::text(path));
    match &node.kind {
        KindJson::Action { action, rev, undo, undo_on_failure, transaction, fresh_key } => {
            say("action", Value::text(action));
            if *rev != 0 {
                say("rev", Value::Number(*rev));
            }
            say("undo", Value::text(undo_word(*undo)));
            if *undo_on_failure {
                say("undo_on_failure", Value::Flag(true));
            }
            if let Some(database) = transaction {
                say("transaction", Value::text(database_word(*database)));
            }
            if *fresh_key {
                say("fresh_key", Value::Flag(true));
            }
        }
        KindJson::Constant { value: RawJson(value) } => {
            say("kind", Value::text("constant"));
            say("value", Value::text(json::canonical(value.as_bytes()).unwrap_or_default()));
        }
        KindJson::Computed => say("kind", Value::text("computed")),
        KindJson::Wait { alternatives } => {
            say("kind", Value::text("wait"));
            say("for", Value::text(serde_json::to_string(alternatives).unwrap_or_default()));
        }
        KindJson::Subsaga { params: by, dag } => {
            holder(&mut say, "saga", by, &[dag], saga);
        }
        KindJson::ForEach { items: by, body } => {
            holder(&mut say, "for", by, &[body], saga);
        }
        KindJson::Choose { by, arms } => {
            holder(&mut say, "choose", by, &arms.iter().collect::<Vec<_>>(), saga);
        }
        KindJson::Try { parts } => {
            holder(&mut say, "try", &None, &parts.iter().collect::<Vec<_>>(), saga);
        }
    }
    if node.pivot {
        say("pivot", Value::Flag(true));
    }
    if !node.after.is_empty() {
        say("after", Value::texts(&node.after));
    }
    if !node.inputs.is_empty() {
        let inputs = node.inputs.iter();
        let inputs = inputs.map(|input| (input.input.clone(), Value::texts(&input.from)));
        say("inputs", Value::Table(inputs.collect()));
    }
    let (returns, rest) = node.notes.iter().partition::<Vec<_>, _>(|(key, _)| *key == RETURNS);
    let notes = returns.into_iter().chain(rest);
    fields.extend(notes.map(|(key, value)| (key.clone(), Value::text(value))));
    fields
}

fn holder(
    say: &mut impl FnMut(&str, Value),
    kind: &str,
    by: &Option<NodeName>,
    parts: &[&DagJson],
    saga: &SagaName,
) {
    say("kind", Value::text(kind));
    if let Some(by) = by {
        say("by", Value::text(by));
    }
    let parts = parts.iter().map(|part| {
        let mut fields = Vec::new();
        if part.name != *saga {
            fields.push(("name".to_string(), Value::text(&part.name)));
        }
        if part.version != 1 {
            fields.push(("version".to_string(), Value::Number(part.version)));
        }
        fields.extend(part.output.iter().map(|node| ("output".to_string(), Value::text(node))));
        Value::Table(fields)
    });
    say("parts", Value::List(parts.collect()));
}

/// Reads lines that have numbers.
pub(super) fn nodes<'a>(
    saga: &SagaName,
    lines: impl IntoIterator<Item = (usize, &'a str)>,
) -> Result<Vec<NodeJson>, BadLine> {
    let read = lines.into_iter().map(|(number, line)| Line::read(line, number));
    let read = read.collect::<Result<Vec<_>, _>>()?;
    let mut rest = read.into_iter().peekable();
    let nodes = dag(saga, "", &mut rest)?;
    match rest.next() {
        None => Ok(nodes),
        Some(stray) => Err(stray.bad(format!("node `{}` is in no node before it", stray.path))),
    }
}

/// The nodes whose paths begin with this one.
fn dag(
    saga: &SagaName,
    path: &str,
    rest: &mut Peekable<impl Iterator<Item = Line>>,
) -> Result<Vec<NodeJson>, BadLine> {
    let mut nodes = Vec::new();
    let is_here =
        |line: &Line| line.path.strip_prefix(path).is_some_and(|name| !name.contains('/'));
    while let Some(line) = rest.next_if(is_here) {
        nodes.push(line.into_node(saga, path, rest)?);
    }
    Ok(nodes)
}

/// A line with its fields.
struct Line {
    number: usize,
    path: String,
    fields: Vec<(String, Value)>,
}

impl Line {
    fn read(line: &str, number: usize) -> Result<Self, BadLine> {
        let line = line.trim().trim_end_matches(',');
        let fields = match Value::read(line) {
            Ok(Value::Table(fields)) => Ok(fields),
            Ok(_) => Err("it is no node: expected `{ node = .. }`".to_string()),
            Err(why) => Err(why),
        };
        let fields = fields.map_err(|why| BadLine { line: number, why })?;
        let mut line = Self { number, path: String::new(), fields };
        line.path = line.needed("node")?;
        Ok(line)
    }

    fn bad(&self, why: impl Display) -> BadLine {
        BadLine { line: self.number, why: why.to_string() }
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        let at = self.fields.iter().position(|(found, _)| found == key)?;
        Some(self.fields.remove(at).1)
    }

    fn text(&mut self, key: &str) -> Result<Option<String>, BadLine> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.bad(format!("`{key}` is no text"))),
        }
    }

    fn needed(&mut self, key: &str) -> Result<String, BadLine> {
        self.text(key)?.ok_or_else(|| self.bad(format!("`{key}` is missing")))
    }

    fn number(&mut self, key: &str) -> Result<Option<u32>, BadLine> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(_) => Err(self.bad(format!("`{key}` is no number"))),
        }
    }

    fn flag(&mut self, key: &str) -> Result<bool, BadLine> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Flag(flag)) => Ok(flag),
            Some(_) => Err(self.bad(format!("`{key}` is neither true nor false"))),
        }
    }

    fn list(&mut self, key: &str) -> Result<Vec<Value>, BadLine> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::List(items)) => Ok(items),
            Some(_) => Err(self.bad(format!("`{key}` is no list"))),
        }
    }

    fn texts(&self, key: &str, value: Value) -> Result<Vec<String>, BadLine> {
        let Value::List(items) = value else {
            return Err(self.bad(format!("`{key}` is no list")));
        };
        let texts = items.into_iter().map(|item| match item {
            Value::Text(text) => Ok(text),
            Value::Number(_) | Value::Flag(_) | Value::List(_) | Value::Table(_) => {
                Err(self.bad(format!("`{key}` is no list of texts")))
            }
        });
        texts.collect()
    }

    fn node_name(&self, name: String) -> Result<NodeName, BadLine> {
        NodeName::new(name).map_err(|why| self.bad(why))
    }

    fn into_node(
        mut self,
        saga: &SagaName,
        path: &str,
        rest: &mut Peekable<impl Iterator<Item = Self>>,
    ) -> Result<NodeJson, BadLine> {
        let name = self.path.strip_prefix(path).unwrap_or_default().to_string();
        let name = self.node_name(name)?;
        let kind = self.kind(saga, rest)?;
        let pivot = self.flag("pivot")?;
        let after = self.list("after")?;
        let after = self.texts("after", Value::List(after))?.into_iter();
        let after = after.map(|name| self.node_name(name)).collect::<Result<_, _>>()?;
        let inputs = match self.take("inputs") {
            None => Vec::new(),
            Some(Value::Table(inputs)) => inputs,
            Some(_) => return Err(self.bad("`inputs` is no table")),
        };
        let inputs = inputs.into_iter().map(|(input, from)| {
            let from = self.texts(&input, from)?;
            Ok(InputJson { input, from })
        });
        let inputs = inputs.collect::<Result<_, BadLine>>()?;
        let mut notes = Notes::new();
        for (key, value) in std::mem::take(&mut self.fields) {
            let Value::Text(value) = value else {
                return Err(self.bad(format!("`{key}` is no text")));
            };
            notes.insert(key, value);
        }
        Ok(NodeJson { name, kind, pivot, inputs, after, options: NodeOptions::default(), notes })
    }

    fn kind(
        &mut self,
        saga: &SagaName,
        rest: &mut Peekable<impl Iterator<Item = Self>>,
    ) -> Result<KindJson, BadLine> {
        if let Some(action) = self.text("action")? {
            let action = ActionName::new(action).map_err(|why| self.bad(why))?;
            let rev = self.number("rev")?.unwrap_or_default();
            let undo = self.needed("undo")?;
            let undo = CONTRACTS.into_iter().find(|known| undo_word(*known) == undo);
            let undo = undo.ok_or_else(|| self.bad("`undo` is no undo contract"))?;
            let undo_on_failure = self.flag("undo_on_failure")?;
            let transaction = self.text("transaction")?.map(|database| {
                let known = DATABASES.into_iter().find(|known| database_word(*known) == database);
                known.ok_or_else(|| self.bad("`transaction` names no database"))
            });
            let transaction = transaction.transpose()?;
            let fresh_key = self.flag("fresh_key")?;
            return Ok(KindJson::Action {
                action,
                rev,
                undo,
                undo_on_failure,
                transaction,
                fresh_key,
            });
        }
        let kind = self.needed("kind")?;
        match kind.as_str() {
            "constant" => {
                let value = self.needed("value")?;
                if json::canonical(value.as_bytes()).is_none() {
                    return Err(self.bad("`value` is no JSON"));
                }
                Ok(KindJson::Constant { value: RawJson(Payload::from(value.into_bytes())) })
            }
            "computed" => Ok(KindJson::Computed),
            "wait" => {
                let alternatives = serde_json::from_str(&self.needed("for")?);
                let alternatives = alternatives.map_err(|why| self.bad(why))?;
                Ok(KindJson::Wait { alternatives })
            }
            "saga" => {
                let (by, part) = self.only_part("saga", saga, rest)?;
                Ok(KindJson::Subsaga { params: by, dag: part })
            }
            "for" => {
                let (by, part) = self.only_part("for", saga, rest)?;
                Ok(KindJson::ForEach { items: by, body: part })
            }
            "choose" => {
                let (by, arms) = self.parts("choose", saga, rest)?;
                Ok(KindJson::Choose { by, arms })
            }
            "try" => match self.parts("try", saga, rest)? {
                (None, parts) if matches!(parts.len(), 1 | 2) => Ok(KindJson::Try { parts }),
                _ => Err(self.bad("a `try` has one part or two, and nothing to decide by")),
            },
            other => Err(self.bad(format!("there is no kind of node `{other}`"))),
        }
    }

    fn only_part(
        &mut self,
        kind: &str,
        saga: &SagaName,
        rest: &mut Peekable<impl Iterator<Item = Self>>,
    ) -> Result<(Option<NodeName>, DagJson), BadLine> {
        let (by, parts) = self.parts(kind, saga, rest)?;
        match <[DagJson; 1]>::try_from(parts) {
            Ok([part]) => Ok((by, part)),
            Err(_) => Err(self.bad("`parts` must have one item")),
        }
    }

    /// What a node decides by that holds others, and what it holds, from the lines that follow.
    fn parts(
        &mut self,
        kind: &str,
        saga: &SagaName,
        rest: &mut Peekable<impl Iterator<Item = Self>>,
    ) -> Result<(Option<NodeName>, Vec<DagJson>), BadLine> {
        let by = self.text("by")?.map(|by| self.node_name(by)).transpose()?;
        let mut parts = Vec::new();
        for (i, part) in self.list("parts")?.into_iter().enumerate() {
            let Value::Table(fields) = part else { return Err(self.bad("`parts` has no table")) };
            let mut part = Self { number: self.number, path: String::new(), fields };
            let name = match part.text("name")? {
                Some(name) => SagaName::new(name).map_err(|why| self.bad(why))?,
                None => saga.clone(),
            };
            let version = part.number("version")?.unwrap_or(1);
            let output = part.text("output")?.map(|node| self.node_name(node)).transpose()?;
            let nodes = dag(&name, &part_path(&self.path, kind, i), rest)?;
            parts.push(DagJson { name, version, nodes, output });
        }
        Ok((by, parts))
    }
}
