//! One run of a saga, from the point of view of what goes wrong: which calls and appends there have been, in all of
//! its processes, and what is done to them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::super::mock::Mocks;
use super::purity::Purity;
use super::run::ID;
use super::schedule::{CallFault, Crash, Event, Schedule};
use crate::driver::{CallFaults, CallPlan, FaultEffect, FaultyCall, InjectedFailure, MockedAction};
use crate::log::{Entry, EntryKind, NodeEntry, NodePath, SagaId, Uuid};
use crate::policy::Policy;
use crate::value::Evaluated;

/// The deadline of a saga that has one, and does not wait.
pub(super) const DEADLINE: Duration = Duration::from_secs(3600);
/// How long a call waits until a cancellation has reached the saga.
const SOON: Duration = Duration::from_secs(1);
/// How many calls of one node there are at most, if it is tried forever. More of them take minutes and show nothing new.
const MOST_ATTEMPTS: usize = 200;

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
    /// The actions and (`true`) the undos that are in flight, according to the log.
    in_flight: BTreeSet<(String, bool)>,
    /// How many actions were in flight at most.
    pub(super) most_in_flight: usize,
    /// Requests that have not arrived yet.
    late: Vec<BoxFuture<'static, ()>>,
    /// What a check said that is true at every moment.
    pub(super) violation: Option<String>,
    pub(super) purity: Purity,
    /// What the append contained at which the process died or the saga was cancelled.
    pub(super) struck: Option<String>,
    /// The last error of each node's action, and of its undo.
    last_errors: BTreeMap<(String, bool), String>,
    /// Why the test does not wait until the saga ends.
    pub(super) gave_up: Option<String>,
}

impl Seen {
    fn appended(&mut self, entries: &[Entry]) {
        for entry in entries {
            let EntryKind::Node { node, entry, .. } = &entry.kind else { continue };
            let (action, undo) = ((node.to_string(), false), (node.to_string(), true));
            match entry {
                NodeEntry::Started => {
                    self.in_flight.insert(action);
                }
                NodeEntry::Succeeded(_) => {
                    self.in_flight.remove(&action);
                }
                NodeEntry::Failed(failure) | NodeEntry::InDoubt(failure) => {
                    self.in_flight.remove(&action);
                    self.last_errors.insert(action, failure.message.clone());
                }
                NodeEntry::UndoStarted => {
                    self.in_flight.insert(undo);
                }
                NodeEntry::UndoFinished => {
                    self.in_flight.remove(&undo);
                }
                NodeEntry::UndoFailed(failure) => {
                    self.in_flight.remove(&undo);
                    self.last_errors.insert(undo, failure.message.clone());
                }
                NodeEntry::UndoRetryScheduled { failure, .. } => {
                    self.in_flight.remove(&undo);
                    self.last_errors.insert(undo, failure.message.clone());
                }
                NodeEntry::NotDone
                | NodeEntry::RetryScheduled { .. }
                | NodeEntry::Chosen(_)
                | NodeEntry::ScopeUnwinding(_)
                | NodeEntry::Skipped
                | NodeEntry::Resolved(_)
                | NodeEntry::Waiting { .. }
                | NodeEntry::Waited(_) => {}
            }
            let actions = self.in_flight.iter().filter(|(_, undo)| !undo).count();
            self.most_in_flight = self.most_in_flight.max(actions);
        }
    }

    /// A call that is in flight and that nothing will end but itself.
    pub(super) fn has_no_timeout(&self) -> Option<&SeenCall> {
        let mut calls = self.calls.iter().rev();
        calls.find(|call| {
            let limited = if call.undo { call.has_undo_timeout } else { call.has_timeout };
            !limited && self.in_flight.contains(&(call.node.clone(), call.undo))
        })
    }

    /// How many calls of this node there have been.
    pub(super) fn calls_of(&self, node: &str, undo: bool) -> usize {
        self.calls.iter().filter(|call| call.is_of(node, undo)).count()
    }

    /// The last error of a node, for people.
    pub(super) fn last_error(&self, node: &str, undo: bool) -> Option<&str> {
        self.last_errors.get(&(node.to_string(), undo)).map(String::as_str)
    }
}

impl SeenCall {
    pub(super) fn is_of(&self, node: &str, undo: bool) -> bool {
        self.node == node && self.undo == undo
    }

    /// The action or the undo, for people.
    pub(super) fn what(&self) -> String {
        format!("the {} of `{}`", if self.undo { "undo" } else { "action" }, self.node)
    }
}

pub(super) type Cancel = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// See the module.
pub(super) struct Stage {
    pub(super) schedule: Schedule,
    mocks: Mocks,
    /// Of the saga, after its start, if it has one.
    pub(super) deadline: Duration,
    seen: Mutex<Seen>,
    /// Notified when the process is to die.
    pub(super) dies: Notify,
    /// Cancels the saga in the process of now.
    cancel: Mutex<Option<Cancel>>,
}

impl Stage {
    pub(super) fn new(schedule: Schedule, mocks: Mocks, deadline: Duration) -> Self {
        let (seen, dies, cancel) = (Mutex::default(), Notify::new(), Mutex::default());
        Self { schedule, mocks, deadline, seen, dies, cancel }
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
    pub(super) fn append_begins(&self, saga: &SagaId, entries: &[Entry]) -> Option<usize> {
        let mut seen = self.seen();
        let number = seen.appends.len();
        if self.schedule.crash == Some(Crash::Before(number)) && !seen.crashed {
            seen.crashed = true;
            seen.struck = Some(label(saga, entries));
            self.dies.notify_one();
            return None;
        }
        Some(number)
    }

    /// An append is durable. False if the process dies before it knows.
    pub(super) fn appended(&self, number: usize, saga: &SagaId, entries: &[Entry]) -> bool {
        let mut seen = self.seen();
        seen.appends.push(label(saga, entries));
        if saga.as_str() == ID {
            seen.appended(entries);
        }
        let cancels = self.schedule.cancel == Some(number) && !seen.cancelled;
        seen.cancelled |= cancels;
        if cancels {
            seen.struck = Some(label(saga, entries));
        }
        if self.schedule.crash == Some(Crash::After(number)) && !seen.crashed {
            seen.crashed = true;
            seen.struck = Some(label(saga, entries));
            self.dies.notify_one();
            return false;
        }
        drop(seen);
        if cancels {
            self.cancel_saga();
        }
        true
    }

    /// True if the test has seen enough of a call that is tried forever and always fails.
    fn gives_up(&self, call: &SeenCall, seen: &mut Seen) -> bool {
        let (retry, setting) = match call.undo {
            true => (call.policy.undo_retry, "undo_retry(forever)"),
            false => (call.policy.retry, "retry(forever)"),
        };
        let failed = seen.calls_of(&call.node, call.undo);
        if retry.max().is_some() || failed < MOST_ATTEMPTS {
            return false;
        }
        let last = seen.last_error(&call.node, call.undo).unwrap_or("none is known");
        let what = call.what();
        let why = format!(
            "{what} failed {failed} times, and its `{setting}` does not give up; its last error: {last}"
        );
        seen.gave_up.get_or_insert(why);
        self.dies.notify_one();
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
fn label(saga: &SagaId, entries: &[Entry]) -> String {
    let words = entries.iter().map(|entry| match &entry.kind {
        EntryKind::Node { node, .. } => format!("`{node}` {}", entry.kind.name()),
        EntryKind::Saga(_) => entry.kind.name().to_string(),
    });
    let words = words.collect::<Vec<_>>().join(", ");
    if saga.as_str() == ID { words } else { format!("of a saga that it started: {words}") }
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
    fn run_key(&self, id: Option<&str>) -> Option<Uuid> {
        let key = Uuid::from_u128(
            0x5a6a_7e57_0000_4000_8000_0000_0000_0000 | u128::from(self.0.schedule.seed),
        );
        Some(match id {
            // one that an action has started
            Some(id) if id != ID => Uuid::new_v5(&key, id.as_bytes()),
            Some(_) | None => key,
        })
    }

    fn mock(&self, call: &FaultyCall<'_>) -> Option<Arc<dyn MockedAction>> {
        self.0.mocks.of(call)
    }

    fn compares_evaluations(&self, saga: &SagaId) -> bool {
        saga.as_str() == ID
    }

    fn evaluated(&self, node: &NodePath, values: Vec<Evaluated>) {
        self.0.seen().purity.evaluated(node, values);
    }

    fn before_next_evaluation(&self) {
        // once for each saga is enough, and has clocks go on in real time
        if self.0.schedule == Schedule::default() {
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn of(&self, call: &FaultyCall<'_>) -> Option<CallPlan> {
        let stage = &self.0;
        // what is to go wrong is said about the nodes of the saga that is tested
        if call.id.as_str() != ID {
            return None;
        }
        let (node, undo) = (call.info.path.as_str(), call.info.undo);
        let mut before = stage.pause(call, "before");
        let mut effect = FaultEffect::None;
        let (mut cancels, mut late) = (false, false);
        let mut seen = stage.seen();
        let this = SeenCall {
            node: node.to_string(),
            undo,
            policy: call.policy,
            has_timeout: call.timeouts.action.is_some(),
            has_undo_timeout: call.timeouts.undo.is_some(),
        };
        if stage.gives_up(&this, &mut seen) {
            let before = Box::pin(pending());
            return Some(CallPlan { before, effect, after: Duration::ZERO });
        }
        let mut has_fault = false;
        let all = stage.schedule.injections.iter().enumerate();
        // a fault of one call comes before one of all calls
        let (always, once) = all.partition::<Vec<_>, _>(|(_, injection)| injection.always);
        for (n, injection) in once.into_iter().chain(always) {
            let was_reached = !injection.always && seen.reached.contains(&n);
            if !injection.is_of(node, undo) || was_reached || injection.is_fault() && has_fault {
                continue;
            }
            has_fault |= injection.is_fault();
            seen.reached.insert(n);
            match injection.event {
                Event::Cancel => {
                    cancels = true;
                    before += SOON;
                }
                Event::Deadline => before += stage.deadline + SOON,
                Event::Fault(CallFault::Repeated) => effect = FaultEffect::Repeated,
                Event::Fault(CallFault::Late) => late = true,
                Event::Fault(fault) => {
                    if let Some((takes_effect, how)) = failure(fault) {
                        effect = FaultEffect::Fails { takes_effect, how };
                    }
                }
            }
        }
        seen.calls.push(this);
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
        Some(CallPlan { before, effect, after: self.0.pause(call, "after") })
    }
}
