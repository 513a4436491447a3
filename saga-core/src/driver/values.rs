//! The decoded parameters and outputs of one saga. The machine knows no types: it sees payloads only.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use super::Evaluations;
use super::unreadable::{UnreadableValue, UnreadableValues};
use crate::action::AnyAction;
use crate::context::{ActionContext, AnyContext, Frame};
use crate::dag::{AnyDag, NodeBody, Refused};
use crate::error::ActionError;
use crate::json::has_room;
use crate::log::{
    Entry, Failure, FailureKind, NodeEntry, NodePath, Payload, SagaEntry, SagaId, since_migration,
};
use crate::machine::{AuthorizedCall, Machine, SagaState, VertexId};
use crate::names::NodeIndex;
use crate::panics;
use crate::policy::UndoContract;
use crate::value::ActionOutput;

/// A DAG that a saga runs, and the values of that run.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) dag: Arc<AnyDag>,
    pub(super) frame: Arc<Frame>,
}

impl Opened {
    /// What stands in for the action of a node that must not run, because a value cannot be read.
    pub(super) fn refused(
        &self,
        machine: &Machine,
        v: VertexId,
        node: NodeIndex,
    ) -> Option<Refused> {
        let why = self.frame.refused.as_deref().or_else(|| self.broken(node))?;
        let action = self.dag.node(node)?.body.action()?;
        // an output that cannot be read exists all the same: its undo must not run without it
        if self.frame.refused.is_none() && action.policy().undo != UndoContract::Output {
            return None;
        }
        let (action, error) = (action.clone(), why.clone());
        let always = machine.state().node(v).is_some_and(|state| {
            let failed = error.to_failure(false);
            let before = state.failure.is_some_and(|before| *before == failed);
            before && state.attempts == 1 && !state.in_doubt
        });
        Some(Refused { action, error, always })
    }
}

impl Deref for Opened {
    type Target = Arc<Frame>;
    fn deref(&self) -> &Arc<Frame> {
        &self.frame
    }
}

/// The values of one saga: a frame for each DAG that it runs, opened in the order of the machine's frames.
pub(crate) struct Values {
    root: Opened,
    /// The frames after the first.
    inner: Vec<Opened>,
    /// How many of the machine's completed composite nodes have their output.
    pub(super) collected: usize,
    /// How many parts of the next one are known to have theirs.
    pub(super) gathered: u32,
    pub(super) max_width: usize,
    pub(super) evaluations: Evaluations,
    pub(super) unreadable: UnreadableValues,
}

impl Values {
    /// The values of a saga whose parameters (or the reason why there are none) are in `root`.
    pub(crate) fn new(dag: Arc<AnyDag>, root: Frame, max_width: usize) -> Self {
        let root = Opened { dag, frame: Arc::new(root) };
        let mut unreadable = UnreadableValues::default();
        if let Some(error) = root.refused.as_deref() {
            unreadable.note(UnreadableValue::params(error.clone()));
        }
        let evaluations = Evaluations::none();
        let inner = Vec::new();
        Self { root, inner, collected: 0, gathered: 0, max_width, evaluations, unreadable }
    }

    /// The same in a test that compares evaluations.
    pub(super) fn compared_by(mut self, evaluations: Evaluations) -> Self {
        self.evaluations = evaluations;
        self
    }

    /// The values of a stored saga, with the outputs in its log. An output that this program's types cannot
    /// read is [noted](Self::unreadable), and whoever needs it finds an error in its place.
    pub(crate) fn of_log(
        dag: Arc<AnyDag>,
        root: Frame,
        max_width: usize,
        state: &SagaState,
        log: &[Entry],
    ) -> Self {
        Self::new(dag, root, max_width).loaded(state, log)
    }

    /// The same with the outputs in a log.
    pub(super) fn loaded(mut self, state: &SagaState, log: &[Entry]) -> Self {
        self.load(state, log);
        self
    }

    fn load(&mut self, state: &SagaState, log: &[Entry]) {
        for (path, payload) in stored_outputs(log) {
            let Some(vertex) = state.resolve(path.as_str()) else { continue };
            if self.place_in(state, vertex).is_none() {
                // its frame opens with the outputs that were read so far
                self.follow(state);
            }
            let Some((frame, at)) = self.place_in(state, vertex) else {
                self.unreadable.note(UnreadableValue::output(path.clone(), lost()));
                continue;
            };
            let output = frame.dag.node(at).ok_or_else(lost).and_then(|node| node.decode(payload));
            let error = output.as_ref().err().cloned();
            frame.put(at, output);
            if let Some(error) = error {
                self.unreadable.note(UnreadableValue::output(path.clone(), error));
            }
        }
        self.follow(state);
    }

    /// True if the stored output of this node cannot be read.
    pub(super) fn is_unreadable(&self, node: &NodePath) -> bool {
        self.unreadable.has(node)
    }

    /// Why the saga must not resume, if one of its values cannot be read, and what to do about it.
    pub(super) fn why_unreadable(&self, saga: &SagaId, state: &SagaState) -> Option<String> {
        self.unreadable.reason(saga, state)
    }

    /// Adds outputs that no call of this process returned: outputs that an operator has decided.
    pub(super) fn fill(&self, state: &SagaState, entries: &[Entry]) {
        for entry in entries {
            let (Some(path), Some(payload)) =
                (entry.node(), entry.node_entry().and_then(NodeEntry::output))
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

    /// Checks that a payload is an output of this node. A path that no node has is left to the machine.
    pub(super) fn check(
        &self,
        state: &SagaState,
        path: &NodePath,
        output: &Payload,
    ) -> Result<(), String> {
        let place = state.resolve(path.as_str()).and_then(|v| self.place_in(state, v));
        let Some((frame, node)) = place else { return Ok(()) };
        match frame.dag.node(node).map(|node| node.decode(output)) {
            Some(Err(error)) => Err(format!("this is not an output of node `{path}`: {error}")),
            // the entry of the request contains it too
            Some(Ok(_)) if !has_room(output.as_bytes()) => {
                Err(format!("the output of node `{path}` is nested too deep for a log entry"))
            }
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// All stored values that this program's types cannot read.
    pub(crate) fn unreadable(&self) -> impl Iterator<Item = &UnreadableValue> {
        self.unreadable.iter()
    }

    /// The saga's durable name.
    pub(super) fn name(&self) -> &str {
        self.root.dag.name().as_str()
    }

    pub(super) fn root(&self) -> &Opened {
        &self.root
    }

    pub(super) fn frame(&self, frame: u32) -> Option<&Opened> {
        match frame.checked_sub(1) {
            None => Some(&self.root),
            Some(inner) => self.inner.get(inner as usize),
        }
    }

    /// How many frames are open.
    pub(super) fn opened(&self) -> u32 {
        1 + self.inner.len() as u32
    }

    pub(super) fn add_frames(&mut self, opened: Vec<Opened>) {
        self.inner.extend(opened);
    }

    /// The frame and the node of a vertex.
    pub(super) fn place(&self, machine: &Machine, v: VertexId) -> Option<(&Opened, NodeIndex)> {
        self.place_in(machine.state(), v)
    }

    pub(super) fn place_in(&self, state: &SagaState, v: VertexId) -> Option<(&Opened, NodeIndex)> {
        let (frame, node, _) = state.place(v)?;
        Some((self.frame(frame)?, NodeIndex(node)))
    }

    /// The action of a node.
    pub(super) fn action(&self, machine: &Machine, v: VertexId) -> Option<&Arc<AnyAction>> {
        let (frame, node) = self.place(machine, v)?;
        frame.dag.node(node)?.body.action()
    }

    /// The output of a node, as closures read it.
    pub(crate) fn output_at(&self, state: &SagaState, v: VertexId) -> Option<&ActionOutput> {
        let (frame, node, _) = state.place(v)?;
        self.frame(frame)?.output(NodeIndex(node))
    }

    /// The node whose output is the output of this frame's DAG.
    pub(crate) fn end_of(&self, state: &SagaState, frame: u32) -> Option<VertexId> {
        let output = self.frame(frame)?.dag.output()?;
        Some(state.frames().get(frame as usize)?.base + output.0)
    }

    pub(super) fn set(&self, machine: &Machine, v: VertexId, output: ActionOutput) {
        if let Some((frame, node)) = self.place(machine, v) {
            frame.put(node, Ok(output));
        }
    }

    /// The value of a constant or computed node.
    pub(super) fn compute(
        &self,
        machine: &Machine,
        v: VertexId,
        context: impl FnOnce(AuthorizedCall) -> Option<ActionContext<AnyContext>>,
    ) -> Result<ActionOutput, Failure> {
        let missing = || Failure::new(FailureKind::Failed, "the node has no value").permanent();
        let (frame, node) = self.place(machine, v).ok_or_else(missing)?;
        let result = match frame.dag.node(node).map(|node| &node.body) {
            Some(_) if let Some(error) = frame.refused.as_deref() => Err(error.clone()),
            Some(NodeBody::Constant { output, .. }) => Ok(output.clone()),
            Some(NodeBody::Computed(compute)) => {
                let call = AuthorizedCall {
                    vertex: v,
                    attempt: 1,
                    generation: 0,
                    seq: 0,
                    unwinding: false,
                    repeat: 1,
                };
                let cx = context(call).ok_or_else(missing)?;
                let path = || machine.state().path(v);
                let again = || compute.compute(cx.clone());
                self.evaluations.value(path, &**compute, again);
                panics::contain(|| compute.compute(cx))
                    .unwrap_or_else(|message| Err(ActionError::Panicked { message }))
            }
            Some(
                NodeBody::Action(_)
                | NodeBody::Subsaga { .. }
                | NodeBody::ForEach(_)
                | NodeBody::Choose(_)
                | NodeBody::Wait(_)
                | NodeBody::Try(_),
            )
            | None => return Err(missing()),
        };
        result.map_err(|error| error.to_failure(false))
    }
}

/// The outputs in a log, in the order in which their nodes first succeeded. Where an operator has replaced an
/// output, the new one takes the place of the old.
fn stored_outputs(log: &[Entry]) -> impl Iterator<Item = (&NodePath, &Payload)> {
    let log = since_migration(log);
    let outputs =
        log.iter().filter_map(|entry| Some((entry.node()?, entry.node_entry()?.output()?)));
    let decides = |entry: &Entry| match entry.saga_entry() {
        Some(SagaEntry::Requested { command, .. }) => command.replaces_output(),
        Some(
            SagaEntry::Created { .. }
            | SagaEntry::Unwinding(_)
            | SagaEntry::Paused
            | SagaEntry::Resumed
            | SagaEntry::Parked { .. }
            | SagaEntry::Unparked
            | SagaEntry::Suspected { .. }
            | SagaEntry::Cleared
            | SagaEntry::Refused { .. }
            | SagaEntry::Injected { .. }
            | SagaEntry::Migrated(_)
            | SagaEntry::Ended(_),
        )
        | None => false,
    };
    let decided = log.iter().any(decides);
    let last: HashMap<&NodePath, &Payload> =
        if decided { outputs.clone().collect() } else { HashMap::new() };
    outputs.map(move |(path, payload)| (path, last.get(path).copied().unwrap_or(payload)))
}

fn lost() -> ActionError {
    ActionError::from_error("it is not where the log says")
}
