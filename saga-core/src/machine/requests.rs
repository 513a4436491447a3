//! What operators ask: which requests can be granted, and what the log makes of those that were.
//!
//! A request that is granted is in the log as `requested`, and what follows from it as entries of its
//! own. Between the two it is *open*: a cancel for as long as the pivot is, any other only if a crash
//! tears them apart. To be stepped or to try again is not followed by anything of its own: that is done
//! with the request.

use super::state::{Progress, State, Undo, Vertex, VertexId};
use crate::log::{Answer, Command, Fault, NodePath, Refusal, SagaStatus, Uuid};
use crate::plan::PlanKind;

/// A request that was granted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) id: Uuid,
    pub(super) by: String,
    pub(super) command: Command,
}

/// What tests have put into one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Faults {
    pub(super) error: bool,
    pub(super) undo_error: bool,
    pub(super) repeat: Option<u32>,
}

impl State {
    /// Whether a request can be granted in this state; if not, the answer to it.
    pub(super) fn judge(&self, command: &Command) -> Result<(), Answer> {
        let status = self.status();
        let refuse = |why| Err(Answer::Refused(why));
        let nothing = Err(Answer::NothingToDo { status });
        let ended = || refuse(Refusal::AlreadyEnded { status });
        match command {
            Command::Cancel { .. } if self.ended.is_some() => ended(),
            Command::Cancel { .. } if self.unwinding.is_none() => self.can_go_back(),
            // one that waits for a human on its way back goes on with it
            Command::Cancel { .. } if self.parked.is_some() => Ok(()),
            Command::Cancel { .. } => nothing,
            Command::Pause if self.ended.is_some() => ended(),
            Command::Pause if self.paused => nothing,
            Command::Resume | Command::Step if !self.paused => refuse(Refusal::NotPaused),
            Command::Step if self.parked.is_some() => refuse(Refusal::NothingToStart),
            Command::Pause | Command::Resume | Command::Step => Ok(()),
            Command::RetryUndo { node } | Command::Resolve { node, .. } => {
                let v = self.named(node)?;
                let state = self.node(v).map(|n| n.state);
                match (self.vertex(v).map(|x| x.undo), state) {
                    (Some(Undo::Failed), _) | (_, None) => Ok(()),
                    (_, Some(state)) => {
                        refuse(Refusal::UndoNotFailed { node: node.clone(), state })
                    }
                }
            }
            Command::RetryAll if self.vertices.iter().any(|x| x.undo == Undo::Failed) => Ok(()),
            Command::RetryAll => nothing,
            Command::Rollback { .. } => match self.ended {
                None => refuse(Refusal::NotEnded { status }),
                Some(SagaStatus::Completed) => self.can_go_back(),
                Some(SagaStatus::RolledBack) => nothing,
                Some(_) => ended(),
            },
            Command::Retry { node } => {
                let v = self.named(node)?;
                match self.node(v) {
                    Some(n) if !(self.past_pivot() && self.has_given_up(self.failing(v))) => {
                        refuse(Refusal::NotFailed { node: node.clone(), state: n.state })
                    }
                    _ => Ok(()),
                }
            }
            Command::Decide { node, decision, .. } => {
                let v = self.named(node)?;
                match self.node(v) {
                    _ if self.is_replaceable(v) && decision.output().is_some() => Ok(()),
                    Some(n) if self.pivot() != Some(v) || !self.pivot_is_busy() => {
                        refuse(Refusal::NotInDoubt { node: node.clone(), state: n.state })
                    }
                    // while it is still tried, what somebody found out can be wrong by now
                    _ if self.parked.is_none() => refuse(Refusal::NotParked),
                    _ => Ok(()),
                }
            }
            Command::Unpark if self.parked.is_none() => refuse(Refusal::NotParked),
            Command::Unpark => Ok(()),
            Command::Inject { .. } if self.ended.is_some() => ended(),
            Command::Inject { node, .. } => self.can_be_injected(node),
        }
    }

    fn named(&self, node: &NodePath) -> Result<VertexId, Answer> {
        let unknown = || Answer::Refused(Refusal::NoSuchNode { node: node.clone() });
        self.resolve(node.as_str()).ok_or_else(unknown)
    }

    fn can_go_back(&self) -> Result<(), Answer> {
        match self.pivot() {
            Some(pivot) if self.past_pivot() => {
                Err(Answer::Refused(Refusal::PastPivot { pivot: self.path(pivot) }))
            }
            _ => Ok(()),
        }
    }

    /// A node that is not there yet can be named too, if what holds it can.
    fn can_be_injected(&self, node: &NodePath) -> Result<(), Answer> {
        let first = node.as_str().split(['/', '[', '#']).next().unwrap_or_default();
        if self.resolve(first).is_none() {
            return Err(Answer::Refused(Refusal::NoSuchNode { node: node.clone() }));
        }
        match self.resolve(node.as_str()).and_then(|v| self.kind(v)) {
            None | Some(PlanKind::Action(_)) => Ok(()),
            Some(_) => {
                let why = format!("node `{node}` has no action of its own, name one that has");
                Err(Answer::Refused(Refusal::Invalid { why }))
            }
        }
    }

    /// True if a vertex failed and nothing but an operator goes on with it: behind the pivot, or the
    /// pivot itself.
    pub(super) fn has_given_up(&self, v: VertexId) -> bool {
        self.vertex(v).is_some_and(|x| {
            x.failed && x.retry_at.is_none() && x.progress == Progress::Open && !x.open
        }) && self.unwinding.is_none()
    }

    /// Where the failure of a node is: a node that holds others fails at its gate.
    fn failing(&self, node: VertexId) -> VertexId {
        self.gate(node).unwrap_or(node)
    }

    /// Grants a request.
    pub(super) fn requested(
        &mut self,
        id: Uuid,
        by: &str,
        command: &Command,
        touched: &mut Vec<VertexId>,
    ) {
        match command {
            Command::Step => self.steps = self.steps.saturating_add(1),
            Command::Retry { node } => {
                if let Some(v) = self.resolve(node.as_str()) {
                    self.try_again(self.failing(v), touched);
                }
            }
            Command::RetryUndo { node } => {
                if let Some(v) = self.resolve(node.as_str()) {
                    self.undo_again(v, touched);
                }
            }
            Command::RetryAll => {
                for v in 0..self.len() {
                    if self.vertex(v).is_some_and(|x| x.undo == Undo::Failed) {
                        self.undo_again(v, touched);
                    }
                }
            }
            command => {
                if let Command::Resolve { .. } = command {
                    self.ended = None;
                }
                self.open.push(Asked { id, by: by.to_string(), command: command.clone() });
                return;
            }
        }
        self.answers.insert(id, Answer::Done);
    }

    pub(super) fn refused(&mut self, id: Uuid, why: &Refusal) {
        self.open.retain(|asked| asked.id != id);
        self.answers.insert(id, Answer::Refused(why.clone()));
    }

    /// Open requests for this have had their effect.
    pub(super) fn close(&mut self, what: impl Fn(&Command) -> bool, answer: &Answer) {
        let (closed, open) =
            std::mem::take(&mut self.open).into_iter().partition(|asked| what(&asked.command));
        self.open = open;
        let closed: Vec<Asked> = closed;
        self.answers.extend(closed.into_iter().map(|asked| (asked.id, answer.clone())));
    }

    /// A failed node starts anew, with all of its tries. Doubt stays.
    pub(super) fn try_again(&mut self, v: VertexId, touched: &mut Vec<VertexId>) {
        let path = self.path(v);
        self.ended = None;
        if let Some(x) = self.vertices.get_mut(v as usize) {
            (x.failed, x.retry_at, x.tries_from) = (false, None, x.attempts);
        }
        if let Some(faults) = self.faults.get_mut(&path) {
            faults.error = false;
        }
        touched.push(v);
    }

    fn undo_again(&mut self, v: VertexId, touched: &mut Vec<VertexId>) {
        let path = self.path(v);
        self.ended = None;
        if let Some(x) = self.vertices.get_mut(v as usize) {
            (x.undo, x.undo_from) = (Undo::NotStarted, x.undo_tries);
            (x.reruns, x.retry_at) = (0, None);
        }
        if let Some(faults) = self.faults.get_mut(&path) {
            faults.undo_error = false;
        }
        touched.push(v);
    }

    pub(super) fn injected(&mut self, at: &NodePath, fault: Fault) {
        let faults = self.faults.entry(at.clone()).or_default();
        match fault {
            Fault::Error => faults.error = true,
            Fault::UndoError => faults.undo_error = true,
            Fault::Repeat(n) => faults.repeat = Some(n),
        }
        self.close(|c| matches!(c, Command::Inject { .. }), &Answer::Done);
    }

    /// What tests have put into this node.
    pub(super) fn faults(&self, v: VertexId) -> Faults {
        if self.faults.is_empty() {
            return Faults::default();
        }
        self.faults.get(&self.path(v)).copied().unwrap_or_default()
    }

    /// True if the request is in the log and has not had its effect yet: a cancel that waits for the
    /// pivot. It is answered when it has; there is no need to ask again.
    pub fn is_held(&self, id: Uuid) -> bool {
        self.open.iter().any(|asked| asked.id == id)
    }

    pub(super) fn is_known(&self, id: Uuid) -> bool {
        self.answers.contains_key(&id) || self.is_held(id)
    }

    /// True if an operator says how this vertex, a pivot in doubt, has ended.
    pub(super) fn is_deciding(&self, v: VertexId) -> bool {
        self.pivot() == Some(v) && self.is_decided(v)
    }

    fn is_decided(&self, v: VertexId) -> bool {
        self.open.iter().any(|asked| match &asked.command {
            Command::Decide { node, .. } => self.resolve(node.as_str()) == Some(v),
            _ => false,
        })
    }

    /// True if an operator may give this vertex another output: its saga is parked, as nobody can read the
    /// one that is there. Whether that is so, only who reads it knows.
    pub(super) fn is_replaceable(&self, v: VertexId) -> bool {
        let stored = matches!(self.kind(v), Some(PlanKind::Action(_) | PlanKind::Value));
        let done = |x: &Vertex| x.progress == Progress::Completed && x.undo == Undo::NotStarted;
        self.parked.is_some() && stored && self.vertex(v).is_some_and(done)
    }

    /// True if an operator gives this vertex another output.
    pub(super) fn is_replacing(&self, v: VertexId) -> bool {
        self.is_replaceable(v) && self.is_decided(v)
    }

    /// True if an operator has dealt with the effect of this vertex.
    pub(super) fn is_resolving(&self, v: VertexId) -> bool {
        self.open.iter().any(|asked| match &asked.command {
            Command::Resolve { node, .. } => self.resolve(node.as_str()) == Some(v),
            _ => false,
        })
    }
}
