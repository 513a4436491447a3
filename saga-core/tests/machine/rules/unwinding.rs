//! The decision to unwind while calls are in flight (§2, §5).

use super::*;

#[test]
fn no_node_starts_after_a_failure() {
    let nodes = vec![
        action("a", Output),
        tried("b", Output, 9, 1),
        action("c", Output),
        action("d", Output),
    ];
    let mut saga = Bench::new(plan(nodes, &[(0, 3)]));
    saga.fails("do c");
    assert_eq!((saga.status(), saga.said.as_slice()), (SagaStatus::Failed, &["cancel".into()][..]));
    saga.fails_for_now("do b");
    assert_eq!(saga.calls(), ["do a"]);
    saga.ok(&["do a"]);
    assert_eq!(saga.calls(), ["undo a"]);
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
    assert_eq!(saga.node("b").attempts, 1);
}

#[test]
fn a_node_that_waits_for_a_permit_is_neither_started_nor_undone() {
    let mut saga = Bench::with(plan(actions(3, InputsOnly), &[]), Some(1), &[]);
    saga.fails("do n0");
    saga.ended(RolledBack);
    assert!(!saga.words().iter().any(|w| w.starts_with("n1") || w.starts_with("n2")));
}

#[test]
fn an_action_that_never_returns_is_abandoned_and_in_doubt() {
    let mut saga = Bench::new(plan(actions(3, Output), &[]));
    let started = saga.now;
    saga.ok(&["do n2"]);
    saga.fails("do n0");
    assert_eq!(saga.calls(), ["do n1", "undo n2"]);
    saga.ok(&["undo n2"]);
    assert_eq!(saga.wake, Some(Timestamp(started.0 + 30_000)));
    saga.wait();
    assert_eq!(saga.said, ["cancel", "drop n1"]);
    assert_eq!(saga.calls(), ["redo n1"]);
    assert_eq!(saga.status(), RollingBack);
    // nobody waits for calls that run now
    assert_eq!(saga.machine.wake_at(), None);
    saga.ok(&["redo n1", "undo n1"]);
    saga.ended(RolledBack);
}

#[test]
fn no_call_is_abandoned_before_unwinding_is_durable() {
    let config =
        Config { max_concurrency: None, abandon_after: Duration::ZERO, ..Config::default() };
    let mut saga = Bench::configured(plan(actions(2, InputsOnly), &[]), config, &[]);
    let (n0, n1) = (saga.call("do n0").vertex, saga.call("do n1").vertex);
    let fails = Event::ActionDone { vertex: n0, result: ActionResult::Failed(failure(false)) };
    let effects = saga.machine.step(saga.now, fails);
    assert!(matches!(effects.as_slice(), [Effect::Append { .. }]), "{effects:?}");
    let effects = saga.machine.step(saga.now, Event::Appended);
    assert_eq!(effects[0], Effect::SignalCancel);
    assert!(effects.contains(&Effect::DropCall(n1)));
}

#[test]
fn a_call_that_came_back_is_neither_abandoned_nor_waited_for() {
    let mut saga = Bench::new(plan(actions(2, Output), &[]));
    saga.fails("do n0");
    let vertex = saga.call("do n1").vertex;
    saga.now.0 += 30_000;
    let done = Event::ActionDone { vertex, result: ActionResult::Ok(Default::default()) };
    saga.feed([Event::Tick, done]);
    assert_eq!(saga.words().last().unwrap(), "n1 undo_started");
    assert!(!saga.said.contains(&"drop n1".to_string()));
    assert_eq!(saga.machine.wake_at(), None);
}

#[test]
fn a_pending_retry_is_dropped_when_another_node_fails() {
    let all = [(Output, false), (Output, true), (InputsOnly, false), (InputsOnly, true)];
    for (undo, in_doubt) in all {
        let all = plan(vec![tried("n", undo, 3, 1), action("other", NoUndo)], &[]);
        let mut saga = Bench::new(all);
        if in_doubt {
            saga.in_doubt("do n")
        } else {
            saga.fails_for_now("do n")
        }
        saga.fails("do other");
        match (undo, in_doubt) {
            (_, false) => {}
            (Output, true) => saga.ok(&["redo n", "undo n"]),
            _ => saga.ok(&["undo n"]),
        }
        saga.ended(RolledBack);
    }
}

#[test]
fn a_pending_retry_does_not_delay_unwinding() {
    let nodes = vec![
        undo_on_failure(tried("n", InputsOnly, 3, 1)),
        undo_on_failure(action("other", InputsOnly)),
    ];
    let mut saga = Bench::with(plan(nodes, &[]), Some(1), &[]);
    saga.fails_for_now("do n");
    saga.fails("do other");
    saga.ok(&["undo other", "undo n"]);
    saga.ended(RolledBack);
}
