//! Actions whose only effect is a transaction of the database that keeps the log: what is not in the log has not happened.

use super::*;
use crate::simulation::plans::transaction;

const WITH_UNDO: [UndoContract; 3] = [Output, MaybeOutput, InputsOnly];

fn one(undo: UndoContract) -> Bench {
    Bench::new(chain(vec![transaction(action("n0", undo))]))
}

#[test]
fn a_transaction_that_was_cut_off_is_run_again() {
    let mut saga = one(Output);
    saga.crash_now();
    assert_eq!(saga.calls(), ["do n0"]);
    assert!(!saga.node("n0").in_doubt);
    saga.ok(&["do n0"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_failure_after_a_crash_is_a_plain_failure() {
    for undo in WITH_UNDO {
        let mut saga = one(undo);
        saga.crash_now();
        saga.fails("do n0");
        saga.ended(RolledBack);
        assert_eq!(
            saga.words()[1..],
            ["n0 started", "n0 started", "n0 failed", "unwinding", "ended"]
        );
    }
}

#[test]
fn a_timeout_is_a_plain_failure() {
    for undo in WITH_UNDO {
        let mut saga = one(undo);
        saga.in_doubt("do n0");
        saga.ended(RolledBack);
    }
}

#[test]
fn a_transaction_that_was_cut_off_is_not_run_again_to_be_undone() {
    for undo in WITH_UNDO {
        let mut saga = one(undo);
        saga.asks(cancel());
        saga.crash_now();
        saga.ended(RolledBack);
        assert_eq!(
            saga.words()[1..],
            ["n0 started", "requested", "unwinding", "n0 failed", "ended"]
        );
    }
}

#[test]
fn a_transaction_that_is_committed_while_the_saga_unwinds_is_undone() {
    let mut saga = one(Output);
    saga.asks(cancel());
    saga.ok(&["do n0"]);
    assert_eq!(saga.calls(), ["undo n0"]);
    saga.ok(&["undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn a_transaction_that_was_dropped_left_nothing() {
    let mut saga = one(Output);
    saga.asks(cancel());
    saga.wait();
    saga.ended(RolledBack);
    assert!(!saga.node("n0").in_doubt);
}

#[test]
fn what_a_failed_transaction_wrote_needs_no_cleaning_up() {
    let mut saga = Bench::new(chain(vec![undo_on_failure(transaction(action("n0", InputsOnly)))]));
    saga.fails("do n0");
    saga.ended(RolledBack);
}

#[test]
fn an_output_that_cannot_be_stored_rolls_the_rows_back() {
    let mut saga = one(Output);
    saga.unstorable("do n0");
    saga.ended(RolledBack);
}

fn pivot() -> Bench {
    let plan = Plan::new(vec![transaction(action("n0", NoUndo))], &[]).with_pivot(0);
    Bench::new(plan.into())
}

#[test]
fn a_cancel_waits_for_a_pivot_in_flight() {
    let mut saga = pivot();
    assert_eq!(saga.asks(cancel()), None);
    saga.fails("do n0");
    saga.ended(RolledBack);
}

#[test]
fn a_cancel_does_not_wait_for_a_pivot_that_was_cut_off() {
    let mut saga = pivot();
    assert_eq!(saga.claimed_for(cancel()), Answer::Done);
    saga.ended(RolledBack);
    assert_eq!(saga.words()[1..], ["n0 started", "requested", "n0 failed", "unwinding", "ended"]);
}

#[test]
fn there_is_nothing_to_decide_about_a_pivot_that_was_cut_off() {
    let mut saga = pivot();
    saga.taken_over([Event::Park { reason: "it crashes".into() }]);
    let decision = Decision::Failed;
    let decide = Command::Decide { node: "n0".into(), decision, note: "looked".into() };
    let Answer::Refused(why) = saga.claimed_for(decide) else { panic!("granted") };
    assert!(matches!(why, Refusal::NotInDoubt { .. }), "{why}");
    assert_eq!(saga.claimed_for(cancel()), Answer::Done);
    saga.ended(RolledBack);
}

#[test]
fn a_log_that_says_in_doubt_of_a_transaction_is_corrupt() {
    let mut saga = Bench::new(chain(actions(1, Output)));
    saga.in_doubt("do n0");
    let plan = chain(vec![transaction(action("n0", Output))]);
    let why = Machine::recover(plan, Config::default(), 2, &saga.log).expect_err("corrupt");
    assert!(why.to_string().contains("illegal event in_doubt"), "{why}");
}
