//! One run of a saga, from the point of view of what goes wrong: which calls and appends there have been, in all of
//! its processes, and what is done to them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::schedule::{CallFault, Crash, Event, Schedule};
use crate::driver::{CallFaults, FaultEffect, FaultyCall, InjectedFailure, InjectedFault};
use crate::log::{Entry, EntryKind, Uuid};
use crate::policy::Policy;

/// The deadline of a saga that has one.
pub(super) const DEADLINE: Duration = Duration::from_secs(3600);
/// How long a call waits until a cancellation has reached the saga.
const SOON: Duration = Duration::from_secs(1);

/// A call that was made.
#[derive(Debug, Clone)]
pub(super) struct SeenCall {
    pub(super) node: String,
    pub(super) undo: bool,
    pub(super) policy: Policy,
    pub(super) has_timeout: bool,
    pub(super) has_undo_timeout: bool,
}

/// What has happened so far.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) calls: Vec<SeenCall>,
    /// What each append contained.
    pub(super) appends: Vec<String>,
    /// The numbers of the injections that a call has had.
    pub(super) reached: BTreeSet<usize>,
    pub(super) crashed: bool,
    pub(super) cancelled: bool,
    /// How many actions are in flight, according to the log, and how many were at most.
    in_flight: usize,
    pub(super) most_in_flight: usize,
    /// Requests that have not arrived yet.
    late: Vec<BoxFuture<'static, ()>>,
    /// What a check said that is true at every moment.
    pub(super) violation: Option<String>,
}

impl Seen {
    fn count_in_flight(&mut self, entries: &[Entry]) {
        for entry in entries {
            match entry.kind.name() {
                "started" => self.in_flight += 1,
                "succeeded" | "failed" | "in_doubt" => {
                    self.in_flight = self.in_flight.saturating_sub(1);
                }
                _ => {}
            }
            self.most_in_flight = self.most_in_flight.max(self.in_flight);
        }
    }
}

pub(super) type Cancel = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// See the module.
pub(super) struct Stage {
    pub(super) schedule: Schedule,
    seen: Mutex<Seen>,
    /// Notified when the process is to die.
    pub(super) dies: Notify,
    /// Cancels the saga in the process of now.
    cancel: Mutex<Option<Cancel>>,
}

impl Stage {
    pub(super) fn new(schedule: Schedule) -> Self {
        Self { schedule, seen: Mutex::default(), dies: Notify::new(), cancel: Mutex::default() }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the saga is cancelled from now on.
    pub(super) fn set_cancel(&self, cancel: Option<Cancel>) {
        *self.cancel.lock().unwrap_or_else(PoisonError::into_inner) = cancel;
    }

    fn cancel_saga(&self) {
        let cancel = self.cancel.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cancel) = &*cancel {
            tokio::spawn(cancel());
        }
    }

    /// Requests that arrive only now.
    pub(super) fn take_late(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut self.seen().late)
    }

    /// The number of an append that is about to be made, if the process does not die before it.
    pub(super) fn append_begins(&self) -> Option<usize> {
        let mut seen = self.seen();
        let number = seen.appends.len();
        if self.schedule.crash == Some(Crash::Before(number)) && !seen.crashed {
            seen.crashed = true;
            self.dies.notify_one();
            return None;
        }
        Some(number)
    }

    /// An append is durable. False if the process dies before it knows.
    pub(super) fn appended(&self, number: usize, entries: &[Entry]) -> bool {
        let mut seen = self.seen();
        seen.appends.push(label(entries));
        seen.count_in_flight(entries);
        let cancels = self.schedule.cancel == Some(number) && !seen.cancelled;
        seen.cancelled |= cancels;
        if self.schedule.crash == Some(Crash::After(number)) && !seen.crashed {
            seen.crashed = true;
            self.dies.notify_one();
            return false;
        }
        drop(seen);
        if cancels {
            self.cancel_saga();
        }
        true
    }

    /// Some time for which a call is held back: with a seed, calls that are in flight at the same time end in another order.
    fn pause(&self, call: &FaultyCall<'_>, when: &str) -> Duration {
        if self.schedule.seed == 0 {
            return Duration::ZERO;
        }
        let mut hasher = DefaultHasher::new();
        (self.schedule.seed, call.info.path.as_str(), call.info.undo, when).hash(&mut hasher);
        Duration::from_millis(hasher.finish() % 500)
    }
}

/// What entries say, for people.
fn label(entries: &[Entry]) -> String {
    let words = entries.iter().map(|entry| match &entry.kind {
        EntryKind::Node { node, .. } => format!("`{node}` {}", entry.kind.name()),
        EntryKind::Saga(_) => entry.kind.name().to_string(),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// How a call fails, and whether it has had its effect by then. `None` if it does not.
fn failure(fault: CallFault) -> Option<(bool, InjectedFailure)> {
    Some(match fault {
        CallFault::Error => (false, InjectedFailure::Error),
        CallFault::EffectThenError => (true, InjectedFailure::Error),
        CallFault::InDoubt => (false, InjectedFailure::InDoubt),
        CallFault::EffectThenInDoubt => (true, InjectedFailure::InDoubt),
        CallFault::Panic => (false, InjectedFailure::Panic),
        CallFault::EffectThenPanic => (true, InjectedFailure::Panic),
        CallFault::Hang => (false, InjectedFailure::Hang),
        CallFault::EffectThenHang => (true, InjectedFailure::Hang),
        CallFault::ForGood => (false, InjectedFailure::ForGood),
        CallFault::Repeated | CallFault::Late => return None,
    })
}

/// The calls of a coordinator, on this stage.
pub(super) struct OnStage(pub(super) Arc<Stage>);

impl CallFaults for OnStage {
    fn run_key(&self) -> Uuid {
        Uuid::from_u128(
            0x5a6a_7e57_0000_4000_8000_0000_0000_0000 | u128::from(self.0.schedule.seed),
        )
    }

    fn of(&self, call: &FaultyCall<'_>) -> Option<InjectedFault> {
        let stage = &self.0;
        let (node, undo) = (call.info.path.as_str(), call.info.undo);
        let mut before = stage.pause(call, "before");
        let mut effect = FaultEffect::None;
        let (mut cancels, mut late) = (false, false);
        let mut seen = stage.seen();
        for (n, injection) in stage.schedule.injections.iter().enumerate() {
            let is_it = injection.node == node && injection.undo == undo;
            if !is_it || !injection.always && seen.reached.contains(&n) {
                continue;
            }
            seen.reached.insert(n);
            match injection.event {
                Event::Cancel => {
                    cancels = true;
                    before += SOON;
                }
                Event::Deadline => before += DEADLINE + SOON,
                Event::Fault(CallFault::Repeated) => effect = FaultEffect::Repeated,
                Event::Fault(CallFault::Late) => late = true,
                Event::Fault(fault) => {
                    if let Some((takes_effect, how)) = failure(fault) {
                        effect = FaultEffect::Fails { takes_effect, how };
                    }
                }
            }
        }
        seen.calls.push(SeenCall {
            node: node.to_string(),
            undo,
            policy: call.policy,
            has_timeout: call.timeouts.action.is_some(),
            has_undo_timeout: call.timeouts.undo.is_some(),
        });
        drop(seen);
        if late {
            let stage = stage.clone();
            effect = FaultEffect::Late(Box::new(move |request| stage.seen().late.push(request)));
        }
        let stage = stage.clone();
        let before = Box::pin(async move {
            if cancels {
                stage.cancel_saga();
            }
            if !before.is_zero() {
                sleep(before).await;
            }
        });
        Some(InjectedFault { before, effect, after: self.0.pause(call, "after") })
    }
}
