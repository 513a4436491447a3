//! Sagas whose undos have failed permanently, and the operators who resume them (§6).

use super::*;

fn retry_undo(node: &str) -> Command {
    Command::RetryUndo { node: node.into() }
}

fn resolve(node: &str) -> Command {
    Command::Resolve { node: node.into(), note: "refunded by hand".into() }
}

/// A → B → C → D; D failed, C is undone, the undo of B failed for good.
fn stuck() -> Bench {
    let mut saga = Bench::new(chain(
        ["a", "b", "c", "d"].map(|n| tried(n, Output, 1, 2)).into_iter().collect(),
    ));
    saga.ok(&["do a", "do b", "do c"]);
    saga.fails("do d");
    saga.ok(&["undo c"]);
    saga.undo_fails("undo b", false);
    saga.ended(Stuck);
    saga
}

#[test]
fn an_operator_retry_gives_an_undo_all_of_its_attempts_again() {
    let mut saga = stuck();
    assert_eq!(["a", "b", "c"].map(|n| saga.state(n)), [Completed, UndoFailed, Undone]);
    assert_eq!(saga.claimed_for(retry_undo("b")), Answer::Done);
    assert_eq!(saga.status(), RollingBack);
    saga.undo_fails("undo b", true);
    saga.wait();
    assert_eq!(saga.call("undo b").attempt, 3);
    saga.ok(&["undo b", "undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn a_retry_that_fails_is_stuck_again() {
    let mut saga = stuck();
    for _ in 0..3 {
        assert_eq!(saga.claimed_for(retry_undo("b")), Answer::Done);
        saga.crash_now();
        saga.undo_fails("undo b", false);
        saga.ended(Stuck);
    }
}

#[test]
fn a_retry_survives_a_crash_at_each_entry() {
    let length = stuck().log.len();
    for keep in 1..=2 {
        let mut saga = stuck();
        saga.claimed_for(retry_undo("b"));
        assert_eq!(saga.words()[length..], ["requested", "b undo_started"]);
        saga.crash(length + keep);
        saga.ok(&["undo b", "undo a"]);
        saga.ended(RolledBack);
    }
}

#[test]
fn only_failed_undos_can_be_retried_or_resolved() {
    let mut saga = stuck();
    let not = |node: &str, state| Refusal::UndoNotFailed { node: node.into(), state };
    let refusals = [
        ("a", not("a", Completed)),
        ("c", not("c", Undone)),
        ("d", not("d", Failed)),
        ("e", Refusal::NoSuchNode { node: "e".into() }),
    ];
    for (node, why) in refusals {
        for command in [retry_undo(node), resolve(node)] {
            assert_eq!(saga.claimed_for(command), Answer::Refused(why.clone()));
            saga.ended(Stuck);
        }
    }
    let why = Refusal::NotFailed { node: "d".into(), state: Failed };
    assert_eq!(saga.claimed_for(Command::Retry { node: "d".into() }), Answer::Refused(why));
    let why = Refusal::AlreadyEnded { status: Stuck };
    let rollback = Command::Rollback { reason: String::new() };
    assert_eq!(saga.claimed_for(rollback), Answer::Refused(why));
}

#[test]
fn nothing_can_be_retried_or_resolved_while_a_call_is_in_flight() {
    let mut saga = Bench::new(plan(actions(3, Output), &[]));
    saga.ok(&["do n0", "do n1"]);
    saga.fails("do n2");
    saga.undo_fails("undo n1", false);
    let why = || refused(Refusal::InFlight { calls: 1 });
    for command in [retry_undo("n1"), resolve("n1"), Command::RetryAll] {
        assert_eq!(saga.asks(command), why());
    }
    saga.ok(&["undo n0"]);
    saga.ended(Stuck);
    assert_eq!(saga.claimed_for(retry_undo("n1")), Answer::Done);
    // two operators at once: the second is told
    let not = Refusal::UndoNotFailed { node: "n1".into(), state: ActionState::Undoing };
    assert_eq!(saga.asks(resolve("n1")), refused(not));
}

#[test]
fn a_resolved_effect_is_shown_as_such() {
    let mut saga = stuck();
    assert_eq!(saga.claimed_for(resolve("b")), Answer::Done);
    let words = saga.words();
    assert_eq!(words[words.len() - 3..], ["requested", "b resolved", "a undo_started"]);
    let at = saga.log.len() - 2;
    let resolved = Resolution { by: "me".into(), note: "refunded by hand".into() };
    let resolved = NodeEntry::Resolved(resolved.into());
    assert_eq!(saga.log[at].node_entry(), Some(&resolved));
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
    assert_eq!(["a", "b", "c"].map(|n| saga.node(n).resolved), [false, true, false]);
    assert_eq!(saga.state("b"), Undone);
}

#[test]
fn a_resolve_interrupted_by_a_crash_is_carried_out() {
    let length = stuck().log.len();
    let mut saga = stuck();
    saga.claimed_for(resolve("b"));
    saga.answers.clear();
    saga.crash(length + 1);
    assert_eq!(saga.calls(), ["undo a"]);
    assert!(saga.node("b").resolved);
}

#[test]
fn all_failed_undos_are_retried_in_parallel() {
    let mut saga = Bench::new(plan(actions(4, Output), &[]));
    assert_eq!(saga.asks(Command::RetryAll), nothing(Running));
    saga.ok(&["do n0", "do n1", "do n2"]);
    saga.fails("do n3");
    saga.undo_fails("undo n2", false);
    saga.undo_fails("undo n0", false);
    saga.ok(&["undo n1"]);
    saga.ended(Stuck);
    // one of them resolved: still stuck with the other
    assert_eq!(saga.claimed_for(resolve("n0")), Answer::Done);
    saga.ended(Stuck);
    assert_eq!(saga.claimed_for(Command::RetryAll), Answer::Done);
    saga.undo_fails("undo n2", false);
    assert_eq!(saga.claimed_for(Command::RetryAll), Answer::Done);
    saga.ok(&["undo n2"]);
    saga.ended(RolledBack);
}

#[test]
fn an_operator_retry_gives_an_action_in_doubt_all_of_its_attempts_again() {
    let mut saga = row(Output, |saga| saga.in_doubt("do n"));
    saga.fails("redo n");
    saga.wait();
    saga.fails("redo n");
    saga.ended(Stuck);
    assert_eq!(saga.claimed_for(retry_undo("n")), Answer::Done);
    saga.fails("redo n");
    saga.wait();
    assert_eq!(saga.call("redo n").attempt, 5);
    saga.ok(&["redo n", "undo n"]);
    saga.ended(RolledBack);
}

#[test]
fn an_undo_can_be_retried_before_the_saga_is_stuck() {
    let all = plan(vec![action("a", Output), tried("b", Output, 1, 3), action("z", NoUndo)], &[]);
    let mut saga = Bench::new(all);
    saga.ok(&["do a", "do b"]);
    saga.fails("do z");
    saga.undo_fails("undo a", false);
    saga.undo_fails("undo b", true);
    assert_eq!(saga.finish, None);
    assert_eq!(saga.asks(retry_undo("a")), DONE);
    saga.ok(&["undo a"]);
    saga.wait();
    saga.ok(&["undo b"]);
    saga.ended(RolledBack);
}
