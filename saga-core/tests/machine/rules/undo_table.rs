//! What is undone: the table of §5, row by row, including nodes in doubt.

use super::*;

/// `n` ends like this, and `other`, which is beside it, fails the saga; returns what happens to `n`.
pub(super) fn row(undo: UndoContract, ends: impl Fn(&mut Bench)) -> Bench {
    row_of(tried("n", undo, 1, 2), ends)
}

/// The same for an undo that also cleans up after failures.
fn cleaning_row(undo: UndoContract, ends: impl Fn(&mut Bench)) -> Bench {
    row_of(undo_on_failure(tried("n", undo, 1, 2)), ends)
}

fn row_of(n: PlanNode, ends: impl Fn(&mut Bench)) -> Bench {
    let all = plan(vec![n, action("other", NoUndo)], &[]);
    let mut saga = Bench::new(all);
    ends(&mut saga);
    if saga.calls().contains(&"do other") {
        saga.fails("do other");
    }
    saga
}

#[test]
fn an_action_that_succeeded_is_undone() {
    for undo in [Output, MaybeOutput, InputsOnly] {
        let mut saga = row(undo, |saga| saga.ok(&["do n"]));
        assert_eq!(saga.calls(), ["undo n"]);
        saga.ok(&["undo n"]);
        saga.ended(RolledBack);
        assert_eq!(saga.state("n"), Undone);
    }
    row(NoUndo, |saga| saga.ok(&["do n"])).ended(RolledBack);
}

#[test]
fn an_action_that_failed_for_certain_is_not_undone() {
    for undo in [Output, MaybeOutput, InputsOnly, NoUndo] {
        let saga = row(undo, |saga| saga.fails("do n"));
        saga.ended(RolledBack);
        assert_eq!(saga.state("n"), Failed);
        assert!(!saga.words().iter().any(|word| word.starts_with("n undo")));
    }
}

#[test]
fn an_action_that_failed_for_certain_is_undone_with_undo_on_failure() {
    for undo in [MaybeOutput, InputsOnly] {
        let mut saga = cleaning_row(undo, |saga| saga.fails("do n"));
        assert_eq!(saga.calls(), ["undo n"]);
        saga.ok(&["undo n"]);
        saga.ended(RolledBack);
        assert_eq!(saga.state("n"), Undone);
    }
    // it says nothing for undos that need the output, or that there are not
    for undo in [Output, NoUndo] {
        cleaning_row(undo, |saga| saga.fails("do n")).ended(RolledBack);
    }
}

#[test]
fn a_failure_after_an_attempt_in_doubt_is_undone() {
    for undo in [MaybeOutput, InputsOnly] {
        // the first attempt may have had its effect, whatever the second one says
        let mut saga = row_of(tried("n", undo, 2, 2), |saga| {
            saga.in_doubt("do n");
            saga.wait();
            saga.fails("do n");
        });
        assert_eq!(saga.calls(), ["undo n"]);
        saga.ok(&["undo n"]);
        saga.ended(RolledBack);
    }
}

#[test]
fn a_log_that_undoes_a_certain_failure_is_illegal_without_undo_on_failure() {
    for on_failure in [false, true] {
        let n = tried("n", InputsOnly, 1, 2);
        let n = if on_failure { undo_on_failure(n) } else { n };
        let all = chain(vec![n]);
        let mut saga = Bench::new(all.clone());
        saga.fails("do n");
        let unwinding =
            saga.log.iter().position(|e| matches!(e.saga_entry(), Some(SagaEntry::Unwinding(_))));
        let mut log = saga.log[..=unwinding.unwrap()].to_vec();
        let last = log.last().unwrap().clone();
        let undo = NodeEntry::UndoStarted.about("n", 1);
        log.push(Entry { kind: undo, seq: last.seq + 1, ..last });
        assert_eq!(SagaState::fold(all, &log).is_ok(), on_failure);
    }
}

#[test]
fn an_action_in_doubt_is_undone_or_first_run_again() {
    for undo in [MaybeOutput, InputsOnly] {
        let mut saga = row(undo, |saga| saga.in_doubt("do n"));
        assert_eq!(saga.calls(), ["undo n"]);
        saga.ok(&["undo n"]);
        saga.ended(RolledBack);
        assert!(!saga.node("n").in_doubt);
    }
    row(NoUndo, |saga| saga.in_doubt("do n")).ended(RolledBack);
    let mut saga = row(Output, |saga| saga.in_doubt("do n"));
    assert_eq!(saga.calls(), ["redo n"]);
    assert_eq!(saga.call("redo n").attempt, 2);
    saga.ok(&["redo n", "undo n"]);
    saga.ended(RolledBack);
}

#[test]
fn the_effect_of_an_action_in_doubt_that_never_answers_may_remain() {
    let mut saga = row(Output, |saga| saga.in_doubt("do n"));
    saga.fails("redo n");
    assert_eq!(saga.calls(), NO_CALLS);
    saga.wait();
    saga.in_doubt("redo n");
    saga.ended(Stuck);
    assert!(saga.node("n").in_doubt);
    assert_eq!(saga.state("n"), UndoFailed);
    let why = saga.node("n").undo_failure.expect("a reason");
    assert!(why.message.ends_with("did not tell: broken"), "{}", why.message);
}

#[test]
fn a_failure_that_cannot_be_cleaned_up_may_remain() {
    let mut saga = cleaning_row(InputsOnly, |saga| saga.fails("do n"));
    saga.undo_fails("undo n", false);
    saga.ended(Stuck);
    assert!(saga.node("n").in_doubt, "half of its effect may be there");
    let mut saga = row(InputsOnly, |saga| saga.ok(&["do n"]));
    saga.undo_fails("undo n", false);
    saga.ended(Stuck);
    assert!(!saga.node("n").in_doubt, "all of it is");
}

#[test]
fn once_in_doubt_a_node_stays_in_doubt() {
    // effect, crash, and the next attempt does not even get there
    let mut saga = Bench::new(chain(vec![tried("n", Output, 1, 1)]));
    saga.crash_now();
    assert_eq!(saga.call("do n").attempt, 2);
    saga.fails("do n");
    assert_eq!(saga.calls(), ["redo n"]);
    saga.fails("redo n");
    saga.ended(Stuck);
    assert!(saga.node("n").in_doubt);
}

#[test]
fn an_action_in_doubt_is_retried_even_after_a_permanent_error() {
    let mut saga = Bench::new(chain(vec![tried("n", Output, 2, 1)]));
    saga.ends("do n", ActionResult::InDoubt(failure(false)));
    saga.wait();
    saga.ok(&["do n"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_cut_off_attempt_is_always_run_again() {
    let mut saga = Bench::new(chain(vec![tried("n", Output, 1, 1)]));
    for attempt in 2..6 {
        saga.crash_now();
        assert_eq!(saga.call("do n").attempt, attempt);
    }
    saga.ok(&["do n"]);
    saga.ended(ENDED_WELL);
    // also the one that tells what there is to undo
    let mut saga = row(Output, |saga| saga.in_doubt("do n"));
    for _ in 0..5 {
        saga.crash_now();
        assert_eq!(saga.calls(), ["redo n"]);
    }
    saga.ok(&["redo n", "undo n"]);
    saga.ended(RolledBack);
}

#[test]
fn a_cut_off_action_without_an_undo_does_not_delay_other_undos() {
    let mut saga = Bench::new(plan(
        vec![action("a", Output), action("n", NoUndo), action("z", Output)],
        &[(0, 1), (0, 2)],
    ));
    saga.ok(&["do a"]);
    saga.fails("do z");
    assert_eq!((saga.status(), saga.calls()), (SagaStatus::Failed, vec!["do n"]));
    saga.crash_now();
    assert_eq!((saga.status(), saga.calls()), (RollingBack, vec!["undo a"]));
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn an_output_that_cannot_be_stored_is_undone_from_memory() {
    let mut saga = row(Output, |saga| saga.unstorable("do n"));
    assert_eq!(saga.calls(), ["do other", "undo n"][1..]);
    assert!(saga.machine.output_is_kept(saga.call("undo n").vertex));
    saga.ok(&["undo n"]);
    saga.ended(RolledBack);
}

#[test]
fn an_output_that_cannot_be_stored_is_in_doubt_after_a_crash() {
    let begun = |words: &[&str]| {
        let mut saga = row(Output, |saga| saga.unstorable("do n"));
        if words.contains(&"fails") {
            saga.undo_fails("undo n", true);
        }
        saga
    };
    // the undo is under way, or waits for its next try, and its output is gone
    for words in [&[][..], &["fails"]] {
        let mut saga = begun(words);
        saga.crash_now();
        assert_eq!(saga.calls(), ["redo n"]);
        saga.unstorable("redo n");
        assert_eq!(saga.calls(), ["undo n"]);
        saga.crash_now();
        saga.ok(&["redo n", "undo n"]);
        saga.ended(RolledBack);
    }
}

#[test]
fn a_lost_output_is_obtained_again_even_when_retries_are_exhausted() {
    // reruns are used up, the undo from memory waits for its next try: then the process dies
    let mut saga = row(Output, |saga| saga.in_doubt("do n"));
    saga.fails("redo n");
    saga.wait();
    saga.unstorable("redo n");
    saga.undo_fails("undo n", true);
    saga.crash_now();
    saga.fails("redo n");
    saga.ended(Stuck);
    assert!(saga.node("n").in_doubt);
}

/// Its transaction was rolled back.
fn declined() -> ActionResult {
    ActionResult::Failed(Failure { rolled_back: true, ..failure(true) })
}

#[test]
fn a_rolled_back_transaction_clears_earlier_doubt() {
    // cut off, and then declined going forward
    for (undo, calls) in [(Output, vec![]), (MaybeOutput, vec!["undo n0"]), (NoUndo, vec![])] {
        let mut saga = Bench::new(chain(actions(1, undo)));
        saga.crash_now();
        saga.ends("do n0", declined());
        // without an output there is still something that an undo can do about the doubt
        assert_eq!(saga.calls(), calls, "{undo:?}");
        saga.ok(&calls);
        saga.ended(RolledBack);
        assert!(!saga.node("n0").in_doubt);
    }
    // cut off, and then declined when it was run again for its undo
    let mut saga = row(Output, |saga| {
        saga.crash_now();
        saga.fails("do other");
        saga.ends("do n", ActionResult::InDoubt(failure(true)));
    });
    assert_eq!(saga.calls(), ["redo n"]);
    saga.ends("redo n", declined());
    saga.ended(RolledBack);

    let mut saga = pivotal(1);
    saga.ok(&["do a"]);
    saga.crash_now();
    saga.ends("do p", declined());
    assert_eq!(saga.calls(), ["undo a"], "nobody has to find out and decide");
}
