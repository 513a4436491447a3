//! The deadline (§6).

use super::*;

fn due_in(plan: Arc<Plan>, millis: u64) -> Bench {
    // a bench begins at 1000
    let config = Config { deadline: Some(Timestamp(1000 + millis)), ..Config::default() };
    Bench::configured(plan, config, &[])
}

#[test]
fn a_deadline_that_passes_unwinds() {
    let mut saga = due_in(chain(actions(2, Output)), 500);
    saga.ok(&["do n0"]);
    assert_eq!(saga.wake, Some(Timestamp(1500)));
    saga.wait();
    assert_eq!(saga.machine.state().cause(), Some(&Cause::DeadlineExceeded));
    assert_eq!((saga.status(), saga.said.as_slice()), (SagaStatus::Failed, &["cancel".into()][..]));
    saga.ok(&["do n1", "undo n1", "undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn a_deadline_in_the_past_unwinds_at_once() {
    let config = Config { deadline: Some(Timestamp(1)), ..Config::default() };
    let saga = Bench::configured(chain(actions(2, Output)), config, &[]);
    assert_eq!(saga.words(), ["created", "unwinding", "ended"]);
    saga.ended(RolledBack);
}

#[test]
fn a_deadline_passes_while_no_process_runs_the_saga() {
    let mut saga = due_in(chain(actions(2, InputsOnly)), 500);
    saga.now = Timestamp(2000);
    saga.crash_now();
    assert_eq!(saga.calls(), ["undo n0"]);
    saga.ok(&["undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn a_deadline_passes_while_the_saga_is_paused_and_its_process_has_died() {
    let mut saga = due_in(chain(actions(2, InputsOnly)), 500);
    saga.asks(Command::Pause);
    saga.crash_now();
    assert_eq!((saga.status(), saga.calls()), (SagaStatus::Running, vec![]));
    saga.wait();
    // as without the crash: nothing is in flight, and nothing is undone before the pause is over
    assert_eq!((saga.status(), saga.calls()), (RollingBack, vec![]));
    assert!(saga.node("n0").in_doubt);
    saga.asks(Command::Resume);
    saga.ok(&["undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn a_deadline_passes_while_the_saga_is_paused() {
    let mut saga = due_in(chain(actions(2, Output)), 500);
    saga.asks(Command::Pause);
    saga.ok(&["do n0"]);
    saga.wait();
    assert_eq!((saga.status(), saga.calls()), (RollingBack, vec![]));
    assert_eq!(saga.machine.wake_at(), None);
    saga.asks(Command::Resume);
    saga.ok(&["undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn the_deadline_of_a_parked_saga_passes_when_it_is_unparked() {
    let parked = || {
        let mut saga = due_in(chain(actions(2, Output)), 500);
        saga.ok(&["do n0"]);
        saga.taken_over([Event::Park { reason: "it crashes".into() }]);
        assert_eq!(saga.machine.wake_at(), None);
        saga.now = Timestamp(9000);
        // somebody looks in: nothing happens
        assert_eq!(saga.claimed_for(Command::Resume), Answer::Refused(Refusal::NotPaused));
        assert_eq!((saga.words().last().unwrap().as_str(), saga.status()), ("parked", Running));
        saga
    };
    let mut saga = parked();
    assert_eq!(saga.claimed_for(Command::Unpark), Answer::Done);
    assert_eq!(saga.machine.state().cause(), Some(&Cause::DeadlineExceeded));
    let words = saga.words();
    assert_eq!(words[words.len() - 4..], ["requested", "unparked", "unwinding", "n1 started"]);
    let mut saga = parked();
    saga.claimed_for(cancel());
    assert!(matches!(saga.machine.state().cause(), Some(Cause::Cancelled { .. })));
}

#[test]
fn a_saga_that_unwinds_or_has_ended_ignores_its_deadline() {
    let mut saga = due_in(chain(actions(2, Output)), 500);
    saga.ok(&["do n0"]);
    saga.fails("do n1");
    assert_eq!(saga.machine.wake_at(), None);
    saga.now = Timestamp(9000);
    saga.ok(&["undo n0"]);
    saga.ended(RolledBack);
    assert_eq!(saga.machine.state().cause(), Some(&Cause::Failed { node: "n1".into() }));
    // the last action comes back late: there is nothing left that would be in time
    let mut saga = due_in(chain(actions(1, Output)), 500);
    saga.now = Timestamp(9000);
    saga.ok(&["do n0"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_deadline_is_held_while_the_pivot_is_open() {
    let mut saga = due_in(pivotal_plan(2), 500);
    saga.ok(&["do a"]);
    assert_eq!(saga.machine.wake_at(), None);
    saga.now = Timestamp(9000);
    saga.feed([Event::Tick]);
    assert_eq!((saga.status(), saga.calls()), (Running, vec!["do p"]));
    // it fails, with tries left
    saga.fails_for_now("do p");
    assert_eq!(saga.machine.state().cause(), Some(&Cause::DeadlineExceeded));
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn after_the_pivot_a_deadline_is_only_reported() {
    let mut saga = due_in(pivotal_plan(1), 500);
    saga.ok(&["do a", "do p"]);
    assert_eq!(saga.machine.wake_at(), Some(Timestamp(1500)));
    saga.now = Timestamp(9000);
    let told = saga.machine.step(saga.now, Event::Tick);
    assert_eq!(told, [Effect::Overdue]);
    // once
    assert_eq!(saga.machine.step(saga.now, Event::Tick), []);
    assert_eq!((saga.machine.wake_at(), saga.status()), (None, Running));
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}
