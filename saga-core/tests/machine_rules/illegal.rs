//! Logs that do not make sense (§3).

use super::*;

#[test]
fn an_illegal_entry_says_what_and_where() {
    let saga = {
        let mut saga = Bench::new(chain(actions(2, Output)));
        saga.ok(&["do n0"]);
        saga
    };
    let mut log = saga.log.clone();
    log[3].kind = EntryKind::UndoFinished;
    let why = State::fold(saga.plan.clone(), &log).unwrap_err().to_string();
    assert_eq!(
        why,
        "entry 4: illegal event undo_finished for current load status never_started of node `n1`"
    );
    log[3].node = Some("nn".into());
    let why = State::fold(saga.plan.clone(), &log).unwrap_err().to_string();
    assert_eq!(why, "entry 4: the saga has no node `nn`");
    log.remove(1);
    let why = State::fold(saga.plan, &log).unwrap_err().to_string();
    assert_eq!(why, "entry 3 follows where entry 2 should be");
}

#[test]
fn only_an_operator_goes_on_with_a_failed_undo() {
    let mut saga = row(Output, |saga| saga.in_doubt("do n"));
    saga.fails("redo n");
    saga.wait();
    saga.fails("redo n");
    saga.ended(Stuck);
    let last = saga.log.last().unwrap().clone();
    let then = |kind: EntryKind, node: &str| {
        let next = Entry { kind, node: Some(node.into()), seq: last.seq + 1, ..last.clone() };
        let log = saga.log.iter().cloned().chain([next]).collect::<Vec<_>>();
        State::fold(saga.plan.clone(), &log)
    };
    assert!(then(EntryKind::RetryScheduled { at: last.at }, "n").is_err());
    assert!(then(EntryKind::UndoFailed(failure(false)), "n").is_err());
    assert!(then(EntryKind::Started, "other").is_err());
    assert_eq!(then(EntryKind::Started, "n").unwrap().status(), RollingBack);
    let resolved = EntryKind::Resolved { by: "me".into(), note: "by hand".into() };
    assert_eq!(then(resolved, "n").unwrap().status(), RollingBack);
}
