//! Requests of operators to a saga that is running, paused, parked, or has ended (§6).

use super::*;

fn last(saga: &Bench, n: usize) -> Vec<String> {
    let words = saga.words();
    words[words.len() - n..].to_vec()
}

pub(super) fn rollback() -> Command {
    Command::Rollback { reason: "torn down".into() }
}

#[test]
fn a_cancel_unwinds() {
    let mut saga = Bench::new(chain(actions(3, Output)));
    saga.ok(&["do n0"]);
    assert_eq!(saga.asks(cancel()), DONE);
    assert_eq!(last(&saga, 2), ["requested", "unwinding"]);
    let cause = Cause::Cancelled { reason: "changed my mind".into() };
    assert_eq!(saga.machine.state().cause(), Some(&cause));
    assert_eq!((saga.said.as_slice(), saga.status()), (&["cancel".into()][..], SagaStatus::Failed));
    assert_eq!(saga.asks(cancel()), nothing(SagaStatus::Failed));
    saga.ok(&["do n1", "undo n1", "undo n0"]);
    saga.ended(RolledBack);
    assert_eq!(saga.state("n2"), Pending);
}

#[test]
fn a_cancel_costs_one_append() {
    let mut saga = Bench::new(chain(actions(2, InputsOnly)));
    saga.ok(&["do n0"]);
    let appends = saga.appends;
    saga.asks(cancel());
    assert_eq!(saga.appends, appends + 1);
    // one that changes nothing costs none
    saga.asks(cancel());
    assert_eq!(saga.appends, appends + 1);
}

#[test]
fn a_saga_can_be_cancelled_before_its_first_node() {
    let mut saga = Bench::off(chain(actions(1, Output)), Config::default(), &[]);
    let (id, event) = saga.request(cancel());
    saga.feed([Event::Created { run_key: Uuid::from_u128(1) }, event]);
    assert_eq!(saga.answers[&id], Answer::Done);
    assert_eq!(saga.words(), ["created", "requested", "unwinding", "ended"]);
    saga.ended(RolledBack);
}

#[test]
fn a_saga_that_has_ended_cannot_be_cancelled_or_paused() {
    let mut saga = Bench::new(chain(actions(1, Output)));
    saga.ok(&["do n0"]);
    let why = Refusal::AlreadyEnded { status: ENDED_WELL };
    for command in [cancel(), Command::Pause, inject("n0", Fault::Error)] {
        assert_eq!(saga.claimed_for(command), Answer::Refused(why.clone()));
        saga.ended(ENDED_WELL);
    }
    assert_eq!(saga.claimed_for(Command::Resume), Answer::Refused(Refusal::NotPaused));
    assert_eq!(saga.claimed_for(Command::Step), Answer::Refused(Refusal::NotPaused));
    assert_eq!(saga.claimed_for(Command::Unpark), Answer::Refused(Refusal::NotParked));
    assert_eq!(saga.claimed_for(Command::RetryAll), nothing(ENDED_WELL).unwrap());
    assert_eq!(saga.words().last().unwrap(), "ended");
}

pub(super) fn inject(node: &str, fault: Fault) -> Command {
    Command::Inject { node: node.into(), fault }
}

#[test]
fn a_paused_saga_starts_nothing_until_resumed() {
    let mut saga = Bench::new(plan(actions(4, Output), &[(0, 2), (1, 3)]));
    assert_eq!(saga.asks(Command::Resume), refused(Refusal::NotPaused));
    assert_eq!(saga.asks(Command::Pause), DONE);
    assert_eq!(last(&saga, 2), ["requested", "paused"]);
    assert_eq!(saga.asks(Command::Pause), nothing(Running));
    saga.ok(&["do n0"]);
    saga.crash_now();
    assert_eq!((saga.calls(), &saga.finish), (vec![], &None));
    assert!(saga.machine.state().is_paused());
    assert_eq!(saga.asks(Command::Resume), DONE);
    assert_eq!(saga.calls(), ["do n1", "do n2"]);
    saga.ok(&["do n1", "do n2", "do n3"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_pause_holds_undos_and_retries_without_spinning() {
    let nodes = [tried("a", InputsOnly, 2, 2), action("b", InputsOnly)].map(undo_on_failure);
    let mut saga = Bench::new(plan(nodes.into(), &[]));
    saga.fails_for_now("do a");
    assert_eq!(saga.asks(Command::Pause), DONE);
    saga.wait();
    assert_eq!((saga.calls(), saga.machine.wake_at()), (vec!["do b"], None));
    saga.fails("do b");
    assert_eq!((saga.calls(), saga.machine.wake_at()), (vec![], None));
    assert_eq!((&saga.finish, saga.status()), (&None, RollingBack));
    saga.asks(Command::Resume);
    saga.ok(&["undo b", "undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn a_paused_saga_can_be_cancelled_and_its_undos_wait() {
    let mut saga = Bench::new(chain(actions(2, Output)));
    saga.asks(Command::Pause);
    saga.ok(&["do n0"]);
    assert_eq!(saga.asks(cancel()), DONE);
    assert_eq!((saga.calls(), saga.status()), (vec![], RollingBack));
    saga.asks(Command::Resume);
    saga.ok(&["undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn a_step_starts_one_node_or_undo() {
    let mut saga = Bench::new(plan(actions(3, Output), &[]));
    assert_eq!(saga.asks(Command::Step), refused(Refusal::NotPaused));
    saga.asks(Command::Pause);
    assert_eq!(saga.asks(Command::Step), refused(Refusal::NothingToStart));
    let mut saga = Bench::new(plan(actions(4, Output), &[(0, 1), (0, 2), (0, 3)]));
    saga.asks(Command::Pause);
    saga.ok(&["do n0"]);
    assert_eq!(saga.asks(Command::Step), DONE);
    assert_eq!(last(&saga, 2), ["requested", "n1 started"]);
    assert_eq!(saga.calls(), ["do n1"]);
    assert_eq!(saga.asks(Command::Step), DONE);
    assert_eq!(saga.calls(), ["do n1", "do n2"]);
    saga.ok(&["do n1"]);
    saga.fails("do n2");
    assert_eq!(saga.calls(), NO_CALLS);
    assert_eq!(saga.asks(Command::Step), DONE);
    assert_eq!(saga.calls(), ["undo n1"]);
    saga.ok(&["undo n1"]);
    assert_eq!(saga.calls(), NO_CALLS);
    saga.asks(Command::Step);
    saga.ok(&["undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn a_step_survives_a_crash_and_ends_with_the_pause() {
    let mut saga = Bench::new(chain(actions(3, Output)));
    saga.asks(Command::Pause);
    saga.ok(&["do n0"]);
    saga.asks(Command::Step);
    assert_eq!(last(&saga, 2), ["requested", "n1 started"]);
    // `started` is not on disk
    saga.crash(saga.log.len() - 1);
    assert_eq!(saga.calls(), ["do n1"]);
    saga.ok(&["do n1"]);
    assert_eq!(saga.calls(), NO_CALLS);
    saga.asks(Command::Resume);
    saga.ok(&["do n2"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_crash_between_a_request_and_its_effect_is_repaired() {
    for (command, effect) in [(Command::Pause, "paused"), (cancel(), "unwinding")] {
        let mut saga = Bench::new(chain(actions(2, InputsOnly)));
        let (id, event) = saga.request(command);
        saga.feed([event.clone()]);
        let at = saga.words().iter().position(|w| w == "requested").unwrap();
        saga.answers.clear();
        saga.crash(at + 1);
        assert_eq!(saga.words()[at..at + 2], ["requested", effect]);
        assert_eq!(saga.answers[&id], Answer::Done);
        // asked again under its id, it is answered again and not done again
        saga.answers.clear();
        let length = saga.log.len();
        saga.feed([event]);
        assert_eq!((saga.answers.get(&id), saga.log.len()), (Some(&Answer::Done), length));
    }
}

#[test]
fn an_answer_waits_until_what_it_reports_is_durable() {
    let mut saga = Bench::new(chain(actions(1, Output)));
    let vertex = saga.call("do n0").vertex;
    let done = Event::ActionDone { vertex, result: ActionResult::Failed(failure(false)) };
    let (id, event) = saga.request(cancel());
    let effects = step_all(&mut saga.machine, saga.now, [done, event]);
    let [Effect::Append { entries, answers }] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(!entries.iter().any(|e| e.kind.name() == "requested"));
    assert_eq!(answers.as_slice(), [(id, Answer::NothingToDo { status: RollingBack })]);
}

#[test]
fn a_completed_saga_can_be_rolled_back() {
    let mut saga = Bench::new(chain(actions(2, Output)));
    saga.ok(&["do n0"]);
    assert_eq!(saga.asks(rollback()), refused(Refusal::NotEnded { status: Running }));
    saga.ok(&["do n1"]);
    saga.ended(ENDED_WELL);
    assert_eq!(saga.claimed_for(rollback()), Answer::Done);
    assert_eq!(last(&saga, 3), ["requested", "unwinding", "n1 undo_started"]);
    assert_eq!(saga.machine.state().cause(), Some(&Cause::Rollback { reason: "torn down".into() }));
    saga.crash_now();
    saga.ok(&["undo n1", "undo n0"]);
    saga.ended(RolledBack);
    assert_eq!(saga.claimed_for(rollback()), nothing(RolledBack).unwrap());
    saga.ended(RolledBack);
}

#[test]
fn a_saga_that_ended_while_it_was_paused_is_rolled_back_without_steps() {
    let mut saga = Bench::new(chain(actions(1, Output)));
    saga.asks(Command::Pause);
    saga.ok(&["do n0"]);
    saga.ended(ENDED_WELL);
    assert_eq!(saga.claimed_for(rollback()), Answer::Done);
    saga.ok(&["undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn a_parked_saga_records_calls_in_flight_and_nothing_else() {
    let mut saga = Bench::new(chain(actions(3, Output)));
    saga.ok(&["do n0"]);
    assert_eq!(saga.asks(Command::Unpark), refused(Refusal::NotParked));
    saga.feed([Event::Park { reason: "it crashes".into() }]);
    assert_eq!((last(&saga, 1), saga.calls()), (vec!["parked".into()], vec!["do n1"]));
    saga.feed([Event::Park { reason: "again".into() }]);
    saga.ok(&["do n1"]);
    assert_eq!(last(&saga, 2), ["parked", "n1 succeeded"]);
    let parked = Some(Finish::Parked { reason: "it crashes".into() });
    assert_eq!((saga.calls(), &saga.finish), (vec![], &parked));
    saga.crash_now();
    assert_eq!((&saga.finish, saga.appends), (&parked, 0));
    assert_eq!(saga.machine.state().parked(), Some("it crashes"));
    assert_eq!(saga.claimed_for(Command::Unpark), Answer::Done);
    assert_eq!(last(&saga, 3), ["requested", "unparked", "n2 started"]);
    saga.ok(&["do n2"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_parked_saga_records_decisions_and_stays_parked() {
    let mut saga = Bench::new(chain(actions(2, Output)));
    saga.ok(&["do n0"]);
    saga.feed([Event::Park { reason: "it crashes".into() }]);
    saga.ok(&["do n1"]);
    let parked = Some(Finish::Parked { reason: "it crashes".into() });
    assert_eq!(saga.claimed_for(Command::Pause), Answer::Done);
    assert_eq!((saga.calls(), &saga.finish), (vec![], &parked));
    assert_eq!(saga.claimed_for(Command::Step), Answer::Refused(Refusal::NothingToStart));
    // paused, but no longer parked
    assert_eq!(saga.claimed_for(cancel()), Answer::Done);
    assert_eq!((saga.calls(), &saga.finish, saga.machine.wake_at()), (vec![], &None, None));
    saga.asks(Command::Resume);
    saga.ok(&["undo n1", "undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn a_parked_saga_unwinds_when_it_is_cancelled() {
    let parked = || {
        let mut saga = Bench::new(chain(actions(2, Output)));
        saga.ok(&["do n0"]);
        saga.taken_over([Event::Park { reason: "it crashes".into() }]);
        saga
    };
    let mut saga = parked();
    let length = saga.log.len();
    assert_eq!(saga.claimed_for(cancel()), Answer::Done);
    let batch = ["requested", "unparked", "unwinding", "n1 started"];
    assert_eq!(saga.words()[length..], batch);
    saga.ok(&["redo n1", "undo n1", "undo n0"]);
    saga.ended(RolledBack);
    // torn by a crash, it is carried out all the same
    for keep in 1..batch.len() {
        let mut saga = parked();
        saga.claimed_for(cancel());
        saga.answers.clear();
        saga.crash(length + keep);
        saga.ok(&["redo n1", "undo n1", "undo n0"]);
        saga.ended(RolledBack);
    }
}

#[test]
fn a_cancel_resumes_a_saga_that_was_parked_while_unwinding() {
    let parked = || {
        let mut saga = Bench::new(chain(actions(2, Output)));
        saga.ok(&["do n0"]);
        saga.fails("do n1");
        saga.taken_over([Event::Park { reason: "it crashes".into() }]);
        saga
    };
    let mut saga = parked();
    let length = saga.log.len();
    assert_eq!(saga.claimed_for(cancel()), Answer::Done);
    assert_eq!(saga.words()[length..], ["requested", "unparked", "n0 undo_started"]);
    // it unwinds for what it unwound for
    assert_eq!(saga.machine.state().cause(), Some(&Cause::Failed { node: "n1".into() }));
    saga.ok(&["undo n0"]);
    saga.ended(RolledBack);
    for keep in 1..=2 {
        let mut saga = parked();
        saga.claimed_for(cancel());
        saga.answers.clear();
        saga.crash(length + keep);
        saga.ok(&["undo n0"]);
        saga.ended(RolledBack);
    }
}

#[test]
fn a_parked_saga_can_be_given_another_output_and_stays_parked() {
    let decide = |node: &str, decision| Command::Decide {
        node: node.into(),
        decision,
        note: "converted".into(),
    };
    let other = || decide("n0", Decision::Succeeded("another".into()));
    let mut saga = Bench::new(chain(actions(2, Output)));
    saga.ok(&["do n0"]);
    let running = refused(Refusal::NotInDoubt { node: "n0".into(), state: Completed });
    assert_eq!(saga.asks(other()), running);
    saga.taken_over([Event::Park { reason: "nobody can read it".into() }]);
    let length = saga.log.len();
    assert_eq!(Some(saga.claimed_for(decide("n0", Decision::Failed))), running);
    assert_eq!(saga.claimed_for(other()), Answer::Done);
    assert_eq!(saga.words()[length..], ["requested", "n0 succeeded"]);
    assert!(matches!(saga.finish, Some(Finish::Parked { .. })));
    // torn by a crash, it is carried out
    saga.answers.clear();
    saga.crash(length + 1);
    assert_eq!(saga.words()[length..], ["requested", "n0 succeeded"]);
    assert_eq!(saga.claimed_for(cancel()), Answer::Done);
    saga.ok(&["redo n1", "undo n1", "undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn timers_of_a_parked_saga_do_not_spin() {
    let mut saga = Bench::new(plan(vec![tried("a", Output, 2, 1), action("b", Output)], &[]));
    saga.fails_for_now("do a");
    saga.feed([Event::Park { reason: "it crashes".into() }]);
    assert_eq!(saga.machine.wake_at(), None);
    saga.wait();
    assert_eq!((saga.calls(), saga.machine.wake_at()), (vec!["do b"], None));
    saga.ok(&["do b"]);
    assert!(matches!(saga.finish, Some(Finish::Parked { .. })));
    saga.claimed_for(Command::Unpark);
    saga.ok(&["do a"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_park_that_crosses_the_end_is_ignored() {
    let mut saga = Bench::new(chain(actions(1, Output)));
    let vertex = saga.call("do n0").vertex;
    let done = Event::ActionDone { vertex, result: ActionResult::Ok(Default::default()) };
    let effects = saga.machine.step(saga.now, done);
    assert!(matches!(effects.as_slice(), [Effect::Append { .. }]));
    assert_eq!(saga.machine.step(saga.now, Event::Park { reason: "late".into() }), []);
    let effects = saga.machine.step(saga.now, Event::Appended);
    assert_eq!(effects, [Effect::Finish(Finish::Ended(ENDED_WELL))]);
}

#[test]
fn a_recorded_choice_can_be_compared_after_a_crash() {
    let nodes = vec![
        node("xs", each(inline_action(Output))),
        node("m", PlanKind::Choose(vec![inline_action(Output)])),
        node("none", PlanKind::Choose(vec![])),
        node("sub", PlanKind::Subsaga(plan(actions(1, Output), &[]))),
        action("a", Output),
        node("later", each(inline_action(Output))),
    ];
    let choices = [("xs", 3), ("m", 0), ("none", 7)];
    let mut saga = Bench::with(plan(nodes, &[(4, 5)]), None, &choices);
    saga.crash_now();
    let state = saga.machine.state();
    let chosen = state.chosen().map(|(v, n)| (state.path(v).to_string(), n)).collect::<Vec<_>>();
    let expected = [("xs", 3), ("m", 0), ("none", 7)].map(|(path, n)| (path.to_string(), n));
    assert_eq!(chosen, expected);
    // these are the vertices that the machine asked about
    assert!(state.chosen().all(|(v, _)| state.place(v).is_some_and(|(_, _, gate)| gate)));
}
