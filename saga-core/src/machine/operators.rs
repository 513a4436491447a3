//! Operators: what they ask is granted or refused, and what they were granted is done.

use super::Machine;
use super::requests::Asked;
use super::state::VertexId;
use crate::log::{
    Answer, Cause, Command, Decision, EntryKind, Failure, FailureKind, Refusal, Uuid,
};

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
                self.emit(None, EntryKind::Requested { id, by, command });
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
            let Some((v, kind)) = self.effect_of(&asked) else { continue };
            let replaces = v.is_some_and(|v| self.state.is_replacing(v));
            if let (Command::Decide { .. }, Some(v), false) = (&asked.command, v, replaces) {
                // it must not start again instead
                self.forget(v);
            }
            let goes_on = match asked.command {
                // one that is given another output stays parked: there may be more that cannot be read
                Command::Decide { .. } => !replaces,
                Command::Cancel { .. } => matches!(kind, EntryKind::Unwinding(_)),
                _ => false,
            };
            if goes_on && self.state.parked.is_some() {
                self.emit(None, EntryKind::Unparked);
            }
            if self.state.allows(v, &kind) {
                self.emit(v, kind);
            } else {
                let why = format!("{} does not apply to the saga any more", asked.command.name());
                let why = Refusal::Invalid { why };
                self.emit(None, EntryKind::Refused { id: asked.id, why });
            }
        }
    }

    /// The entry that does what a request asks for; none while it is held.
    fn effect_of(&self, asked: &Asked) -> Option<(Option<VertexId>, EntryKind)> {
        let (id, by) = (asked.id, asked.by.as_str());
        let find = |node: &crate::log::NodePath| self.state.resolve(node.as_str());
        Some(match &asked.command {
            Command::Cancel { .. } if self.state.pivot_is_busy() => return None,
            Command::Cancel { .. } if self.state.unwinding.is_some() => (None, EntryKind::Unparked),
            Command::Cancel { reason } => match self.state.pivot() {
                Some(pivot) if self.state.past_pivot() => {
                    let why = Refusal::PastPivot { pivot: self.state.path(pivot) };
                    (None, EntryKind::Refused { id, why })
                }
                _ => (None, EntryKind::Unwinding(Cause::Cancelled { reason: reason.clone() })),
            },
            Command::Rollback { reason } => {
                (None, EntryKind::Unwinding(Cause::Rollback { reason: reason.clone() }))
            }
            Command::Pause => (None, EntryKind::Paused),
            Command::Resume => (None, EntryKind::Resumed),
            Command::Unpark => (None, EntryKind::Unparked),
            Command::Resolve { node, note } => {
                let resolved = EntryKind::Resolved { by: by.to_string(), note: note.clone() };
                (find(node), resolved)
            }
            Command::Decide { node, decision, note } => {
                let kind = match (decision, decision.output()) {
                    (Decision::Succeeded(_) | Decision::SucceededWith(_), Some(output)) => {
                        EntryKind::Succeeded(output)
                    }
                    _ => {
                        let why = format!("{by} decided that it did not take effect: {note}");
                        EntryKind::Failed(Failure::new(FailureKind::Failed, why).permanent())
                    }
                };
                (find(node), kind)
            }
            Command::Inject { node, fault } => {
                // as the log writes it, if the node is there
                let at = find(node).map_or_else(|| node.clone(), |v| self.state.path(v));
                (None, EntryKind::Injected { at, fault: *fault })
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
