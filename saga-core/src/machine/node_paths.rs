//! Node paths: from a vertex to its path and back.

use super::state::{FrameState, Part, SagaState, VertexId};
use super::vertex::Parts;
use crate::log::NodePath;
use crate::plan::{Plan, PlanKind};

/// The paths of the nodes of a frame, which are built when it opens: each is needed several times.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Paths {
    /// In the outermost frame a node's path is its name.
    Names,
    /// An inline node stands for its holder's part, and has no name of its own in the path.
    Part(NodePath),
    /// The path of each node.
    Nodes(Box<[NodePath]>),
}

impl Paths {
    /// Those of a part of the node with this path, which is the same again afterwards.
    pub(super) fn of_part(path: &mut String, part: Part, plan: &Plan) -> Self {
        let holder = path.len();
        match part {
            Part::Whole => {}
            Part::Instance(i) => {
                path.push('[');
                push_number(path, i);
                path.push(']');
            }
            Part::Arm(k) => {
                path.push('#');
                push_number(path, k);
            }
        }
        let paths = if plan.is_inline() {
            Self::Part(NodePath::from(path.as_str()))
        } else {
            path.push('/');
            let prefix = path.len();
            let nodes = plan.nodes().iter().map(|node| {
                path.truncate(prefix);
                path.push_str(node.name.as_str());
                NodePath::from(path.as_str())
            });
            Self::Nodes(nodes.collect())
        };
        path.truncate(holder);
        paths
    }
}

impl SagaState {
    /// The path of a vertex's node.
    pub fn path(&self, v: VertexId) -> NodePath {
        let path = self.place(v).and_then(|(frame, node, _)| {
            let f = self.frames.get(frame as usize)?;
            match &f.paths {
                Paths::Names => Some(f.plan.nodes().get(node as usize)?.name.shared().into()),
                Paths::Part(path) => Some(path.clone()),
                Paths::Nodes(paths) => paths.get(node as usize).cloned(),
            }
        });
        path.unwrap_or_else(|| NodePath::from("?"))
    }

    /// True if this is the path of this vertex, and the vertex is no gate.
    fn is_at(&self, v: VertexId, path: &str) -> bool {
        let at = self.place(v).and_then(|(frame, node, gate)| {
            let f = self.frames.get(frame as usize)?;
            let at = match &f.paths {
                Paths::Names => f.plan.nodes().get(node as usize)?.name.as_str(),
                Paths::Part(path) => path.as_str(),
                Paths::Nodes(paths) => paths.get(node as usize)?.as_str(),
            };
            Some(!gate && at == path)
        });
        at.unwrap_or(false)
    }

    /// The same as [`resolve`](Self::resolve), but looks first at a vertex and at the one after it: most entries
    /// are about the node of the entry before them, or about the next one.
    pub(super) fn resolve_near(&self, near: VertexId, path: &str) -> Option<VertexId> {
        let found = [near, near.saturating_add(1)].into_iter().find(|v| self.is_at(*v, path));
        found.or_else(|| self.resolve(path))
    }

    /// The node with this path, if its frame is open.
    pub fn resolve(&self, path: &str) -> Option<VertexId> {
        let mut frame = self.frames.first()?;
        let mut rest = path;
        loop {
            let end = end_of_name(rest);
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
                    let end = end_of_name(tail);
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
        // behind the gate, except for what runs instead of a scope
        let gate = self.gate(holder)?;
        let at = match (self.kind(holder)?, part) {
            (PlanKind::Try { .. }, Part::Arm(1)) => holder,
            (_, Part::Whole | Part::Instance(_) | Part::Arm(_)) => gate,
        };
        let Parts { first, count, .. } = self.vertex(at)?.parts()?;
        let offset = match part {
            Part::Instance(i) => i,
            Part::Whole | Part::Arm(_) => 0,
        };
        // the frames after the last part belong to other nodes
        let frame = first.checked_add(offset).filter(|_| offset < count)?;
        self.frames.get(frame as usize).filter(|f| f.part == part)
    }
}

/// Appends a number. Formatting it would take most of the time in which an instance of a `for` opens.
fn push_number(path: &mut String, number: u32) {
    if number > 9 {
        push_number(path, number / 10);
    }
    path.extend(char::from_digit(number % 10, 10));
}

/// Where a name or a number ends in a path.
fn end_of_name(path: &str) -> usize {
    path.bytes().position(|b| matches!(b, b'/' | b'[' | b'#')).unwrap_or(path.len())
}
