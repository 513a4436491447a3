//! Which runs a saga is tested with: from a run in which nothing goes wrong, to one for each thing that can.

use super::schedule::{CallFault, Crash, Event, Injection, Schedule};
use super::stage::{Seen, SeenCall};
use crate::policy::{DatabaseKind, UndoContract};

/// A field of the report: something that goes wrong at some place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    /// A node, or an append.
    pub(super) place: Place,
    /// What goes wrong, for people.
    pub(super) what: String,
    pub(super) schedule: Schedule,
    /// The saga may end stuck or parked.
    pub(super) may_need_a_human: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// All of the saga.
    Saga,
    Node(String),
    Append(usize),
    /// An append of a saga that rolls back.
    RollbackAppend(usize),
}

/// The saga as it is.
pub(super) fn nothing() -> Case {
    let what = "nothing goes wrong".to_string();
    Case { place: Place::Saga, what, schedule: Schedule::default(), may_need_a_human: false }
}

/// The actions that ran where nothing went wrong, in the order of their first calls.
pub(super) fn actions(seen: &Seen) -> Vec<SeenCall> {
    let mut actions = Vec::<SeenCall>::new();
    for call in seen.calls.iter().filter(|call| !call.undo) {
        if !actions.iter().any(|known| known.node == call.node) {
            actions.push(call.clone());
        }
    }
    actions
}

fn injection(node: &str, undo: bool, event: Event, always: bool) -> Injection {
    Injection { node: node.to_string(), undo, event, always }
}

fn case(node: &str, what: String, schedule: Schedule) -> Case {
    Case { place: Place::Node(node.to_string()), what, schedule, may_need_a_human: false }
}

/// What can go wrong with the action of a node.
pub(super) fn of_action(action: &SeenCall) -> Vec<Case> {
    let node = &*action.node;
    let once = |fault: CallFault| {
        let schedule = Schedule::default().with(injection(node, false, Event::Fault(fault), false));
        case(node, fault.to_string(), schedule)
    };
    let during = |event, what: &str| {
        let schedule = Schedule::default().with(injection(node, false, event, false));
        case(node, what.to_string(), schedule)
    };
    let mut cases = vec![once(CallFault::Error)];
    // where there is a limit to the attempts
    if action.policy.retry.max().is_some_and(|max| max > 1) {
        let error = injection(node, false, Event::Fault(CallFault::Error), true);
        cases.push(case(node, "error, always".to_string(), Schedule::default().with(error)));
    }
    // rows are committed together with the outcome, so it cannot happen that one is there without the other
    if let Some(database) = action.policy.transaction {
        cases.push(once(CallFault::Panic));
        // in SQLite, the thread that writes to the log runs it to its end
        if database == DatabaseKind::Postgres {
            cases.push(once(CallFault::Hang));
        }
        cases.push(during(Event::Cancel, "cancelled meanwhile"));
        cases.push(during(Event::Deadline, "deadline meanwhile"));
        return cases;
    }
    // others declare that a call that fails has no effect
    if action.policy.undoes_failures() || action.policy.undo == UndoContract::None {
        cases.push(once(CallFault::EffectThenError));
    }
    cases.extend([CallFault::InDoubt, CallFault::EffectThenInDoubt].map(once));
    cases.extend([CallFault::Panic, CallFault::EffectThenPanic].map(once));
    cases.extend([CallFault::Hang, CallFault::EffectThenHang].map(once));
    cases.extend([CallFault::Repeated, CallFault::Late].map(once));
    cases.push(during(Event::Cancel, "cancelled meanwhile"));
    cases.push(during(Event::Deadline, "deadline meanwhile"));
    cases
}

/// What can go wrong with the undo of a node: the saga is cancelled while the node's action is in flight. Empty for a
/// node without an undo.
pub(super) fn of_undo(action: &SeenCall) -> Vec<Case> {
    let node = &*action.node;
    if action.policy.undo == UndoContract::None {
        return Vec::new();
    }
    let cancelled = || Schedule::default().with(injection(node, false, Event::Cancel, false));
    let once = |fault: CallFault| {
        let schedule = cancelled().with(injection(node, true, Event::Fault(fault), false));
        case(node, format!("undo: {fault}"), schedule)
    };
    // what a transaction does is there exactly when its outcome is
    let transaction = action.policy.transaction;
    let with_effect = |fault: CallFault| Some(once(fault)).filter(|_| transaction.is_none());
    let mut cases = Vec::new();
    cases.push(once(CallFault::Error));
    cases.extend(with_effect(CallFault::EffectThenError));
    cases.push(once(CallFault::Panic));
    cases.extend(with_effect(CallFault::EffectThenPanic));
    if action.has_undo_timeout && transaction != Some(DatabaseKind::Sqlite) {
        cases.push(once(CallFault::Hang));
        cases.extend(with_effect(CallFault::EffectThenHang));
    }
    cases.extend(with_effect(CallFault::Repeated));
    // an undo has all the time that it needs
    let deadline = cancelled().with(injection(node, true, Event::Deadline, false));
    cases.push(case(node, "undo: deadline meanwhile".to_string(), deadline));
    // the outcome of the first attempt is unknown, it is undone, and arrives then
    let late = injection(node, false, Event::Fault(CallFault::Late), false);
    let late = case(node, "arrives after its undo".to_string(), cancelled().with(late));
    cases.extend(Some(late).filter(|_| transaction.is_none()));
    let for_good = once(CallFault::ForGood);
    cases.push(Case { may_need_a_human: true, ..for_good });
    cases
}

/// A crash before and after each append, and a cancellation after each.
pub(super) fn of_appends(appends: usize) -> Vec<Case> {
    let none = Schedule::default();
    let cancels = (0..appends.saturating_sub(1)).map(|append| Case {
        place: Place::Append(append),
        what: "cancelled after".to_string(),
        schedule: Schedule { cancel: Some(append), ..none.clone() },
        may_need_a_human: false,
    });
    let crashes = (0..appends).flat_map(|append| crashes(append, Place::Append(append), &none));
    crashes.chain(cancels).collect()
}

/// The same for crashes while the saga rolls back. If it is its pivot that fails, then nobody knows after a crash whether an
/// earlier attempt took effect, and the saga is parked; unless it is a transaction.
pub(super) fn of_rollback(appends: usize, rollback: &Schedule, by_pivot: bool) -> Vec<Case> {
    let crashes = |append| crashes(append, Place::RollbackAppend(append), rollback);
    let mut cases = (0..appends).flat_map(crashes).collect::<Vec<_>>();
    for case in &mut cases {
        case.may_need_a_human = by_pivot;
    }
    cases
}

fn crashes(append: usize, place: Place, within: &Schedule) -> [Case; 2] {
    let crash = |what: &str, crash| Case {
        place: place.clone(),
        what: what.to_string(),
        schedule: within.clone().crash(crash),
        may_need_a_human: false,
    };
    [crash("crash before", Crash::Before(append)), crash("crash after", Crash::After(append))]
}

/// The saga fails at its last action that may fail: whatever came before it is undone. `None` if all are tried forever.
pub(super) fn rollback(actions: &[SeenCall]) -> Option<Schedule> {
    let last = actions.iter().rev().find(|action| action.policy.retry.max().is_some())?;
    let error = injection(&last.node, false, Event::Fault(CallFault::Error), true);
    Some(Schedule::default().with(error))
}
