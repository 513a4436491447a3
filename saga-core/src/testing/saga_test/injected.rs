//! What a test has go wrong in a single run.

use super::schedule::{CallFault, Crash, Event, Injection};
use super::{SagaTest, fail};
use crate::typed::Saga;

impl<S: Saga> SagaTest<S> {
    #[track_caller]
    fn inject(mut self, node: &str, undo: bool, event: Event, always: bool) -> Self {
        let earlier = self.schedule.injections.iter().find_map(|earlier| match earlier.event {
            Event::Fault(fault) if earlier.is_of(node, undo) && earlier.always => Some(fault),
            Event::Fault(_) | Event::Cancel | Event::Deadline => None,
        });
        if let (Some(fault), Event::Fault(_), true) = (earlier, event, always) {
            let what = if undo { "undo" } else { "action" };
            fail(format!(
                "`{node}` has a fault for every call of its {what} already: CallFault::{fault:?}"
            ));
        }
        let injection = Injection { node: node.to_string(), undo, event, always };
        self.schedule = self.schedule.with(injection);
        self
    }

    /// In [`check`](Self::check), this happens to the first call of this node's action. A second fault happens to the second
    /// call, and so on.
    pub fn fault(self, node: &str, fault: CallFault) -> Self {
        self.inject(node, false, Event::Fault(fault), false)
    }

    /// In [`check`](Self::check), this happens to every call of this node's action that has no [`fault`](Self::fault) of its
    /// own.
    ///
    /// # Panics
    /// If the node has such a fault already.
    #[track_caller]
    pub fn fault_always(self, node: &str, fault: CallFault) -> Self {
        self.inject(node, false, Event::Fault(fault), true)
    }

    /// In [`check`](Self::check), this happens to the first call of this node's undo. A second fault happens to the second
    /// call, and so on.
    pub fn fault_undo(self, node: &str, fault: CallFault) -> Self {
        self.inject(node, true, Event::Fault(fault), false)
    }

    /// In [`check`](Self::check), this happens to every call of this node's undo that has no
    /// [`fault_undo`](Self::fault_undo) of its own.
    ///
    /// # Panics
    /// If the node has such a fault already.
    #[track_caller]
    pub fn fault_undo_always(self, node: &str, fault: CallFault) -> Self {
        self.inject(node, true, Event::Fault(fault), true)
    }

    /// In [`check`](Self::check), the saga is cancelled while this node's action is in flight.
    pub fn cancel_during(self, node: &str) -> Self {
        self.inject(node, false, Event::Cancel, false)
    }

    /// In [`check`](Self::check), the saga's deadline passes while this node's action is in flight.
    pub fn deadline_during(self, node: &str) -> Self {
        self.inject(node, false, Event::Deadline, false)
    }

    /// In [`check`](Self::check), the saga's deadline passes while this node's undo is in flight. That must not stop it.
    pub fn deadline_during_undo(self, node: &str) -> Self {
        self.inject(node, true, Event::Deadline, false)
    }

    /// In [`check`](Self::check), the process dies before this append to the saga's log. The first one, which creates the
    /// saga, has the number 0.
    pub fn crash_before(mut self, append: usize) -> Self {
        self.schedule.crash = Some(Crash::Before(append));
        self
    }

    /// In [`check`](Self::check), the process dies after this append to the saga's log, and before it knows.
    pub fn crash_after(mut self, append: usize) -> Self {
        self.schedule.crash = Some(Crash::After(append));
        self
    }

    /// In [`check`](Self::check), the saga is cancelled after this append to its log.
    pub fn cancel_after(mut self, append: usize) -> Self {
        self.schedule.cancel = Some(append);
        self
    }

    /// In [`check`](Self::check), the order in which calls end that are in flight at the same time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.schedule.seed = seed;
        self
    }
}
