//! Operators: what they ask is granted or refused, and what they were granted is done.

use super::Machine;
use super::requests::Asked;
use super::state::VertexId;
use crate::log::{
    Answer, Cause, Command, Decision, Failure, FailureKind, NodeEntry, Refusal, SagaEntry, Uuid,
};

/// What follows from a request that is open.
enum Next {
    Saga(SagaEntry),
    Node(VertexId, NodeEntry),
    /// The node that it names is not there.
    Gone,
}

impl Machine {
    /// Looks at the next request.
    pub(super) fn hear_next(&mut self) -> bool {
        let Some((id, by, command)) = self.requests.pop_front() else { return false };
        if self.asked.contains(&id) || self.broken.is_some() {
            return true; // it was delivered before, and will be answered
        }
        if let Some(answer) = self.state.answers.get(&id) {
            self.answers.push((id, answer.clone()));
            return true;
        }
        match self.state.judge(&command).and_then(|()| self.judge_now(&command)) {
            Err(answer) => self.answers.push((id, answer)),
            Ok(()) => {
                self.asked.insert(id);
                if matches!(
                    command,
                    Command::RetryUndo { .. } | Command::RetryAll | Command::Resolve { .. }
                ) {
                    self.line_up_again();
                }
                self.write(SagaEntry::Requested { id, by, command });
                self.follow_up();
            }
        }
        true
    }

    /// What is refused although the log could hold it: because of what this process has under way, or
    /// because it would wait for somebody who has not been told.
    fn judge_now(&self, command: &Command) -> Result<(), Answer> {
        let calls = self.in_flight.len();
        match command {
            Command::Cancel { .. }
                if self.state.parked.is_some()
                    && self.state.pivot_is_busy()
                    && let Some(pivot) = self.state.pivot() =>
            {
                Err(Answer::Refused(Refusal::PivotInDoubt { pivot: self.state.path(pivot) }))
            }
            Command::RetryUndo { .. }
            | Command::RetryAll
            | Command::Resolve { .. }
            | Command::Decide { .. }
                if calls > 0 =>
            {
                Err(Answer::Refused(Refusal::InFlight { calls }))
            }
            Command::Step if !self.has_candidates() => {
                Err(Answer::Refused(Refusal::NothingToStart))
            }
            _ => Ok(()),
        }
    }

    /// Does what open requests ask for, unless it must wait for the pivot.
    pub(super) fn follow_up(&mut self) {
        for asked in self.state.open.clone() {
            if !self.state.is_held(asked.id) {
                continue; // it came with the one before it
            }
            let Some(next) = self.effect_of(&asked) else { continue };
            let replaces = match &next {
                Next::Node(v, _) => self.state.is_replacing(*v),
                Next::Saga(_) | Next::Gone => false,
            };
            if let (Command::Decide { .. }, Next::Node(v, _), false) =
                (&asked.command, &next, replaces)
            {
                // it must not start again instead
                self.forget(*v);
            }
            let goes_on = match asked.command {
                // one that is given another output stays parked: there may be more that cannot be read
                Command::Decide { .. } => !replaces,
                Command::Cancel { .. } => matches!(next, Next::Saga(SagaEntry::Unwinding(_))),
                _ => false,
            };
            if goes_on && self.state.parked.is_some() {
                self.write(SagaEntry::Unparked);
            }
            match next {
                Next::Saga(entry) if self.state.allows_saga_entry(&entry) => self.write(entry),
                Next::Node(v, entry) if self.state.allows_node_entry(v, &entry) => {
                    self.write_about(v, entry);
                }
                Next::Saga(_) | Next::Node(..) | Next::Gone => {
                    let command = asked.command.name();
                    let why = format!("{command} does not apply to the saga any more");
                    let why = Refusal::Invalid { why };
                    self.write(SagaEntry::Refused { id: asked.id, why });
                }
            }
        }
    }

    /// The entry that does what a request asks for; none while it is held.
    fn effect_of(&self, asked: &Asked) -> Option<Next> {
        let (id, by) = (asked.id, asked.by.as_str());
        let find = |node: &crate::log::NodePath| self.state.resolve(node.as_str());
        let about = |node, entry| find(node).map_or(Next::Gone, |v| Next::Node(v, entry));
        Some(match &asked.command {
            Command::Cancel { .. } if self.state.pivot_is_busy() => return None,
            Command::Cancel { .. } if self.state.unwinding.is_some() => {
                Next::Saga(SagaEntry::Unparked)
            }
            Command::Cancel { reason } => match self.state.pivot() {
                Some(pivot) if self.state.past_pivot() => {
                    let why = Refusal::PastPivot { pivot: self.state.path(pivot) };
                    Next::Saga(SagaEntry::Refused { id, why })
                }
                _ => Next::Saga(SagaEntry::Unwinding(Cause::Cancelled { reason: reason.clone() })),
            },
            Command::Rollback { reason } => {
                Next::Saga(SagaEntry::Unwinding(Cause::Rollback { reason: reason.clone() }))
            }
            Command::Pause => Next::Saga(SagaEntry::Paused),
            Command::Resume => Next::Saga(SagaEntry::Resumed),
            Command::Unpark => Next::Saga(SagaEntry::Unparked),
            Command::Resolve { node, note } => {
                about(node, NodeEntry::Resolved { by: by.to_string(), note: note.clone() })
            }
            Command::Decide { node, decision, note } => {
                let entry = match (decision, decision.output()) {
                    (Decision::Succeeded(_) | Decision::SucceededWith(_), Some(output)) => {
                        NodeEntry::Succeeded(output)
                    }
                    _ => {
                        let why = format!("{by} decided that it did not take effect: {note}");
                        NodeEntry::Failed(Failure::new(FailureKind::Failed, why).permanent())
                    }
                };
                about(node, entry)
            }
            Command::Inject { node, fault } => {
                // as the log writes it, if the node is there
                let at = find(node).map_or_else(|| node.clone(), |v| self.state.path(v));
                Next::Saga(SagaEntry::Injected { at, fault: *fault })
            }
            // done with the request
            Command::Step
            | Command::Retry { .. }
            | Command::RetryUndo { .. }
            | Command::RetryAll => {
                return None;
            }
        })
    }

    /// The requests that this append answers.
    pub(super) fn take_answers(&mut self) -> Vec<(Uuid, Answer)> {
        let mut answers = std::mem::take(&mut self.answers);
        let answered = |id: &Uuid| Some((*id, self.state.answers.get(id)?.clone()));
        answers.extend(self.asked.iter().filter_map(answered));
        self.asked.retain(|id| !self.state.answers.contains_key(id));
        answers
    }
}
