//! Actions that can be asked whether they took effect: asked when they are in doubt, and not run again to find out.

use saga_core::Probe;

use super::*;
use crate::simulation::plans::probe;

const WITH_UNDO: [UndoContract; 3] = [Output, MaybeOutput, InputsOnly];

fn one(undo: UndoContract, tries: u32) -> Bench {
    Bench::new(chain(vec![probe(tried("n0", undo, tries, 2))]))
}

fn entries(saga: &Bench) -> Vec<String> {
    saga.words()[1..].to_vec()
}

#[test]
fn a_call_that_was_cut_off_is_asked_about_and_not_repeated() {
    for undo in UNDOS {
        let mut saga = one(undo, 1);
        saga.crash_now();
        assert_eq!(saga.calls(), ["ask n0"]);
        saga.answers("ask n0", Probe::Done("found"));
        saga.ended(ENDED_WELL);
        assert_eq!(entries(&saga), ["n0 started", "n0 succeeded", "ended"]);
    }
}

const UNDOS: [UndoContract; 4] = [Output, MaybeOutput, InputsOnly, NoUndo];

#[test]
fn a_call_that_did_not_happen_is_made_again_under_another_key() {
    let mut saga = one(Output, 1);
    saga.crash_now();
    saga.answers("ask n0", Probe::NotDone);
    assert_eq!(saga.call("do n0").generation, 1);
    assert_eq!(entries(&saga), ["n0 started", "n0 not_done", "n0 started"]);
    // what was cut off used up no try; this does
    saga.fails_for_now("do n0");
    saga.ended(RolledBack);
}

#[test]
fn an_answer_that_nobody_knows_changes_nothing() {
    let mut saga = one(Output, 1);
    saga.crash_now();
    saga.answers("ask n0", Probe::Unknown);
    assert_eq!(saga.call("do n0").generation, 0);
    assert_eq!(entries(&saga), ["n0 started", "n0 started"]);
    saga.ok(&["do n0"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn it_is_asked_before_each_retry_and_then_before_it_is_given_up() {
    let mut saga = one(Output, 2);
    saga.in_doubt("do n0");
    assert_eq!(saga.calls(), NO_CALLS);
    saga.wait();
    assert_eq!(saga.calls(), ["ask n0"]);
    saga.answers("ask n0", Probe::Unknown);
    saga.in_doubt("do n0");
    assert_eq!(saga.calls(), ["ask n0"]);
    assert_eq!(saga.status(), Running);
    saga.answers("ask n0", Probe::Done("found"));
    saga.ended(ENDED_WELL);
}

#[test]
fn one_that_did_not_happen_and_has_no_tries_left_leaves_nothing_to_undo() {
    for undo in WITH_UNDO {
        let mut saga = one(undo, 1);
        saga.in_doubt("do n0");
        saga.answers("ask n0", Probe::NotDone);
        saga.ended(RolledBack);
        assert_eq!(entries(&saga)[2..], ["n0 not_done", "unwinding", "ended"]);
        assert!(!saga.node("n0").in_doubt);
    }
}

#[test]
fn while_unwinding_it_is_asked_and_then_undone_with_its_output() {
    for undo in WITH_UNDO {
        let mut saga = one(undo, 1);
        saga.asks(cancel());
        saga.crash_now();
        assert_eq!(saga.calls(), ["ask n0"]);
        saga.answers("ask n0", Probe::Done("found"));
        assert_eq!(saga.calls(), ["undo n0"]);
        saga.ok(&["undo n0"]);
        saga.ended(RolledBack);
    }
}

#[test]
fn while_unwinding_one_that_did_not_happen_is_neither_run_again_nor_undone() {
    for undo in WITH_UNDO {
        let mut saga = one(undo, 1);
        saga.asks(cancel());
        saga.crash_now();
        saga.answers("ask n0", Probe::NotDone);
        saga.ended(RolledBack);
        let words = ["n0 started", "requested", "unwinding", "n0 not_done", "ended"];
        assert_eq!(entries(&saga), words);
    }
}

#[test]
fn while_unwinding_nobody_knows_is_as_without_a_probe() {
    for (undo, then) in [(Output, "redo n0"), (MaybeOutput, "undo n0"), (InputsOnly, "undo n0")] {
        let mut saga = one(undo, 1);
        saga.asks(cancel());
        saga.crash_now();
        saga.answers("ask n0", Probe::Unknown);
        assert_eq!(saga.calls(), [then]);
    }
}

#[test]
fn it_is_asked_once_more_before_its_undo_is_given_up() {
    let mut saga = one(Output, 1);
    saga.asks(cancel());
    saga.crash_now();
    saga.answers("ask n0", Probe::Unknown);
    saga.in_doubt("redo n0");
    saga.wait();
    saga.answers("ask n0", Probe::Unknown);
    saga.in_doubt("redo n0");
    assert_eq!(saga.calls(), ["ask n0"]);
    saga.answers("ask n0", Probe::Unknown);
    saga.ended(Stuck);
}

fn pivot(tries: u32) -> Bench {
    let plan = Plan::new(vec![probe(tried("p", Output, tries, 2))], &[]).with_pivot(0);
    Bench::new(plan.into())
}

#[test]
fn a_pivot_is_asked_before_it_is_parked() {
    let mut saga = pivot(1);
    saga.in_doubt("do p");
    assert_eq!(saga.calls(), ["ask p"]);
    saga.answers("ask p", Probe::NotDone);
    saga.ended(RolledBack);
}

#[test]
fn a_pivot_that_nobody_knows_about_is_parked_and_asked_again_when_it_is_unparked() {
    let mut saga = pivot(1);
    saga.in_doubt("do p");
    saga.answers("ask p", Probe::Unknown);
    assert!(matches!(saga.finish, Some(Finish::Parked { .. })), "{:?}", saga.finish);
    assert_eq!(saga.claimed_for(Command::Unpark), Answer::Done);
    assert_eq!(saga.calls(), ["ask p"]);
    saga.answers("ask p", Probe::Done("found"));
    saga.ended(ENDED_WELL);
}

#[test]
fn a_cancel_that_is_held_is_carried_out_once_the_pivot_is_known_not_to_have_happened() {
    let mut saga = pivot(3);
    saga.in_doubt("do p");
    assert_eq!(saga.asks(cancel()), None);
    saga.wait();
    saga.answers("ask p", Probe::NotDone);
    saga.ended(RolledBack);
}

#[test]
fn the_token_of_a_question_is_between_those_of_the_attempts() {
    let mut saga = one(Output, 2);
    let first = saga.call("do n0").seq;
    saga.in_doubt("do n0");
    saga.wait();
    let asked = saga.call("ask n0");
    saga.answers("ask n0", Probe::Unknown);
    let second = saga.call("do n0").seq;
    assert!(first < asked.seq && asked.seq < second, "{first} {} {second}", asked.seq);
    assert_eq!((asked.attempt, asked.generation), (1, 0));
}

#[test]
fn nothing_is_asked_while_the_saga_is_paused() {
    let mut saga = one(Output, 1);
    saga.asks(Command::Pause);
    saga.crash_now();
    assert_eq!(saga.calls(), NO_CALLS);
    saga.asks(Command::Resume);
    // the log says by now that the call was cut off
    assert_eq!(saga.calls(), ["ask n0"]);
}

#[test]
fn a_question_takes_a_permit_and_so_does_the_call_that_follows() {
    let config = Config { permits: true, ..Config::default() };
    let mut saga = Bench::configured(chain(vec![probe(action("n0", Output))]), config, &[]);
    saga.grants("n0");
    saga.crash_now();
    assert_eq!(saga.calls(), NO_CALLS);
    saga.grants("n0");
    saga.answers("ask n0", Probe::NotDone);
    assert_eq!(saga.calls(), NO_CALLS);
    saga.grants("n0");
    assert_eq!(saga.calls(), ["do n0"]);
}

#[test]
fn a_node_that_does_not_say_how_is_not_asked() {
    let mut saga = Bench::new(chain(actions(1, Output)));
    saga.crash_now();
    assert_eq!(saga.calls(), ["do n0"]);
}

/// What an action declares may change: a log with its answers is read all the same.
#[test]
fn a_log_with_answers_is_read_by_a_program_without_the_probe() {
    let mut saga = one(Output, 1);
    saga.crash_now();
    saga.answers("ask n0", Probe::NotDone);
    let without = chain(vec![tried("n0", Output, 1, 2)]);
    let mut again = Bench::recovered(without, &saga.log);
    assert_eq!(again.call("do n0").generation, 1);
    again.ok(&["do n0"]);
    again.ended(ENDED_WELL);
}
