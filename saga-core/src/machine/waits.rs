//! Waits: when they begin, when their timers are due, and what ends them. Which event they get is in
//! [`mailbox`](super::mailbox).

use super::under_way::Work;
use super::{Due, Effect, Machine, VertexId};
use crate::log::{NodeEntry, Timestamp, Won};
use crate::plan::Alternative;
use crate::planted::{Mistake, planted};

impl Machine {
    /// Begins the next wait of those that may begin, if there is one.
    pub(super) fn begin_next_wait(&mut self, effects: &mut Vec<Effect>) -> bool {
        let Some(rare) = &mut self.rare else { return false };
        let Some(v) = rare.begins.pop(&self.state) else { return false };
        self.under_way.end(v);
        if self.state.parked.is_some() || self.is_broken() {
            return true; // it begins when the saga is unparked
        }
        let timers = self.state.alternatives(v).unwrap_or_default().iter();
        if timers.into_iter().any(Alternative::is_timer) {
            self.under_way.set(v, Work::Evaluation);
            effects.push(Effect::Times(v));
        } else {
            self.write_about(v, NodeEntry::Waiting { until: Vec::new() });
        }
        true
    }

    /// A wait may begin, ends, or goes on.
    pub(super) fn decide_wait(&mut self, v: VertexId) {
        if !self.state.vertex(v).is_some_and(|x| x.progress.is_waiting()) {
            if self.under_way.of(v) != Work::Candidate {
                self.under_way.set(v, Work::Candidate);
                self.rare_mut().begins.add(v);
            }
            return;
        }
        if let Some(won) = self.state.event_for(v) {
            self.end_wait(v, won);
            return;
        }
        // when the saga resumes, what has become due is
        if self.state.paused && !planted(Mistake::TimerFiresWhilePaused) {
            return;
        }
        match self.first_due(v) {
            Some(alternative) => {
                self.end_wait(v, Won { alternative, event: None });
            }
            None if planted(Mistake::TimerLostInCrash) && self.epoch > 1 => {}
            None => self.set_timers(v),
        }
    }

    fn end_wait(&mut self, v: VertexId, won: Won) {
        if self.config.max_concurrency.is_some() {
            // what comes behind it may be declared before those that wait for a permit
            self.line_up_again();
        }
        self.write_about(v, NodeEntry::Waited(won));
    }

    /// The timers of a wait, each with its alternative, when it is due, and whether that is a point in wall time.
    fn timers_of(&self, v: VertexId) -> Vec<(u32, Timestamp, bool)> {
        let timers = (0..).zip(self.state.alternatives(v).unwrap_or_default());
        let timers = timers.filter(|(_, what)| what.is_timer());
        timers
            .zip(self.state.waits_until(v))
            .map(|((i, what), at)| (i, *at, *what == Alternative::SleepUntil))
            .collect()
    }

    /// The timer that is due, if there is one; of several, the one whose time came first.
    fn first_due(&mut self, v: VertexId) -> Option<u32> {
        let early = u64::from(planted(Mistake::TimerFiresEarly)) * 50;
        let (waited, now) = (self.waited().0 + early, self.now.0);
        let due = |at: &Timestamp, wall: bool| at.0 <= if wall { now } else { waited };
        let timers = self.timers_of(v).into_iter().filter(|(_, at, wall)| due(at, *wall));
        let (at, alternative) = timers.map(|(alternative, at, _)| (at, alternative)).min()?;
        if early == 0 {
            // no later entry has an earlier time than this
            self.written_at = self.written_at.max(at);
        }
        Some(alternative)
    }

    fn set_timers(&mut self, v: VertexId) {
        for (_, at, wall) in self.timers_of(v) {
            let rare = self.rare_mut();
            let timers = if wall { &mut rare.alarms } else { &mut rare.timers };
            timers.insert((at, v));
        }
    }

    /// The times of a wait are known, so it begins.
    pub(super) fn wait_times(&self, times: &[Due]) -> NodeEntry {
        let until = times.iter().map(|due| match due {
            Due::After(length) => self.waited().after(*length),
            Due::At(at) => *at,
        });
        NodeEntry::Waiting { until: until.collect() }
    }

    /// True if the saga waits for a time or an event, or for its start, and nothing of it is under way in this process: it may be left until
    /// [`wake_at`](Self::wake_at), or until somebody asks for something. [`Event::Recovered`](super::Event::Recovered) is
    /// all that it needs to go on.
    pub fn only_waits(&self) -> bool {
        // asked after each turn of every saga, and few have any
        if self.state.waits().is_empty() && !self.starts_not_yet() {
            return false;
        }
        let rare = self.rare();
        let nothing_under_way = self.under_way.calls() == 0
            && self.candidates.is_empty()
            && rare.undos.is_empty()
            && self.under_way.count(Work::AwaitsPermit) == 0
            && !self.is_evaluating();
        let nothing_to_write = !self.appending && self.batch.is_empty() && rare.inbox.is_empty();
        let state = &self.state;
        let going = state.ended.is_none() && state.parked.is_none() && state.unwinding.is_none();
        going && nothing_under_way && nothing_to_write && rare.watched.is_none()
    }
}
