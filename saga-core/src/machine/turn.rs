//! One turn of the machine: from what has happened to one append, or to the end.

use super::under_way::Work;
use super::{Effect, Event, Finish, Machine};
use crate::log::{SagaEntry, SagaStatus};
use crate::planted::{Mistake, planted};

impl Machine {
    /// Derives all entries that follow from what has happened, and asks for their append.
    pub(super) fn turn(&mut self, effects: &mut Vec<Effect>) {
        loop {
            // events that arrive during an evaluation are taken after it
            if !self.is_evaluating() {
                while let Some(event) = self.next_event() {
                    self.take(event);
                }
                if !self.waits_for_nothing() {
                    self.follow_up();
                    // after the inbox, so that a call that has ended by itself is not dropped
                    self.pass_time(effects);
                }
            }
            let settled = self.is_settled() || self.starts_not_yet();
            if !settled && let Some(v) = self.touched.pop() {
                self.work += 1;
                self.decide(v, effects);
            } else if !settled && self.begin_next_wait(effects) {
                self.work += 1;
            } else if self.is_evaluating() || !(self.hear_next() || !settled && self.start_next()) {
                break;
            }
        }
        if !self.is_evaluating() {
            self.end_if_done();
        }
        self.changed_permits(effects);
        self.take_questions(effects);
        if let Some(why) = self.rare.as_mut().and_then(|rare| rare.broken.take()) {
            self.abort(effects, Finish::Broken(why));
            return;
        }
        if self.is_evaluating() {
            return;
        }
        if !self.batch.is_empty() {
            self.appending = true;
            let entries = std::mem::take(&mut self.batch);
            if planted(Mistake::CalledBeforeDurable) {
                effects.append(&mut self.held);
            }
            if planted(Mistake::AnsweredBeforeDurable) {
                let answers = self.take_answers().into_iter();
                effects.extend(answers.map(|(id, answer)| Effect::Answer(id, answer)));
            }
            effects.push(Effect::Append { entries, answers: self.take_answers() });
            return;
        }
        let answers = self.take_answers().into_iter();
        effects.extend(answers.map(|(id, answer)| Effect::Answer(id, answer)));
        if self.under_way.calls() == 0
            && let Some(finish) = self.stands_still()
        {
            self.finish(effects, finish);
            return;
        }
        if !self.waits_for_nothing()
            && let Some(at) = self.wake_at().into_iter().chain(self.watched_until()).min()
            && self.rare().woken != Some(at)
        {
            self.rare_mut().woken = Some(at);
            effects.push(Effect::WakeAt(at));
        }
    }

    /// The next event that has waited.
    fn next_event(&mut self) -> Option<Event> {
        self.rare.as_mut()?.inbox.pop_front()
    }

    /// True if a turn can do nothing before a call in flight ends, as mostly when an append has become durable and
    /// nothing else has happened: the turn before it has decided everything.
    pub(super) fn waits_for_calls(&self) -> bool {
        let told =
            !self.rare().inbox.is_empty() || self.requests.is_some() || self.permits.is_some();
        !told && self.waits_for_nothing() && self.under_way.calls() > 0
    }

    /// True if no time and no request of an operator can make a difference, as in most turns.
    fn waits_for_nothing(&self) -> bool {
        self.rare().waits_for_no_time()
            && !self.starts_not_yet()
            && self.config.deadline.is_none()
            && self.state.asked.is_none()
    }

    /// True while this turn waits for values or choices that it has asked for.
    pub(super) fn is_evaluating(&self) -> bool {
        self.under_way.count(Work::Evaluation) > 0
    }

    /// Writes that the saga has ended, if it has.
    fn end_if_done(&mut self) {
        let settled = self.is_settled();
        if settled {
            // nothing that waits for a permit starts here any more
            self.line_up_again();
        }
        let ended = self.state.ended.is_some() || self.state.parked.is_some();
        if ended || self.state.run_key.is_none() || self.is_broken() {
            return;
        }
        let idle = (self.under_way.calls() == 0 || planted(Mistake::EndedBeforeLastOutcome))
            && self.candidates.is_empty()
            && self.rare().undos.is_empty()
            && self.under_way.count(Work::AwaitsPermit) == 0
            && self.rare().timers.is_empty()
            && self.state.waits().is_empty();
        let status = match self.state.unwinding {
            None if self.state.all_completed() => SagaStatus::Completed,
            Some(_) if self.state.all_settled() => SagaStatus::RolledBack,
            // what has not begun does not begin before another version goes on with it
            None if settled || self.starts_not_yet() => return,
            // an undo has failed for good, or a node after the pivot has, where there is no way back
            Some(_) if idle => SagaStatus::Stuck,
            None if idle && self.state.past_pivot() => SagaStatus::Stuck,
            Some(_) | None => return,
        };
        self.write(SagaEntry::Ended(status));
    }

    /// How this process is finished with the saga once no call is in flight; none if it is not.
    fn stands_still(&mut self) -> Option<Finish> {
        if let Some(status) = self.state.ended {
            return Some(Finish::Ended(status));
        }
        if let Some(reason) = self.state.parked.clone() {
            return Some(Finish::Parked { reason });
        }
        if self.draining {
            return Some(Finish::Drained);
        }
        self.is_settled().then_some(Finish::Settled)
    }

    fn finish(&mut self, effects: &mut Vec<Effect>, finish: Finish) {
        self.finished = true;
        effects.push(Effect::Finish(finish));
    }

    /// Finishes at once: nothing more may be done on this state. Calls that wait for the append are not made.
    pub(super) fn abort(&mut self, effects: &mut Vec<Effect>, finish: Finish) {
        for held in std::mem::take(&mut self.held) {
            if let Effect::RunAction(call) | Effect::RunUndo(call) | Effect::Probe(call) = held {
                self.under_way.end(call.vertex);
                if self.config.permits {
                    effects.push(Effect::ReleasePermit(call.vertex));
                }
            }
        }
        self.release_permits();
        self.changed_permits(effects);
        let drops = |work: Work| work.is_call() && !planted(Mistake::GoesOnAfterFailedAppend);
        effects.extend(self.under_way.all(drops).into_iter().map(Effect::DropCall));
        self.finish(effects, finish);
    }
}
