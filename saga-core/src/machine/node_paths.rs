//! Node paths: from a vertex to its path and back.

use super::state::{FrameState, Part, Parts, SagaState, VertexId};
use crate::log::NodePath;

impl SagaState {
    /// The path of a vertex's node.
    pub fn path(&self, v: VertexId) -> NodePath {
        let Some((frame, node, _)) = self.place(v) else { return NodePath::from("?") };
        let Some(f) = self.frames.get(frame as usize) else { return NodePath::from("?") };
        let name = match f.plan.nodes().get(node as usize) {
            Some(node) => node.name.shared(),
            None => return NodePath::from("?"),
        };
        let Some(holder) = f.holder else { return NodePath::from(name) };
        // a loop, so that deep nesting does not use up the stack
        let mut segments = Vec::new();
        if !f.plan.is_inline() {
            segments.push(format!("/{name}"));
        }
        let mut next = Some((holder, f.part));
        while let Some((holder, part)) = next {
            let Some((frame, node, _)) = self.place(holder) else { break };
            let Some(f) = self.frames.get(frame as usize) else { break };
            let name = f.plan.nodes().get(node as usize).map(|n| n.name.as_str()).unwrap_or("?");
            let part = match part {
                Part::Whole => String::new(),
                Part::Instance(i) => format!("[{i}]"),
                Part::Arm(k) => format!("#{k}"),
            };
            let inline = f.plan.is_inline();
            let slash = if f.holder.is_some() && !inline { "/" } else { "" };
            // an inline node stands for its holder's part, and has no name of its own in the path
            let name = if inline { "" } else { name };
            segments.push(format!("{slash}{name}{part}"));
            next = f.holder.map(|holder| (holder, f.part));
        }
        segments.reverse();
        NodePath::from(segments.concat())
    }

    /// The node with this path, if its frame is open.
    pub fn resolve(&self, path: &str) -> Option<VertexId> {
        let mut frame = self.frames.first()?;
        let mut rest = path;
        loop {
            let end = rest.find(['/', '[', '#']).unwrap_or(rest.len());
            let (name, tail) = rest.split_at(end);
            let mut v = frame.base + frame.plan.find(name)?;
            rest = tail;
            loop {
                // the node of an inline body has no name of its own: the part stands for it
                if rest.is_empty() {
                    return Some(v);
                }
                let (part, tail) = if let Some(tail) = rest.strip_prefix('[') {
                    let (index, tail) = tail.split_once(']')?;
                    (Part::Instance(index.parse().ok()?), tail)
                } else if let Some(tail) = rest.strip_prefix('#') {
                    let end = tail.find(['/', '[', '#']).unwrap_or(tail.len());
                    let (arm, tail) = tail.split_at(end);
                    (Part::Arm(arm.parse().ok()?), tail)
                } else {
                    (Part::Whole, rest)
                };
                frame = self.part(v, part)?;
                rest = tail;
                if frame.plan.is_inline() {
                    v = frame.base;
                    continue;
                }
                rest = rest.strip_prefix('/')?;
                break;
            }
        }
    }

    fn part(&self, holder: VertexId, part: Part) -> Option<&FrameState> {
        let Parts { first, count, .. } = self.vertex(self.gate(holder)?)?.parts?;
        let offset = match part {
            Part::Instance(i) => i,
            Part::Whole | Part::Arm(_) => 0,
        };
        // the frames after the last part belong to other nodes
        let frame = first.checked_add(offset).filter(|_| offset < count)?;
        self.frames.get(frame as usize).filter(|f| f.part == part)
    }
}
