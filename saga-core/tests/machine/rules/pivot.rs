//! The point of no return (§6).

use super::*;

fn past() -> Refusal {
    Refusal::PastPivot { pivot: "p".into() }
}

fn decide(decision: Decision) -> Command {
    Command::Decide { node: "p".into(), decision, note: "asked the bank".into() }
}

/// Its pivot is in doubt, and its tries are used up.
fn parked() -> Bench {
    let mut saga = pivotal(1);
    saga.ok(&["do a"]);
    saga.in_doubt("do p");
    assert!(matches!(saga.finish, Some(Finish::Parked { .. })), "{:?}", saga.finish);
    assert_eq!(saga.words().last().unwrap(), "parked");
    saga
}

#[test]
fn before_the_pivot_a_saga_unwinds_as_usual() {
    let mut saga = pivotal(1);
    assert_eq!(saga.asks(cancel()), DONE);
    saga.ok(&["do a", "undo a"]);
    saga.ended(RolledBack);
    let mut saga = pivotal(1);
    saga.fails("do a");
    saga.ended(RolledBack);
}

#[test]
fn a_cancel_is_held_while_the_pivot_is_open_and_refused_when_it_succeeds() {
    let mut saga = pivotal(1);
    saga.ok(&["do a"]);
    let (id, event) = saga.request(cancel());
    saga.feed([event]);
    assert_eq!((saga.answers.get(&id), saga.said.len()), (None, 0));
    assert!(saga.machine.state().is_held(id));
    assert_eq!(saga.words().last().unwrap(), "requested");
    saga.ok(&["do p"]);
    assert_eq!(saga.answers[&id], Answer::Refused(past()));
    assert!(!saga.machine.state().is_held(id));
    assert_eq!(saga.words()[5..], ["p succeeded", "refused", "z started"]);
    assert_eq!(saga.asks(cancel()), refused(past()));
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
    assert_eq!(
        saga.claimed_for(Command::Rollback { reason: "no".into() }),
        Answer::Refused(past())
    );
}

#[test]
fn a_held_cancel_is_applied_when_the_pivot_fails() {
    for tries in [1, 3] {
        let mut saga = pivotal(tries);
        saga.ok(&["do a"]);
        let ids = [(); 2].map(|()| {
            let (id, event) = saga.request(cancel());
            saga.feed([event]);
            id
        });
        // with tries left, too
        saga.fails_for_now("do p");
        assert_eq!(ids.map(|id| saga.answers[&id].clone()), [Answer::Done, Answer::Done]);
        let cause = Cause::Cancelled { reason: "changed my mind".into() };
        assert_eq!(saga.machine.state().cause(), Some(&cause));
        saga.ok(&["undo a"]);
        saga.ended(RolledBack);
        assert_eq!(saga.state("p"), Failed);
    }
}

#[test]
fn a_held_cancel_survives_a_crash() {
    for ends_well in [true, false] {
        let mut saga = pivotal(1);
        saga.ok(&["do a"]);
        let (id, event) = saga.request(cancel());
        saga.feed([event.clone()]);
        saga.crash_now();
        // asked again: it is in the log
        saga.feed([event]);
        assert_eq!((saga.answers.get(&id), saga.calls()), (None, vec!["do p"]));
        if ends_well {
            saga.ok(&["do p"]);
            assert_eq!(saga.answers[&id], Answer::Refused(past()));
            saga.ok(&["do z"]);
            saga.ended(ENDED_WELL);
        } else {
            // the crash has left doubt, which a failure does not clear
            saga.fails("do p");
            assert_eq!(saga.answers.get(&id), None);
            assert!(matches!(saga.finish, Some(Finish::Parked { .. })));
            assert_eq!(saga.claimed_for(decide(Decision::Failed)), Answer::Done);
            assert_eq!(saga.answers[&id], Answer::Done);
            saga.ok(&["undo a"]);
            saga.ended(RolledBack);
        }
    }
}

#[test]
fn a_pivot_that_failed_for_certain_unwinds_the_saga_without_an_undo_of_its_own() {
    let mut saga = pivotal(1);
    saga.ok(&["do a"]);
    saga.fails("do p");
    assert_eq!(saga.machine.state().cause(), Some(&Cause::Failed { node: "p".into() }));
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn a_pivot_that_waits_for_a_retry_is_not_in_doubt() {
    let mut saga = pivotal(2);
    saga.ok(&["do a"]);
    saga.fails_for_now("do p");
    assert_eq!(saga.asks(cancel()), DONE);
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
    // but one whose last try was, is
    let mut saga = pivotal(2);
    saga.ok(&["do a"]);
    saga.in_doubt("do p");
    assert_eq!(saga.asks(cancel()), None);
    saga.wait();
    saga.ok(&["do p", "do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_pivot_in_doubt_is_parked_and_never_unwound() {
    let mut saga = parked();
    let reason = saga.machine.state().parked().unwrap().to_string();
    assert!(reason.contains("the pivot `p` took effect: broken;"), "{reason}");
    let length = saga.log.len();
    let why = Refusal::PivotInDoubt { pivot: "p".into() };
    assert_eq!(saga.claimed_for(cancel()), Answer::Refused(why));
    assert_eq!(saga.log.len(), length);
    assert!(matches!(saga.finish, Some(Finish::Parked { .. })));
    // unparked, it is tried again
    assert_eq!(saga.claimed_for(Command::Unpark), Answer::Done);
    saga.fails("do p");
    assert!(matches!(saga.finish, Some(Finish::Parked { .. })));
    saga.claimed_for(Command::Unpark);
    saga.ok(&["do p", "do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_pivot_that_is_parked_because_of_an_error_without_a_message_has_a_reason() {
    let mut saga = pivotal(1);
    saga.ok(&["do a"]);
    saga.ends("do p", ActionResult::InDoubt(Failure::new(FailureKind::Failed, "")));
    let reason = saga.machine.state().parked().unwrap().to_string();
    assert!(reason.contains("the pivot `p` took effect: its error has no message;"), "{reason}");
}

#[test]
fn a_cancel_that_was_granted_before_the_pivot_was_parked_is_held_until_it_is_decided() {
    let mut saga = pivotal(1);
    saga.ok(&["do a"]);
    let (id, event) = saga.request(cancel());
    saga.feed([event]);
    saga.in_doubt("do p");
    assert!(matches!(saga.finish, Some(Finish::Parked { .. })));
    assert_eq!((saga.answers.get(&id), saga.machine.state().is_held(id)), (None, true));
    assert_eq!(saga.claimed_for(Command::Unpark), Answer::Done);
    saga.ok(&["do p"]);
    assert_eq!(saga.answers[&id], Answer::Refused(past()));
    assert_eq!(saga.words()[saga.log.len() - 2..], ["refused", "z started"]);
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_pivot_in_doubt_has_ten_attempts_by_default() {
    let unsaid = || {
        let pivot = PlanKind::Action(Policy::new(Output));
        let nodes = vec![action("a", Output), node("p", pivot), action("z", Output)];
        let mut saga = Bench::new(Plan::new(nodes, &[(0, 1), (1, 2)]).with_pivot(1).into());
        saga.ok(&["do a"]);
        saga
    };
    let mut saga = unsaid();
    for life in 0..2 {
        for tries in 1..10 {
            saga.in_doubt("do p");
            assert_eq!(saga.words().last().unwrap(), "p retry_scheduled");
            saga.wait();
            assert_eq!(saga.call("do p").attempt, life * 10 + tries + 1);
        }
        // a failure takes the doubt of the tries before it away from nobody
        saga.fails_for_now("do p");
        assert!(matches!(saga.finish, Some(Finish::Parked { .. })), "{:?}", saga.finish);
        assert_eq!(saga.claimed_for(Command::Unpark), Answer::Done);
    }
    saga.ok(&["do p", "do z"]);
    saga.ended(ENDED_WELL);
    // without doubt it is tried once, as any other action
    let mut saga = unsaid();
    saga.fails_for_now("do p");
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn an_operator_can_decide_how_a_pivot_ended() {
    let output = serde_json::json!({ "receipt": 7 });
    let mut saga = parked();
    assert_eq!(saga.claimed_for(decide(Decision::Succeeded(output.clone()))), Answer::Done);
    let words = saga.words();
    let end = &words[words.len() - 4..];
    assert_eq!(end, ["requested", "unparked", "p succeeded", "z started"]);
    let stored = saga.log[saga.log.len() - 2].node_entry();
    let succeeded = NodeEntry::Succeeded(output.to_string().into_bytes().into());
    assert_eq!(stored, Some(&succeeded));
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);

    let mut saga = parked();
    assert_eq!(saga.claimed_for(decide(Decision::Failed)), Answer::Done);
    let words = saga.words();
    let end = &words[words.len() - 5..];
    assert_eq!(end, ["requested", "unparked", "p failed", "unwinding", "a undo_started"]);
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
    assert!(!saga.node("p").in_doubt);
}

#[test]
fn a_decision_interrupted_by_a_crash_is_carried_out() {
    for decision in [Decision::Failed, Decision::Succeeded(serde_json::Value::Null)] {
        for keep in 1..=3 {
            let mut saga = parked();
            let length = saga.log.len();
            saga.claimed_for(decide(decision.clone()));
            saga.answers.clear();
            saga.crash(length + keep);
            match decision {
                Decision::Failed => saga.ok(&["undo a"]),
                Decision::Succeeded(_) | Decision::SucceededWith(_) => saga.ok(&["do z"]),
            }
            assert!(matches!(saga.finish, Some(Finish::Ended(ENDED_WELL | RolledBack))));
        }
    }
}

#[test]
fn only_a_pivot_in_doubt_can_be_decided() {
    let mut saga = pivotal(1);
    let not = |state| refused(Refusal::NotInDoubt { node: "p".into(), state });
    assert_eq!(saga.asks(decide(Decision::Failed)), not(Pending));
    saga.ok(&["do a"]);
    assert_eq!(saga.asks(decide(Decision::Failed)), refused(Refusal::NotParked));
    saga.feed([Event::Park { reason: "it crashes".into() }]);
    assert_eq!(saga.asks(decide(Decision::Failed)), refused(Refusal::InFlight { calls: 1 }));
    saga.ok(&["do p"]);
    saga.claimed_for(Command::Unpark);
    assert_eq!(saga.asks(decide(Decision::Failed)), not(Completed));
    let other = |node: &str| Command::Decide {
        node: node.into(),
        decision: Decision::Failed,
        note: String::new(),
    };
    let why = Refusal::NotInDoubt { node: "z".into(), state: InFlight };
    assert_eq!(saga.asks(other("z")), refused(why));
    assert_eq!(saga.asks(other("q")), refused(Refusal::NoSuchNode { node: "q".into() }));
}

#[test]
fn a_pivot_that_crashed_the_process_can_be_decided() {
    let mut saga = pivotal(1);
    saga.ok(&["do a"]);
    saga.taken_over([Event::Park { reason: "it crashes".into() }]);
    assert!(matches!(saga.finish, Some(Finish::Parked { .. })));
    assert_eq!(saga.claimed_for(decide(Decision::Succeeded(1.into()))), Answer::Done);
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_decision_does_not_show_its_output() {
    let shown = format!("{:?}", decide(Decision::Succeeded("secret".into())));
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn after_the_pivot_a_failure_is_stuck_and_can_be_retried() {
    let mut saga = pivotal(1);
    let retry = |node: &str| Command::Retry { node: node.into() };
    let not = |state| Refusal::NotFailed { node: "z".into(), state };
    assert_eq!(saga.asks(retry("z")), refused(not(Pending)));
    saga.ok(&["do a", "do p"]);
    saga.fails_for_now("do z");
    saga.wait();
    saga.fails_for_now("do z");
    saga.ended(Stuck);
    assert_eq!(saga.words()[saga.log.len() - 2..], ["z failed", "ended"]);
    assert_eq!((saga.state("a"), saga.state("z")), (Completed, Failed));
    assert_eq!(saga.machine.state().cause(), None);
    let done = |node: &str| Refusal::NotFailed { node: node.into(), state: Completed };
    assert_eq!(saga.claimed_for(retry("a")), Answer::Refused(done("a")));
    let unknown = Refusal::NoSuchNode { node: "q".into() };
    assert_eq!(saga.claimed_for(retry("q")), Answer::Refused(unknown));
    let ended = Refusal::AlreadyEnded { status: Stuck };
    assert_eq!(saga.claimed_for(cancel()), Answer::Refused(ended));
    // tries are counted anew
    assert_eq!(saga.claimed_for(retry("z")), Answer::Done);
    assert_eq!(saga.status(), Running);
    saga.fails_for_now("do z");
    saga.wait();
    assert_eq!(saga.call("do z").attempt, 4);
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn after_the_pivot_everything_that_can_run_does_before_the_saga_is_stuck() {
    let nodes = vec![
        action("p", Output),
        action("a", Output),
        node("xs", each(inline_action(Output))),
        action("b", Output),
    ];
    let all = Plan::new(nodes, &[(0, 1), (0, 2), (1, 3)]).with_pivot(0);
    let mut saga = Bench::with(Arc::new(all), None, &[("xs", 2)]);
    saga.ok(&["do p"]);
    saga.fails("do xs[1]");
    assert_eq!(saga.calls(), ["do a", "do xs[0]"]);
    saga.ok(&["do a", "do xs[0]", "do b"]);
    saga.ended(Stuck);
    let failed = saga.machine.state().nodes().into_iter().filter(|n| n.state == Failed);
    assert_eq!(failed.map(|n| n.path.to_string()).collect::<Vec<_>>(), ["xs[1]"]);
    assert_eq!(saga.claimed_for(Command::Retry { node: "xs[1]".into() }), Answer::Done);
    saga.ok(&["do xs[1]"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn after_the_pivot_a_choice_that_cannot_be_made_is_stuck_and_can_be_retried() {
    let nodes = vec![action("p", Output), node("xs", each(inline_action(Output)))];
    let all = Plan::new(nodes, &[(0, 1)]).with_pivot(0);
    let mut saga = Bench::with(Arc::new(all), None, &[("xs", 1)]);
    let vertex = saga.call("do p").vertex;
    let done = Event::ActionDone { vertex, result: ActionResult::Ok(Default::default()) };
    let effects = saga.machine.step(saga.now, done);
    let [Effect::Choose(vertex)] = effects[..] else { panic!("{effects:?}") };
    saga.feed([Event::Chosen { vertex, choice: Err(failure(true)) }]);
    assert_eq!(saga.finish, Some(Finish::Ended(Stuck)));
    assert_eq!(saga.claimed_for(Command::Retry { node: "xs".into() }), Answer::Done);
    saga.ok(&["do xs[0]"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_decided_pivot_is_not_retried() {
    let mut saga = pivotal(2);
    saga.ok(&["do a"]);
    saga.in_doubt("do p");
    saga.asks(Command::Pause);
    saga.wait();
    let (id, event) = saga.request(decide(Decision::Succeeded(1.into())));
    saga.feed([Event::Park { reason: "it crashes".into() }, event]);
    assert_eq!(saga.answers[&id], Answer::Done);
    assert_eq!(saga.asks(Command::Resume), DONE);
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_request_refused_at_once_leaves_no_log_entry() {
    let mut saga = pivotal(1);
    saga.ok(&["do a", "do p"]);
    let (before, appends) = (saga.log.clone(), saga.appends);
    let why = Refusal::PastPivot { pivot: "p".into() };
    assert_eq!(saga.asks(cancel()), refused(why));
    assert_eq!((&saga.log, saga.appends), (&before, appends));
    assert_eq!(saga.asks(Command::Resume), refused(Refusal::NotPaused));
    assert_eq!((&saga.log, saga.appends), (&before, appends));
}

#[test]
fn a_decision_replaces_the_retry_that_the_pivot_was_waiting_for() {
    let mut saga = pivotal(5);
    saga.ok(&["do a"]);
    saga.in_doubt("do p");
    // parked for another reason, such as an output that cannot be read
    saga.taken_over([Event::Park { reason: "unreadable".into() }]);
    assert_eq!(saga.claimed_for(decide(Decision::Failed)), Answer::Done);
    // the retry that was scheduled must not charge a card after somebody found out that it was not charged
    assert_eq!(saga.calls(), ["undo a"], "{:?}", saga.words());
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
}
