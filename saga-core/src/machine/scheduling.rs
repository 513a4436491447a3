//! Starting what may start, as far as room, permits and pauses allow. Faults that tests have injected take the
//! place of the call.

use std::collections::VecDeque;
use std::sync::Arc;

use super::state::{Need, VertexId};
use super::under_way::Work;
use super::{AuthorizedCall, Effect, Machine};
use crate::log::{Failure, FailureKind, NodeEntry};
use crate::planted::{Mistake, planted};

/// Permits for calls, where this process bounds their number.
#[derive(Debug, Clone, Default)]
pub(super) struct Permits {
    /// Those asked for and released in this turn, which does not wait for an append.
    changes: Vec<Effect>,
    /// Vertices that have one and whose call has not started yet.
    pub(super) granted: VecDeque<VertexId>,
}

impl Machine {
    /// Starts the first candidate, if there is one and room for it.
    pub(super) fn start_next(&mut self) -> bool {
        let may = self.allowance();
        if self.under_way.count(Work::AwaitsPermit) > may {
            // they were asked for before a pause
            self.line_up_again();
        }
        while let Some(v) = self.permits.as_mut().and_then(|permits| permits.granted.pop_front()) {
            // one that is not needed any more was released when that was decided
            if self.under_way.of(v) == Work::AwaitsPermit {
                self.under_way.end(v);
                self.start(v);
                if !self.under_way.of(v).is_call() && !planted(Mistake::PermitLeaked) {
                    self.change_permits([Effect::ReleasePermit(v)]);
                }
                return true;
            }
        }
        let room = self.under_way.count(Work::AwaitsPermit) < may && self.has_room();
        if !room {
            return false;
        }
        let Some(v) = self.next_candidate() else { return false };
        if self.config.permits && !planted(Mistake::StartsWithoutPermit) {
            self.under_way.set(v, Work::AwaitsPermit);
            self.change_permits([Effect::RequestPermit(v)]);
        } else {
            self.under_way.end(v);
            self.start(v);
        }
        true
    }

    /// Takes out the candidate that starts first: of scopes that unwind beside the rest of the saga, an undo before what goes
    /// forward.
    fn next_candidate(&mut self) -> Option<VertexId> {
        if let Some(rare) = self.rare.as_mut().filter(|rare| !rare.undos.is_empty()) {
            // with a concurrency of 1, an undo that waits for its retry blocks those of earlier nodes, and nothing else
            let state = &self.state;
            let exact = self.config.max_concurrency.is_some_and(|max| max <= 1);
            let waits = exact && rare.timers.iter().any(|(_, v)| state.goes_back(*v));
            if !waits || planted(Mistake::UndosPassARetry) {
                return rare.undos.pop(state);
            }
        }
        self.candidates.pop(&self.state)
    }

    /// How many nodes or undos may start now.
    fn allowance(&self) -> usize {
        let state = &self.state;
        let parked = state.parked.is_some() && !planted(Mistake::StartsWhileParked);
        let stands = self.draining || parked || state.ended.is_some();
        match state.steps {
            _ if stands || self.is_broken() => 0,
            // what is asked may be what the step was for
            steps if state.paused && !planted(Mistake::StartsWhilePaused) => {
                (steps as usize).saturating_sub(self.under_way.count(Work::Probe))
            }
            _ => usize::MAX,
        }
    }

    fn has_room(&self) -> bool {
        let Some(max) = self.config.max_concurrency else { return true };
        // with a concurrency of 1, undos run in exact reverse order: one that waits for its retry blocks the rest
        let exact = max <= 1 && self.state.unwinding.is_some();
        let exact = exact && !planted(Mistake::UndosPassARetry);
        let waiting = if exact { self.rare().timers.len() } else { 0 };
        let max = max.saturating_add(usize::from(planted(Mistake::OneCallTooMany)));
        let called = self.under_way.calls() + self.under_way.count(Work::AwaitsPermit);
        called + waiting < max.max(1)
    }

    /// The call of this vertex may start.
    pub(super) fn line_up(&mut self, v: VertexId) {
        if self.under_way.of(v) != Work::Candidate {
            self.under_way.set(v, Work::Candidate);
            match self.state.goes_back(v) && self.state.unwinding.is_none() {
                true => self.rare_mut().undos.add(v),
                false => self.candidates.add(v),
            }
        }
    }

    /// True if a node or an undo waits for the end of a pause, in addition to those that may start already.
    pub(super) fn has_candidates(&self) -> bool {
        let waiting = self.candidates.len() + self.rare().undos.len();
        let waiting = waiting + self.under_way.count(Work::AwaitsPermit);
        waiting > self.state.steps as usize
    }

    /// Asks for permits, or releases them.
    fn change_permits(&mut self, changes: impl IntoIterator<Item = Effect>) {
        let mut changes = changes.into_iter().peekable();
        if changes.peek().is_some() {
            self.permits.get_or_insert_default().changes.extend(changes);
        }
    }

    /// The permits that were asked for and released in this turn.
    pub(super) fn changed_permits(&mut self, effects: &mut Vec<Effect>) {
        if let Some(permits) = &mut self.permits {
            effects.append(&mut permits.changes);
        }
    }

    /// Releases all permits of calls that have not started, whether granted or not.
    pub(super) fn release_permits(&mut self) {
        let waiting = self.under_way.end_all(Work::AwaitsPermit);
        self.change_permits(waiting.into_iter().map(Effect::ReleasePermit));
        if let Some(permits) = &mut self.permits {
            permits.granted.clear();
        }
    }

    /// Makes candidates again of those that wait for a permit: others may come before them now.
    pub(super) fn line_up_again(&mut self) {
        for v in self.under_way.end_all(Work::AwaitsPermit) {
            self.change_permits([Effect::ReleasePermit(v)]);
            self.line_up(v);
        }
    }

    /// This vertex is no candidate any more.
    pub(super) fn forget(&mut self, v: VertexId) {
        match self.under_way.of(v) {
            Work::Candidate => {
                self.candidates.remove(v);
                if let Some(rare) = &mut self.rare {
                    rare.undos.remove(v);
                }
            }
            Work::AwaitsPermit => self.change_permits([Effect::ReleasePermit(v)]),
            Work::Nothing
            | Work::Evaluation
            | Work::Action
            | Work::Rerun
            | Work::Undo
            | Work::Probe => return,
        }
        self.under_way.end(v);
    }

    fn start(&mut self, v: VertexId) {
        let asks = self.can_be_asked(v) && !planted(Mistake::ProbeLeftOut);
        if !self.state.goes_back(v) {
            match self.state.vertex(v).is_some_and(|x| x.progress.is_given_up()) {
                _ if asks => self.ask(v),
                // it was only to be asked, which is not possible any more
                true => self.touched.push(v),
                false => self.start_action(v, Work::Action),
            }
            return;
        }
        match self.need_now(v) {
            Need::Nothing => {}
            Need::Rerun | Need::Undo if asks => self.ask(v),
            // without the rerun nobody can tell whether there is something to undo
            Need::Rerun if self.state.faults(v).undo_error => {
                self.write_about(v, NodeEntry::UndoFailed(injected()));
            }
            Need::Rerun if !self.reruns_now(v) => self.touched.push(v),
            Need::Rerun => self.start_action(v, Work::Rerun),
            Need::Undo => self.start_undo(v),
        }
    }

    fn start_action(&mut self, v: VertexId, call: Work) {
        let seq = self.state.next_seq;
        let unwinding = call == Work::Rerun;
        let faults = self.state.faults(v);
        let again = self.state.vertex(v).is_some_and(|x| x.attempts > 0);
        if !(again && planted(Mistake::RetryWithoutStarted)) {
            self.write_about(v, NodeEntry::Started);
        }
        // a rerun must find out what there is to undo, which a fault in place of the action could not
        if faults.error && !unwinding {
            self.write_about(v, NodeEntry::Failed(injected()));
            return;
        }
        self.under_way.set(v, call);
        let attempt = self.state.vertex(v).map_or(1, |x| x.attempts);
        let repeat = faults.repeat.unwrap_or(1).max(1);
        let generation = self.state.generation(v);
        self.hold(Effect::RunAction(AuthorizedCall {
            vertex: v,
            attempt,
            generation,
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
        self.under_way.set(v, Work::Undo);
        let attempt = self.state.vertex(v).map_or(1, |x| x.undo_tries);
        let repeat = faults.repeat.unwrap_or(1).max(1);
        let first = planted(Mistake::FirstKeyUndone);
        let generation = if first { 0 } else { self.state.generation(v) };
        self.hold(Effect::RunUndo(AuthorizedCall {
            vertex: v,
            attempt,
            generation,
            seq,
            unwinding: true,
            repeat,
        }));
    }
}

fn injected() -> Arc<Failure> {
    Failure::new(FailureKind::Injected, "a test injected this error").permanent().into()
}
