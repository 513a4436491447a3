//! Starting what may start, as far as room, permits and pauses allow. Faults that tests have injected take the
//! place of the call.

use super::start_order::StartPriority;
use super::state::{Need, VertexId};
use super::{AuthorizedCall, Effect, InFlight, Machine};
use crate::log::{Failure, FailureKind, NodeEntry};

impl Machine {
    /// Starts the first candidate, if there is one and room for it.
    pub(super) fn start_next(&mut self) -> bool {
        let may = self.allowance();
        if self.wanting.len() > may {
            // they were asked for before a pause
            self.line_up_again();
        }
        while let Some(v) = self.granted.pop_front() {
            // one that is not needed any more was released when that was decided
            if self.wanting.remove(&v).is_some() {
                self.start(v);
                if !self.in_flight.contains_key(&v) {
                    self.said.push(Effect::ReleasePermit(v));
                }
                return true;
            }
        }
        if self.wanting.len() >= may || !self.has_room() {
            return false;
        }
        let Some((turn, v)) = self.candidates.pop_first() else { return false };
        if self.config.permits {
            self.wanting.insert(v, turn);
            self.said.push(Effect::RequestPermit(v));
        } else {
            self.start(v);
        }
        true
    }

    /// How many nodes or undos may start now.
    fn allowance(&self) -> usize {
        let state = &self.state;
        let stands = self.draining || state.parked.is_some() || state.ended.is_some();
        match state.steps {
            _ if stands || self.broken.is_some() => 0,
            steps if state.paused => steps as usize,
            _ => usize::MAX,
        }
    }

    fn has_room(&self) -> bool {
        let Some(max) = self.config.max_concurrency else { return true };
        // with a concurrency of 1, undos run in exact reverse order: one that waits for its retry blocks the rest
        let exact = max <= 1 && self.state.unwinding.is_some();
        let waiting = if exact { self.timers.len() } else { 0 };
        self.in_flight.len() + self.wanting.len() + waiting < max.max(1)
    }

    pub(super) fn line_up(&mut self, v: VertexId, turn: Option<StartPriority>) {
        self.candidates.extend(turn.map(|turn| (turn, v)));
    }

    /// True if a node or an undo waits for the end of a pause, in addition to those that may start already.
    pub(super) fn has_candidates(&self) -> bool {
        self.candidates.len() + self.wanting.len() > self.state.steps as usize
    }

    /// Releases all permits of calls that have not started, whether granted or not.
    pub(super) fn release_permits(&mut self) {
        self.granted.clear();
        self.said.extend(std::mem::take(&mut self.wanting).into_keys().map(Effect::ReleasePermit));
    }

    /// Makes candidates again of those that wait for a permit: others may come before them now.
    pub(super) fn line_up_again(&mut self) {
        for (v, turn) in std::mem::take(&mut self.wanting) {
            self.said.push(Effect::ReleasePermit(v));
            self.candidates.insert(turn, v);
        }
    }

    /// This vertex is no candidate any more.
    pub(super) fn forget(&mut self, v: VertexId) {
        self.candidates.retain(|_, candidate| *candidate != v);
        if self.wanting.remove(&v).is_some() {
            self.said.push(Effect::ReleasePermit(v));
        }
    }

    fn start(&mut self, v: VertexId) {
        if self.state.unwinding.is_none() {
            self.start_action(v, InFlight::Forward);
            return;
        }
        match self.need_now(v) {
            Need::Nothing => {}
            // without the rerun nobody can tell whether there is something to undo
            Need::Rerun if self.state.faults(v).undo_error => {
                self.write_about(v, NodeEntry::UndoFailed(injected()));
            }
            Need::Rerun => self.start_action(v, InFlight::Rerun),
            Need::Undo => self.start_undo(v),
        }
    }

    fn start_action(&mut self, v: VertexId, call: InFlight) {
        let seq = self.state.next_seq;
        let unwinding = call == InFlight::Rerun;
        let faults = self.state.faults(v);
        self.write_about(v, NodeEntry::Started);
        // a rerun must find out what there is to undo, which a fault in place of the action could not
        if faults.error && !unwinding {
            self.write_about(v, NodeEntry::Failed(injected()));
            return;
        }
        self.in_flight.insert(v, call);
        let attempt = self.state.vertex(v).map_or(1, |x| x.attempts);
        let repeat = faults.repeat.unwrap_or(1).max(1);
        self.held.push(Effect::RunAction(AuthorizedCall {
            vertex: v,
            attempt,
            seq,
            unwinding,
            repeat,
        }));
    }

    fn start_undo(&mut self, v: VertexId) {
        let seq = self.state.next_seq;
        let faults = self.state.faults(v);
        self.write_about(v, NodeEntry::UndoStarted);
        if faults.undo_error {
            self.write_about(v, NodeEntry::UndoFailed(injected()));
            return;
        }
        self.in_flight.insert(v, InFlight::Undo);
        let attempt = self.state.vertex(v).map_or(1, |x| x.undo_tries);
        let repeat = faults.repeat.unwrap_or(1).max(1);
        self.held.push(Effect::RunUndo(AuthorizedCall {
            vertex: v,
            attempt,
            seq,
            unwinding: true,
            repeat,
        }));
    }
}

fn injected() -> Failure {
    Failure::new(FailureKind::Injected, "a test injected this error").permanent()
}
