//! What each node reads and gives, by plain recursive evaluation from the outputs of the actions.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::random::gives_arm;
use super::{Body, Gives, Kind, SagaPlan};

/// The outputs of actions by node path, as somebody knows them.
pub(crate) trait Outputs {
    fn output(&self, path: &str) -> Option<Value>;
}

impl<F: Fn(&str) -> Option<Value>> Outputs for F {
    fn output(&self, path: &str) -> Option<Value> {
        self(path)
    }
}

/// One body of a running saga: the outermost one, an instance, an arm, or a subsaga.
pub(crate) struct Frame<'p> {
    prefix: String,
    body: &'p Body,
    /// True if its only node is the instance or arm, and has no name of its own in paths.
    inline: bool,
    params: Option<Value>,
    /// The frame whose nodes can be read from here, and the node of it that this one is in.
    outer: Option<(Box<Frame<'p>>, usize)>,
}

impl SagaPlan {
    fn outermost(&self) -> Frame<'_> {
        let (prefix, params) = (String::new(), Some(self.params.clone()));
        Frame { prefix, body: &self.body, inline: false, params, outer: None }
    }

    /// The frame of the node with this path, and its number there.
    pub(crate) fn find(&self, path: &str, outputs: &dyn Outputs) -> Option<(Frame<'_>, usize)> {
        let mut frame = self.outermost();
        loop {
            let mut nodes = 0..frame.body.nodes.len();
            let (node, rest) = nodes.find_map(|node| {
                let rest = path.strip_prefix(&frame.path(node))?;
                (rest.is_empty() || rest.starts_with(['[', '#', '/'])).then_some((node, rest))
            })?;
            if rest.is_empty() {
                return Some((frame, node));
            }
            let end = match rest.as_bytes()[0] {
                b'[' => rest.find(']')? + 1,
                b'#' => rest[1..].find(['[', '#', '/']).map_or(rest.len(), |end| end + 1),
                _ => 0,
            };
            frame = frame.inside(node, &rest[..end], outputs)?;
        }
    }

    /// What a call of the node at this path reads. An error names what is not there.
    pub(crate) fn input(&self, path: &str, outputs: &dyn Outputs) -> Result<Value, String> {
        let (frame, node) = self.find(path, outputs).ok_or_else(|| format!("no node {path}"))?;
        let mut input = Map::new();
        let params = frame.params.clone().ok_or("the parameters are not there")?;
        input.insert("params".to_string(), params);
        let (mut around, mut at) = (&frame, node);
        loop {
            for ancestor in around.body.ancestors(at) {
                let name = &around.body.nodes[ancestor].name;
                let value = around.value(ancestor, outputs);
                let missing = || format!("the output of {} is not there", around.path(ancestor));
                input.insert(name.clone(), value.ok_or_else(missing)?);
            }
            let Some((outer, holder)) = &around.outer else { break };
            (around, at) = (outer, *holder);
        }
        Ok(Value::Object(input))
    }

    /// The names of the nodes that a call of the node at this path can read.
    pub(crate) fn reads(&self, path: &str) -> Vec<&str> {
        let nothing = |_: &str| None;
        let Some((frame, node)) = self.find(path, &nothing) else { return Vec::new() };
        let (mut names, mut around, mut at) = (Vec::new(), &frame, node);
        loop {
            let ancestors = around.body.ancestors(at).into_iter();
            names.extend(ancestors.map(|i| around.body.nodes[i].name.as_str()));
            let Some((outer, holder)) = &around.outer else { return names };
            (around, at) = (outer, *holder);
        }
    }

    /// What the saga returns.
    pub(crate) fn result(&self, outputs: &dyn Outputs) -> Option<Value> {
        self.outermost().value(self.body.output, outputs)
    }

    /// The `for`s with a limit that the node at this path is in: the beginning of the paths of their instances, up to the
    /// number, and how many of them may run at once.
    pub(crate) fn instances_around(&self, path: &str) -> Vec<(String, u32)> {
        let limited = |(end, _): (usize, &str)| {
            let (frame, node) = self.find(&path[..end], &|_: &str| None)?;
            match &frame.body.nodes[node].kind {
                Kind::ForEach { at_once: Some(n), .. } => Some((path[..=end].to_string(), *n)),
                Kind::ForEach { at_once: None, .. }
                | Kind::Constant(_)
                | Kind::Action(_)
                | Kind::Choose { .. }
                | Kind::Subsaga { .. } => None,
            }
        };
        path.match_indices('[').filter_map(limited).collect()
    }

    /// The node at this path, if it calls an action.
    pub(crate) fn call(&self, path: &str) -> Option<&super::Call> {
        let (frame, node) = self.find(path, &|_: &str| None)?;
        match &frame.body.nodes[node].kind {
            Kind::Action(call) => Some(call),
            Kind::Constant(_)
            | Kind::ForEach { .. }
            | Kind::Choose { .. }
            | Kind::Subsaga { .. } => None,
        }
    }
}

impl<'p> Frame<'p> {
    fn path(&self, node: usize) -> String {
        path_in(&self.prefix, self.inline, &self.body.nodes[node].name)
    }

    fn inside(self, node: usize, part: &str, outputs: &dyn Outputs) -> Option<Self> {
        let prefix = format!("{}{part}", self.path(node));
        match &self.body.nodes[node].kind {
            Kind::Constant(_) | Kind::Action(_) => None,
            Kind::ForEach { body, items, .. } => {
                let i = part.strip_prefix('[')?.strip_suffix(']')?.parse::<usize>().ok()?;
                let params = self.value(*items, outputs).and_then(|list| list.get(i).cloned());
                let outer = Some((Box::new(self), node));
                Some(Frame { prefix, body, inline: body.is_inline(), params, outer })
            }
            Kind::Choose { arms, .. } => {
                let body = arms.get(part.strip_prefix('#')?.parse::<usize>().ok()?)?;
                let params = self.params.clone();
                let outer = Some((Box::new(self), node));
                Some(Frame { prefix, body, inline: body.is_inline(), params, outer })
            }
            Kind::Subsaga { body, params } => {
                let params = self.value(*params, outputs);
                Some(Frame { prefix, body, inline: false, params, outer: None })
            }
        }
    }

    fn value(&self, node: usize, outputs: &dyn Outputs) -> Option<Value> {
        let path = self.path(node);
        let of = |body: &'p Body, inline, prefix: String, params| {
            // what is inside of a node is not read from here, so the frame around it does not matter
            let frame = Frame { prefix, body, inline, params: Some(params), outer: None };
            frame.value(body.output, outputs)
        };
        match &self.body.nodes[node].kind {
            // with a value that a call has been made with, a saga goes on under a version that has another
            Kind::Constant(value) => outputs.output(&path).or_else(|| Some(value.clone())),
            Kind::Action(_) => outputs.output(&path),
            Kind::ForEach { body, items, .. } => {
                let items = self.value(*items, outputs)?;
                let items = items.as_array()?.iter().enumerate();
                let each = |(i, item): (usize, &Value)| {
                    of(body, body.is_inline(), format!("{path}[{i}]"), item.clone())
                };
                items.map(each).collect()
            }
            Kind::Choose { arms, by } => match self.value(*by, outputs)?.as_u64() {
                None => Some(Value::Null),
                Some(arm) => {
                    let body = arms.get(arm as usize)?;
                    of(body, body.is_inline(), format!("{path}#{arm}"), self.params.clone()?)
                }
            },
            Kind::Subsaga { body, params } => of(body, false, path, self.value(*params, outputs)?),
        }
    }
}

/// The path of a node in a body.
pub(super) fn path_in(prefix: &str, inline: bool, name: &str) -> String {
    match (prefix, inline) {
        ("", _) => name.to_string(),
        (_, true) => prefix.to_string(),
        (_, false) => format!("{prefix}/{name}"),
    }
}

impl Body {
    /// True if its node, as the only one of an instance or an arm, has no name of its own in paths.
    pub(super) fn is_inline(&self) -> bool {
        self.nodes.len() == 1
    }

    pub(crate) fn ancestors(&self, node: usize) -> BTreeSet<usize> {
        let (mut seen, mut todo) = (BTreeSet::new(), self.nodes[node].after.clone());
        while let Some(next) = todo.pop() {
            if seen.insert(next) {
                todo.extend(&self.nodes[next].after);
            }
        }
        seen
    }
}

impl Gives {
    /// The output of the action at this path, which has read this.
    pub(crate) fn of(self, path: &str, input: &Value) -> Value {
        let input = input.to_string();
        // FNV-1a
        let bytes = path.bytes().chain(input.bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let small = |n: u64| (hash >> 17) % n;
        match self {
            Self::Number => (hash % 1_000_000).into(),
            Self::List => (0..small(4)).map(|i| Value::from((hash % 1_000) + i)).collect(),
            Self::Arm(many) => gives_arm(small(many as u64 + 1) as usize, many),
        }
    }
}
