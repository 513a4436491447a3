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
    let then = |kinds: &[(&str, EntryKind)]| {
        let mut log = saga.log.clone();
        for (seq, (node, kind)) in (last.seq + 1..).zip(kinds) {
            let node = Some(*node).filter(|node| !node.is_empty()).map(Into::into);
            let attempt = match kind {
                EntryKind::Started => 4,
                EntryKind::Resolved { .. } => 3,
                _ => 0,
            };
            log.push(Entry { kind: kind.clone(), node, seq, attempt, ..last.clone() });
        }
        State::fold(saga.plan.clone(), &log)
    };
    let asked =
        |command| ("", EntryKind::Requested { id: Uuid::from_u128(1), by: "me".into(), command });
    let retry = asked(Command::RetryUndo { node: "n".into() });
    let resolve = asked(Command::Resolve { node: "n".into(), note: "by hand".into() });
    let resolved = ("n", EntryKind::Resolved { by: "me".into(), note: "by hand".into() });
    let started = ("n", EntryKind::Started);
    for illegal in [
        vec![("n", EntryKind::RetryScheduled { at: last.at })],
        vec![("n", EntryKind::UndoFailed(failure(false)))],
        vec![started.clone()],
        vec![resolved.clone()],
        vec![asked(Command::RetryUndo { node: "other".into() })],
        vec![resolve.clone(), started.clone()],
        vec![retry.clone(), resolved.clone()],
        vec![retry.clone(), retry.clone()],
    ] {
        assert!(then(&illegal).is_err(), "{illegal:?}");
    }
    assert_eq!(then(&[retry, started]).unwrap().status(), RollingBack);
    assert_eq!(then(&[resolve, resolved]).unwrap().status(), RollingBack);
}

#[test]
fn an_attempt_is_counted_as_the_log_has_it() {
    let mut saga = Bench::new(chain(actions(2, Output)));
    saga.ok(&["do n0"]);
    let mut log = saga.log.clone();
    log[3].attempt = 2;
    let why = State::fold(saga.plan, &log).unwrap_err().to_string();
    assert_eq!(why, "entry 4: attempt 2 where 1 should be");
}
