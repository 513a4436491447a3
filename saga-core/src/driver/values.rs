//! The values of a run beside the machine, which knows no types: parameters and outputs, decoded.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::calls::ContextOf;
use super::progress::SagaResult;
use crate::action::Action;
use crate::context::{ActionContext, Frame};
use crate::dag::{Dag, NodeBody, Refused};
use crate::error::{ActionError, NodeReport, SagaError, SagaReport};
use crate::json::has_room;
use crate::log::{
    Cause, Command, Entry, EntryKind, Failure, FailureKind, NodeEntry, NodePath, Payload,
    SagaEntry, SagaId, SagaStatus,
};
use crate::machine::{Call, Machine, NodeState, State, VertexId};
use crate::names::NodeIndex;
use crate::panics;
use crate::policy::UndoContract;
use crate::value::ActionOutput;

/// A DAG that a saga runs, and the values of that run.
pub(super) struct Opened<C> {
    pub(super) dag: Arc<Dag<C>>,
    pub(super) frame: Arc<Frame>,
}

impl<C> Clone for Opened<C> {
    fn clone(&self) -> Self {
        Self { dag: self.dag.clone(), frame: self.frame.clone() }
    }
}

impl<C> Deref for Opened<C> {
    type Target = Arc<Frame>;
    fn deref(&self) -> &Arc<Frame> {
        &self.frame
    }
}

/// The values of one saga: a frame for each DAG that it runs, as the machine opens them.
pub(crate) struct Values<C> {
    root: Opened<C>,
    pub(super) frames: Vec<Opened<C>>,
    /// How many of the machine's completed holders have their output.
    pub(super) collected: usize,
    /// How many parts of the next one are known to have theirs.
    pub(super) gathered: u32,
    pub(super) max_width: usize,
    unreadable: Vec<UnreadableValue>,
}

/// A stored value that this program's types do not read.
struct UnreadableValue {
    /// CallLabel output it is; none for the saga's parameters.
    node: Option<NodePath>,
    error: ActionError,
}

impl fmt::Display for UnreadableValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "the output of node `{node}`: ")?,
            None => f.write_str("the saga's parameters: ")?,
        }
        match &self.error {
            ActionError::DeserializeFailed { message } => f.write_str(message),
            error => error.fmt(f),
        }
    }
}

impl<C: Send + Sync + 'static> Values<C> {
    /// The values of a saga whose parameters are in `root`, or why they are not.
    pub(crate) fn new(dag: Arc<Dag<C>>, root: Frame, max_width: usize) -> Self {
        let root = Opened { dag, frame: Arc::new(root) };
        let refused = root.refused.clone().map(|error| UnreadableValue { node: None, error });
        let unreadable = refused.into_iter().collect();
        Self { frames: vec![root.clone()], root, collected: 0, gathered: 0, max_width, unreadable }
    }

    /// Reads the outputs of a stored log. What this program's types do not read is
    /// [remembered](Self::unreadable): who reads it finds an error in its place.
    pub(crate) fn load(&mut self, state: &State, log: &[Entry]) {
        for (path, payload) in stored_outputs(log) {
            let Some(vertex) = state.resolve(path.as_str()) else { continue };
            if self.place_in(state, vertex).is_none() {
                // its frame opens with what was read so far
                self.follow(state);
            }
            let Some((frame, at)) = self.place_in(state, vertex) else {
                self.unreadable.push(UnreadableValue { node: Some(path.clone()), error: lost() });
                continue;
            };
            let output = frame.dag.node(at).ok_or_else(lost).and_then(|node| node.decode(payload));
            if let Err(error) = &output {
                self.unreadable
                    .push(UnreadableValue { node: Some(path.clone()), error: error.clone() });
            }
            frame.put(at, output);
        }
        self.follow(state);
    }

    /// True if what the log has of this node's output cannot be read.
    pub(super) fn is_unreadable(&self, node: &NodePath) -> bool {
        self.unreadable.iter().any(|unreadable| unreadable.node.as_ref() == Some(node))
    }

    /// Why the saga must not go on, if something of it cannot be read.
    pub(crate) fn unreadable(&self) -> Option<String> {
        let first = self.unreadable.first()?;
        let more = match self.unreadable.len() {
            1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        Some(format!("this program cannot read {first}{more}"))
    }

    /// Takes in outputs that no call of this process gave: those that an operator decided on.
    pub(super) fn fill(&self, state: &State, entries: &[Entry]) {
        for entry in entries {
            let EntryKind::Node { node: path, entry: NodeEntry::Succeeded(payload), .. } =
                &entry.kind
            else {
                continue;
            };
            let place = state.resolve(path.as_str()).and_then(|v| self.place_in(state, v));
            let Some((frame, node)) = place else { continue };
            if frame.output(node).is_none()
                && let Some(Ok(output)) = frame.dag.node(node).map(|node| node.decode(payload))
            {
                frame.put(node, Ok(output));
            }
        }
    }

    /// Is this an output of that node? A name that no node has is the machine's to refuse.
    pub(super) fn check(
        &self,
        state: &State,
        path: &NodePath,
        output: &Payload,
    ) -> Result<(), String> {
        let place = state.resolve(path.as_str()).and_then(|v| self.place_in(state, v));
        let Some((frame, node)) = place else { return Ok(()) };
        match frame.dag.node(node).map(|node| node.decode(output)) {
            Some(Err(error)) => Err(format!("this is not an output of node `{path}`: {error}")),
            // the entry of the request holds it too
            Some(Ok(_)) if !has_room(output.as_bytes()) => {
                Err(format!("the output of node `{path}` is nested too deep for a log entry"))
            }
            _ => Ok(()),
        }
    }

    /// The saga's durable name.
    pub(super) fn name(&self) -> &str {
        self.root.dag.name().as_str()
    }

    fn dag(&self) -> &Arc<Dag<C>> {
        &self.root.dag
    }

    /// The frame and the node of a vertex.
    pub(super) fn place(&self, machine: &Machine, v: VertexId) -> Option<(Opened<C>, NodeIndex)> {
        self.place_in(machine.state(), v)
    }

    pub(super) fn place_in(&self, state: &State, v: VertexId) -> Option<(Opened<C>, NodeIndex)> {
        let (frame, node, _) = state.place(v)?;
        Some((self.frames.get(frame as usize)?.clone(), NodeIndex(node)))
    }

    pub(super) fn action(&self, machine: &Machine, v: VertexId) -> Option<Arc<dyn Action<C>>> {
        let (frame, node) = self.place(machine, v)?;
        let action = frame.dag.node(node)?.to_run()?;
        // an output that cannot be read is there: its undo must not run without it
        let broken = frame.broken(node).filter(|_| action.policy().undo == UndoContract::Output);
        let Some(error) = frame.refused.as_ref().or(broken).cloned() else { return Some(action) };
        let always = machine.state().node(v).is_some_and(|state| {
            let failed = error.to_failure(false);
            let before = state.failure.is_some_and(|before| *before == failed);
            before && state.attempts == 1 && !state.in_doubt
        });
        Some(Arc::new(Refused { action, error, always }))
    }

    pub(super) fn output(&self, machine: &Machine, v: VertexId) -> Option<ActionOutput> {
        let (frame, node) = self.place(machine, v)?;
        frame.output(node).cloned()
    }

    /// The output of a node, as its closures read it.
    pub(crate) fn output_at(&self, state: &State, v: VertexId) -> Option<&ActionOutput> {
        let (frame, node, _) = state.place(v)?;
        self.frames.get(frame as usize)?.output(NodeIndex(node))
    }

    /// The node that gives the output of what a frame runs.
    pub(crate) fn end_of(&self, state: &State, frame: u32) -> Option<VertexId> {
        let output = self.frames.get(frame as usize)?.dag.output()?;
        Some(state.frames().get(frame as usize)?.base + output.0)
    }

    pub(super) fn set(&self, machine: &Machine, v: VertexId, output: ActionOutput) {
        if let Some((frame, node)) = self.place(machine, v) {
            frame.put(node, Ok(output));
        }
    }

    /// How many `for` the node is an instance of.
    pub(super) fn lists_around(&self, machine: &Machine, v: VertexId) -> usize {
        let place = self.place(machine, v).map(|(opened, _)| opened.frame);
        let around = |frame: &Arc<Frame>| frame.outer.as_ref().map(|outer| outer.frame.clone());
        let frames = std::iter::successors(place, around);
        frames.filter(|frame| frame.outer.as_ref().is_some_and(|o| o.instance.is_some())).count()
    }

    /// The value of a constant or computed node.
    pub(super) fn compute(
        &self,
        machine: &Machine,
        v: VertexId,
        context: impl FnOnce(ContextOf) -> Option<ActionContext<C>>,
    ) -> Result<ActionOutput, Failure> {
        let missing = || Failure::new(FailureKind::Failed, "the node has no value").permanent();
        let (frame, node) = self.place(machine, v).ok_or_else(missing)?;
        let result = match frame.dag.node(node).map(|node| &node.body) {
            Some(_) if let Some(error) = &frame.refused => Err(error.clone()),
            Some(NodeBody::Constant { output, .. }) => Ok(output.clone()),
            Some(NodeBody::Computed(compute)) => {
                let call = Call { vertex: v, attempt: 1, seq: 0, unwinding: false, repeat: 1 };
                let cx = context(ContextOf { call, undo: false, transactions: None })
                    .ok_or_else(missing)?;
                panics::contain(|| compute.compute(cx))
                    .unwrap_or_else(|message| Err(ActionError::Panicked { message }))
            }
            _ => return Err(missing()),
        };
        result.map_err(|error| error.to_failure(false))
    }

    /// How a saga that ended without completing stands.
    pub(crate) fn report(&self, machine: &Machine, id: &SagaId) -> SagaReport {
        report(self.dag().name().as_str(), machine.state(), id)
    }

    pub(super) fn outcome(&self, machine: &Machine, id: &SagaId, status: SagaStatus) -> SagaResult {
        match status {
            SagaStatus::Completed => self.saga_output(id),
            SagaStatus::Stuck => Err(SagaError::Stuck(Box::new(self.report(machine, id)))),
            _ => Err(SagaError::RolledBack(Box::new(self.report(machine, id)))),
        }
    }

    fn saga_output(&self, id: &SagaId) -> SagaResult {
        let Some(node) = self.dag().output() else { return Ok(None) };
        match (self.root.output(node), self.root.broken(node)) {
            (None, Some(error)) => {
                let why = format!("its output cannot be read: {error}");
                Err(SagaError::Corrupt { saga: id.clone(), why })
            }
            (output, _) => Ok(output.cloned()),
        }
    }

    /// The outcome of a saga that ended in another process, or earlier in this one.
    pub(crate) fn ended(&self, state: &State, id: &SagaId) -> Option<SagaResult> {
        match state.status() {
            SagaStatus::Completed => Some(self.saga_output(id)),
            _ => outcome_at_rest(self.name(), state, id),
        }
    }
}

/// The outputs in a log, in the order in which they were first there; of a node that an operator has given
/// another one, that.
fn stored_outputs(log: &[Entry]) -> impl Iterator<Item = (&NodePath, &Payload)> {
    let outputs = log.iter().filter_map(|entry| match &entry.kind {
        EntryKind::Node { node, entry: NodeEntry::Succeeded(payload), .. } => Some((node, payload)),
        _ => None,
    });
    let decides = |entry: &Entry| {
        matches!(
            entry.saga_entry(),
            Some(SagaEntry::Requested { command: Command::Decide { .. }, .. })
        )
    };
    let decided = log.iter().any(decides);
    let last: HashMap<&NodePath, &Payload> =
        if decided { outputs.clone().collect() } else { HashMap::new() };
    outputs.map(move |(path, payload)| (path, last.get(path).copied().unwrap_or(payload)))
}

fn lost() -> ActionError {
    ActionError::from_error("it is not where the log says")
}

fn report(name: &str, state: &State, id: &SagaId) -> SagaReport {
    let cause = state.cause().cloned();
    let cause = cause.unwrap_or(Cause::Cancelled { reason: "no reason recorded".to_string() });
    let nodes = state.nodes();
    let error = match &cause {
        Cause::Failed { node } => {
            let failed = nodes.iter().find(|n| n.path == *node);
            failed.and_then(|n| n.failure.as_deref()).map(ActionError::from_failure)
        }
        _ => None,
    };
    let (saga, name) = (id.clone(), name.to_string());
    SagaReport { saga, name, cause, error, nodes: node_reports(state) }
}

/// How a saga ended that did not complete.
pub(crate) fn outcome_at_rest(name: &str, state: &State, id: &SagaId) -> Option<SagaResult> {
    let report = || Box::new(report(name, state, id));
    match state.status() {
        SagaStatus::RolledBack => Some(Err(SagaError::RolledBack(report()))),
        SagaStatus::Stuck => Some(Err(SagaError::Stuck(report()))),
        _ => None,
    }
}

/// How each node stands, in the order of declaration.
pub(crate) fn node_reports(state: &State) -> Vec<NodeReport> {
    state.nodes().into_iter().map(node_report).collect()
}

pub(crate) fn node_report(node: NodeState) -> NodeReport {
    NodeReport {
        node: node.path,
        state: node.state,
        has_undo: node.has_undo,
        in_doubt: node.in_doubt,
        resolved: node.resolved,
        attempts: node.attempts,
        error: node.failure.as_deref().map(ActionError::from_failure),
        undo_error: node.undo_failure.as_deref().map(ActionError::from_failure),
    }
}
