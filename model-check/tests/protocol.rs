//! The protocol between workers and store keeps its promises, and each of its rules is needed for that.

use model_check::Broken::{self, CallWithoutOwnership, OwnerRefused, TwoHistories};
use model_check::bounds::faults;
use model_check::check::check;
use model_check::setup::Mistake::{
    self, EpochNotRaised, LeaseFromAnswer, LeaseGapsIgnored, LostReplyMeansNotWritten, NoFence,
    NoLeaseCheck, TakenFromTheLiving,
};
use model_check::setup::Protocol::{Embedded, Leases};
use model_check::setup::{Budget, Setup};
use saga_core::action::UndoContract::{self, InputsOnly, MaybeOutput, None as NoUndo, Output};

const UNDOS: [UndoContract; 4] = [Output, MaybeOutput, InputsOnly, NoUndo];

/// No rule is broken in any state, the saga can end in all of these ways, and nothing was left out.
fn holds(name: &str, setup: &Setup, ends: &[&str]) {
    let found = check(setup);
    println!("{name}, {:?}: {found}", setup.budget);
    assert_eq!(found.rule(), None);
    assert!(!found.cut, "raise MODEL_CHECK_STATES");
    let seen = found.ends.keys().copied().collect::<Vec<_>>();
    assert!(ends.iter().all(|end| seen.contains(end)), "{ends:?}, but only {seen:?} were seen");
}

#[test]
fn one_process_at_a_time_keeps_every_rule() {
    let all = faults(Budget {
        crashes: 1,
        timeouts: 1,
        refusals: 1,
        lost_replies: 1,
        cancels: 1,
        ..Budget::NONE
    });
    let ends = ["completed", "rolled_back"];
    for undo in UNDOS {
        let name = |what: &str| format!("one process, {what}, {undo:?}");
        holds(&name("two steps"), &Setup::chain(Embedded, &[undo, undo], all), &ends);
        let three = Setup::chain(Embedded, &[undo; 3], Budget { cancels: 0, ..all });
        holds(&name("three steps"), &three, &ends);
    }
    let twice = Budget { crashes: 2, refusals: 0, lost_replies: 0, ..all };
    holds("one process, two crashes", &Setup::chain(Embedded, &[Output, InputsOnly], twice), &ends);
    let ends = ["completed", "parked", "rolled_back"];
    holds("one process, pivot", &Setup::pivot(Embedded, InputsOnly, all), &ends);
}

#[test]
fn workers_with_leases_keep_every_rule() {
    let time = Budget { ticks: 2, ..Budget::NONE };
    let ends = ["completed", "rolled_back"];
    for undo in UNDOS {
        let go = |what: &str, budget: Budget| {
            let setup = Setup::chain(Leases, &[undo, undo], budget);
            holds(&format!("leases, {what}, {undo:?}"), &setup, &ends);
        };
        go("late calls", faults(Budget { timeouts: 1, refusals: 1, ..time }));
        go("cancelled", faults(Budget { timeouts: 1, cancels: 1, ..time }));
        go("lost replies", faults(Budget { lost_replies: 1, refusals: 1, ..time }));
        go("crash", faults(Budget { crashes: 1, refusals: 1, ..time }));
        let three = Setup::chain(Leases, &[undo; 3], faults(Budget { refusals: 1, ..time }));
        holds(&format!("leases, three steps, {undo:?}"), &three, &ends);
    }
    // taken over, and taken back
    let twice = faults(Budget { ticks: 4, refusals: 1, ..Budget::NONE });
    holds("leases, two takeovers", &Setup::chain(Leases, &[InputsOnly, Output], twice), &ends);
    let pivot = Setup::pivot(Leases, NoUndo, faults(Budget { timeouts: 1, refusals: 1, ..time }));
    holds("leases, pivot", &pivot, &["completed", "parked", "rolled_back"]);
}

#[test]
fn workers_that_have_lost_the_saga_change_nothing_until_they_notice() {
    let ends = ["completed", "rolled_back"];
    for undo in [Output, InputsOnly] {
        let faults = faults(Budget { crashes: 1, refusals: 1, lost_replies: 1, ..Budget::NONE });
        let setup = Setup::chain(Embedded, &[undo, undo], faults).thoroughly();
        holds(&format!("one process, until it notices, {undo:?}"), &setup, &ends);
        let faults = Budget { crashes: 0, lost_replies: 0, ticks: 3, ..faults };
        let setup = Setup::chain(Leases, &[undo, undo], faults).thoroughly();
        holds(&format!("leases, until it notices, {undo:?}"), &setup, &ends);
    }
}

/// A clock that stands still costs what leases are for: that nobody makes calls for a saga that another worker has taken over.
/// It costs no effect, because such a call is one more that comes late.
#[test]
fn all_or_nothing_needs_no_clock() {
    let faults = faults(Budget { ticks: 2, drift: 1, refusals: 1, ..Budget::NONE });
    for undo in [Output, InputsOnly] {
        let setup = Setup::chain(Leases, &[undo, undo], faults);
        assert_eq!(check(&setup).rule(), Some(CallWithoutOwnership));
        let ends = ["completed", "rolled_back"];
        holds(&format!("drift, {undo:?}"), &setup.tolerating_late_starts(), &ends);
    }
}

#[test]
fn each_rule_of_the_protocol_is_needed() {
    let time = Budget { ticks: 3, ..Budget::NONE };
    let lost = Budget { lost_replies: 1, ..Budget::NONE };
    let rules: [(Mistake, Budget, Broken); 7] = [
        (NoFence, time, TwoHistories),
        (EpochNotRaised, lost, OwnerRefused),
        (LostReplyMeansNotWritten, lost, OwnerRefused),
        (NoLeaseCheck, time, CallWithoutOwnership),
        (LeaseGapsIgnored, time, CallWithoutOwnership),
        (LeaseFromAnswer, time, CallWithoutOwnership),
        (TakenFromTheLiving, time, CallWithoutOwnership),
    ];
    for (mistake, budget, broken) in rules {
        let setup = Setup::chain(Leases, &[InputsOnly, InputsOnly], budget);
        assert_eq!(check(&setup.clone().thoroughly()).rule(), None);
        let found = check(&setup.with_mistake(mistake));
        println!("{mistake:?}: {found}");
        assert_eq!(found.rule(), Some(broken));
    }
}
