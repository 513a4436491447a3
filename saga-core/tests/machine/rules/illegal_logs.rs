//! Logs that the machine refuses because no run could have written them (§3).

use super::*;

#[test]
fn an_illegal_entry_says_what_and_where() {
    let saga = {
        let mut saga = Bench::new(chain(actions(2, Output)));
        saga.ok(&["do n0"]);
        saga
    };
    let mut log = saga.log.clone();
    log[3].kind = NodeEntry::UndoFinished.about("n1", 0);
    let why = SagaState::fold(saga.plan.clone(), &log).unwrap_err().to_string();
    assert_eq!(
        why,
        "entry 4: illegal event undo_finished for current load status never_started of node `n1`"
    );
    log[3].kind = NodeEntry::UndoFinished.about("nn", 0);
    let why = SagaState::fold(saga.plan.clone(), &log).unwrap_err().to_string();
    assert_eq!(why, "entry 4: the saga has no node `nn`");
    log.remove(1);
    let why = SagaState::fold(saga.plan, &log).unwrap_err().to_string();
    assert_eq!(why, "entry 3 follows where entry 2 should be");
}

#[test]
fn only_an_operator_can_retry_a_failed_undo() {
    let mut saga = row(Output, |saga| saga.in_doubt("do n"));
    saga.fails("redo n");
    saga.wait();
    saga.fails("redo n");
    saga.ended(Stuck);
    let last = saga.log.last().unwrap().clone();
    let then = |kinds: &[EntryKind]| {
        let mut log = saga.log.clone();
        for (seq, kind) in (last.seq + 1..).zip(kinds) {
            log.push(Entry { kind: kind.clone(), seq, ..last.clone() });
        }
        SagaState::fold(saga.plan.clone(), &log)
    };
    let asked = |command: Command| {
        let by = "me".to_string();
        EntryKind::from(SagaEntry::Requested {
            id: Uuid::from_u128(1),
            by,
            command: command.into(),
        })
    };
    let retry = asked(Command::RetryUndo { node: "n".into() });
    let resolve = asked(Command::Resolve { node: "n".into(), note: "by hand".into() });
    let resolved =
        NodeEntry::Resolved(Resolution { by: "me".into(), note: "by hand".into() }.into())
            .about("n", 3);
    let started = NodeEntry::Started.about("n", 4);
    for illegal in [
        vec![NodeEntry::RetryScheduled { at: last.at }.about("n", 0)],
        vec![NodeEntry::UndoFailed(failure(false).into()).about("n", 0)],
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
fn an_undo_is_resolved_only_on_request() {
    let mut saga = Bench::new(plan(actions(3, Output), &[]));
    saga.ok(&["do n0", "do n1"]);
    saga.fails("do n2");
    saga.undo_fails("undo n1", false);
    let kind = NodeEntry::Resolved(Resolution { by: "me".into(), note: "by hand".into() }.into())
        .about("n1", 1);
    let seq = saga.log.len() as u64 + 1;
    let resolved = Entry { kind, seq, ..saga.log[seq as usize - 2].clone() };
    let log = saga.log.iter().cloned().chain([resolved]).collect::<Vec<_>>();
    let why = SagaState::fold(saga.plan, &log).unwrap_err().to_string();
    assert!(why.contains("illegal event resolved for current load status undo_failed"), "{why}");
}

#[test]
fn an_attempt_is_counted_as_the_log_has_it() {
    let mut saga = Bench::new(chain(actions(2, Output)));
    saga.ok(&["do n0"]);
    let mut log = saga.log.clone();
    log[3].kind = NodeEntry::Started.about("n1", 2);
    let why = SagaState::fold(saga.plan, &log).unwrap_err().to_string();
    assert_eq!(why, "entry 4: attempt 2 where 1 should be");
}

/// The log of a saga with these entries about the saga behind it.
fn followed_by(saga: &Bench, entries: &[SagaEntry]) -> Result<SagaState, String> {
    let last = saga.log.last().unwrap().clone();
    let more = (last.seq + 1..).zip(entries).map(|(seq, entry)| Entry {
        seq,
        kind: entry.clone().into(),
        ..last.clone()
    });
    let log = saga.log.iter().cloned().chain(more).collect::<Vec<_>>();
    SagaState::fold(saga.plan.clone(), &log).map_err(|why| why.to_string())
}

#[test]
fn a_log_that_unwinds_at_or_after_the_pivot_is_illegal() {
    let back = || SagaEntry::Unwinding(Cause::Cancelled { reason: String::new() });
    let mut saga = pivotal(1);
    assert!(followed_by(&saga, &[back()]).is_ok());
    saga.ok(&["do a"]);
    let why = followed_by(&saga, &[back()]).unwrap_err();
    assert!(why.ends_with("illegal event unwinding for current load status running"), "{why}");
    saga.ok(&["do p"]);
    assert!(followed_by(&saga, &[back()]).is_err());
    saga.ok(&["do z"]);
    let back = SagaEntry::Unwinding(Cause::Rollback { reason: String::new() });
    assert!(followed_by(&saga, &[back]).is_err());
}

#[test]
fn a_log_in_which_a_paused_or_parked_saga_starts_or_ends_is_illegal() {
    let stands = [SagaEntry::Paused, SagaEntry::Parked { reason: "it crashes".into() }];
    for stands in stands {
        let mut saga = Bench::new(chain(actions(2, Output)));
        saga.ok(&["do n0"]);
        let mut log = saga.log[..3].to_vec();
        let stands = Entry { kind: stands.into(), seq: 4, ..log[2].clone() };
        log.extend([stands, Entry { seq: 5, ..saga.log[3].clone() }]);
        let why = SagaState::fold(saga.plan, &log).unwrap_err().to_string();
        assert!(why.starts_with("entry 5: illegal event started"), "{why}");
    }
    let mut saga = Bench::new(chain(actions(1, Output)));
    saga.feed([Event::Park { reason: "it crashes".into() }]);
    saga.ok(&["do n0"]);
    let ended = SagaEntry::Ended(ENDED_WELL);
    assert!(followed_by(&saga, std::slice::from_ref(&ended)).is_err());
    assert!(followed_by(&saga, &[SagaEntry::Unparked, ended]).is_ok());
}

#[test]
fn a_refusal_without_its_request_is_illegal() {
    let mut saga = pivotal(1);
    saga.ok(&["do a"]);
    let id = Uuid::from_u128(1);
    let asked = || SagaEntry::Requested { id, by: "me".into(), command: cancel().into() };
    let refused =
        || SagaEntry::Refused { id, why: Refusal::PastPivot { pivot: "p".into() }.into() };
    assert!(followed_by(&saga, &[asked(), refused()]).is_ok());
    assert!(followed_by(&saga, &[refused()]).is_err());
    assert!(followed_by(&saga, &[asked(), asked()]).is_err());
    assert!(followed_by(&saga, &[asked(), refused(), refused()]).is_err());
    assert!(followed_by(&saga, &[asked(), refused(), asked()]).is_err());
    let unpark = SagaEntry::Requested { id, by: "me".into(), command: Command::Unpark.into() };
    assert!(followed_by(&saga, &[unpark]).is_err());
}

#[test]
fn only_an_action_that_was_never_tried_can_be_skipped() {
    let nodes = vec![action("a", Output), node("value", PlanKind::Value), action("z", Output)];
    let mut saga = Bench::new(plan(nodes, &[(0, 1)]));
    let skipping = |saga: &Bench, skipped: &str| {
        let last = saga.log.last().unwrap();
        let kind = NodeEntry::Skipped.about(skipped, 0);
        let log =
            saga.log.iter().cloned().chain([Entry { kind, seq: last.seq + 1, ..last.clone() }]);
        SagaState::fold(saga.plan.clone(), &log.collect::<Vec<_>>())
    };
    assert!(skipping(&saga, "value").is_err());
    // it has been started
    assert!(skipping(&saga, "a").is_err());
    saga.fails("do a");
    // the saga rolls back
    assert!(skipping(&saga, "z").is_err());
}
