//! Waits in a simulated run, and the laws about them: which event goes to which wait, and when a timer ends one.

use std::time::Duration;

use saga_core::dag::{Alternative, EventType};
use saga_core::log::{Entry, NodeEntry, SagaEntry, Timestamp, Won};
use saga_core::machine::{Due, VertexId};
use saga_core::operator::{Answer, Command, Refusal};

use super::law::Law;
use super::log_view::{Book, Kept, book_of, dags_of};
use super::operators::Asked;
use super::run::Runner;

impl Runner {
    fn alternatives(&self, v: VertexId) -> Vec<Alternative> {
        match self.machine.state().kind(v) {
            Some(saga_core::dag::PlanKind::Wait(alternatives)) => alternatives.clone(),
            _ => Vec::new(),
        }
    }

    /// When the timers of a wait are due.
    pub(super) fn times(&mut self, v: VertexId) -> Vec<Due> {
        let timers = self.alternatives(v).into_iter().filter(Alternative::is_timer);
        let due = |what| {
            let some = u64::from(self.tape.byte());
            match what {
                Alternative::SleepUntil => {
                    Due::At(Timestamp((self.now.0 + some).saturating_sub(50)))
                }
                _ => Due::After(Duration::from_millis(some)),
            }
        };
        timers.map(due).collect()
    }

    /// True if only an event from outside can help.
    pub(super) fn waits_for_event(&self) -> bool {
        let is_event = |alternative: &Alternative| !alternative.is_timer();
        let waits = self.machine.state().waits();
        waits.iter().any(|v| self.alternatives(*v).iter().any(is_event))
    }

    /// No wait could take an event that the log has.
    pub(super) fn no_event_is_left(&self) {
        let dags = dags_of(&self.versions.plans, &self.log);
        let book = book_of(&dags, &self.setup.config, &self.log);
        let left = (0..book.status.len()).find_map(|i| book.event_for(i));
        Law::EventsAreTakenInOrder
            .holds(left.is_none(), || format!("{left:?} is left: {:#?}", self.log));
    }

    /// A saga wakes up when a timer is due.
    pub(super) fn timers_wake(&self) {
        let state = self.machine.state();
        let settles = self.versions.settling.contains_key(&self.epoch);
        if state.is_paused() || state.parked().is_some() || settles {
            return;
        }
        let first = state.waits().iter().flat_map(|v| state.waits_until(*v)).min();
        let wakes = first.is_none_or(|first| self.wake.is_some_and(|at| at <= *first));
        Law::EndsAtLast.holds(wakes, || format!("sleeps until {:?}, not {first:?}", self.wake));
    }
}

impl Book<'_> {
    fn takes(&self, i: usize, event: &EventType) -> bool {
        self.dag.nodes[i].waits_for.contains(&Alternative::Event(event.clone()))
    }

    /// The wait that began first of those that could take such an event.
    fn taker(&self, event: &EventType) -> Option<usize> {
        self.waits.iter().copied().find(|i| self.takes(*i, event))
    }

    /// The event that this wait must take next.
    pub(super) fn event_for(&self, i: usize) -> Option<&Kept> {
        if !self.waits.contains(&i) {
            return None;
        }
        let first = |kept: &&Kept| self.kept.iter().find(|k| k.event == kept.event) == Some(kept);
        self.kept.iter().find(|kept| first(kept) && self.taker(&kept.event) == Some(i))
    }

    /// A wait begins.
    pub(super) fn before_waiting(&self, i: usize, entry: &Entry) {
        let begun = self.waits.contains(&i) || self.status[i].done;
        let is_wait = !self.dag.nodes[i].waits_for.is_empty();
        Law::WaitsEndOnce.holds(is_wait && !begun, || format!("{entry:?} again"));
        Law::AncestorsFirst.holds(self.done_before(i), || format!("{entry:?}"));
        Law::ForLimit.holds(self.has_place(i), || format!("{entry:?}"));
        Law::OnlyBackWhileUnwinding.holds(!self.goes_back(i), || format!("{entry:?}"));
    }

    /// A wait ends.
    pub(super) fn before_waited(&self, i: usize, won: Won, entry: &Entry) {
        let this = || format!("{entry:?}: {:?}", self.kept);
        Law::WaitsEndOnce.holds(self.waits.contains(&i), this);
        Law::OnlyBackWhileUnwinding.holds(!self.goes_back(i), this);
        let next = self.event_for(i);
        let alternatives = &self.dag.nodes[i].waits_for;
        let place = won.alternative as usize;
        let Some(seq) = won.event else {
            Law::EventsAreTakenInOrder.holds(next.is_none(), this);
            let timer = alternatives[..place].iter().filter(|a| a.is_timer()).count();
            let until = &self.status[i].until;
            let due = until
                .get(timer)
                .is_some_and(|at| until.iter().min() == Some(at) && *at <= entry.at);
            Law::TimersWait.holds(due && alternatives[place].is_timer(), this);
            Law::TimersWait.holds(!self.paused && !self.parked, this);
            return;
        };
        let taken = self.kept.iter().find(|kept| kept.seq == seq);
        let fits =
            taken.is_some_and(|kept| alternatives[place] == Alternative::Event(kept.event.clone()));
        Law::EventsAreTakenOnce.holds(fits, this);
        Law::EventsAreTakenInOrder.holds(next == taken, || format!("{entry:?}, not {next:?}"));
    }

    pub(super) fn before_signal(&self, command: &Command, entry: &Entry) {
        let Command::Signal { event, event_id, .. } = command else { return };
        let known = self.known.contains(&(event.name.to_string(), event_id.clone()));
        Law::EventsCountOnce.holds(!known, || format!("{entry:?} again"));
        let forward = !self.unwinding && self.ended.is_none();
        let waits = self.dag.nodes.iter().any(|node| !node.waits_for.is_empty() || !node.has_entry);
        // nodes that hold others may hold waits which do not exist yet
        let may =
            self.dag.nodes.iter().any(|node| node.policy.is_none() && node.waits_for.is_empty());
        let some = (0..self.status.len()).any(|i| self.takes(i, event) && !self.status[i].done);
        Law::EventsAreAwaited.holds(forward && waits && (some || may), || format!("{entry:?}"));
        let room = self.kept.len() < self.max_kept || self.taker(event).is_some();
        Law::MailboxHolds.holds(room, || format!("{entry:?} beside {:?}", self.kept));
    }
}

/// What was said of events that nobody could take is true: no wait came that could have.
pub(super) fn refused_events(log: &[Entry], asked: &[Asked], book: &Book<'_>) {
    for Asked { command, answer, seen, .. } in asked {
        let (Command::Signal { event, event_id, .. }, Some(answer)) = (command, answer) else {
            continue;
        };
        let signals = |entry: &&Entry, id: Option<&str>| match entry.saga_entry() {
            Some(SagaEntry::Requested { command, .. }) => match &**command {
                Command::Signal { event: other, event_id, .. } => {
                    other == event && id.is_none_or(|id| id == event_id)
                }
                _ => false,
            },
            _ => false,
        };
        match answer {
            Answer::Duplicate => {
                let first = log.iter().any(|entry| signals(&entry, Some(event_id)));
                Law::EventsCountOnce.holds(first, || format!("{command:?} is no duplicate"));
            }
            Answer::Refused(Refusal::NoSuchWait { .. }) => {
                let (before, after) = log.split_at((*seen as usize).min(log.len()));
                let takes = |entry: &&Entry| {
                    matches!(entry.node_entry(), Some(NodeEntry::Waiting { .. }))
                        && book.index(entry).is_some_and(|i| book.takes(i, event))
                };
                let taken = |entry: &Entry| match entry.node_entry() {
                    Some(NodeEntry::Waited(Won { event: Some(seq), .. })) => {
                        log.get(*seq as usize - 1).is_some_and(|entry| signals(&entry, None))
                    }
                    _ => false,
                };
                let kept = before.iter().filter(|entry| signals(entry, None)).count()
                    - before.iter().filter(|entry| taken(entry)).count();
                let begun = after.iter().filter(takes).count();
                Law::EventsAreAwaited.holds(begun <= kept, || format!("{command:?}: {answer:?}"));
            }
            _ => {}
        }
    }
}
