//! Permits for calls, which the sagas of one process share (§4).

use super::*;

fn slotted(plan: Arc<Plan>, max_concurrency: Option<usize>) -> Bench {
    let config = Config { permits: true, max_concurrency, ..Config::default() };
    Bench::configured(plan, config, &[])
}

#[test]
fn a_node_starts_when_it_is_granted_its_permit() {
    let mut saga = slotted(chain(actions(2, Output)), None);
    assert_eq!((saga.words(), saga.calls()), (vec!["created".into()], vec![]));
    assert_eq!(saga.wanting, ["n0"]);
    saga.grants("n0");
    assert_eq!(saga.words()[1..], ["n0 started"]);
    saga.ok(&["do n0"]);
    saga.grants("n1");
    saga.fails("do n1");
    assert_eq!((saga.calls(), saga.wanting.as_slice()), (vec![], &["n0".into()][..]));
    saga.grants("n0");
    saga.ok(&["undo n0"]);
    saga.ended(RolledBack);
    // every slot was used
    assert!(!saga.said.iter().any(|said| said.starts_with("free")));
}

#[test]
fn a_node_that_waits_for_a_permit_when_another_fails_never_starts() {
    let nodes = actions(3, InputsOnly).into_iter().map(undo_on_failure).collect();
    let mut saga = slotted(plan(nodes, &[]), None);
    assert_eq!(saga.wanting, ["n0", "n1", "n2"]);
    saga.grants("n1");
    saga.fails("do n1");
    assert_eq!(saga.said, ["free n0", "free n2"]);
    assert_eq!(saga.wanting, ["n1"]);
    // it crossed with the slot that was given back
    let n0 = saga.machine.state().resolve("n0").unwrap();
    saga.feed([Event::PermitGranted { vertex: n0 }]);
    saga.grants("n1");
    saga.ok(&["undo n1"]);
    saga.ended(RolledBack);
    assert!(!saga.words().iter().any(|w| w.starts_with("n0") || w.starts_with("n2")));
}

#[test]
fn a_permit_granted_together_with_a_failure_is_returned() {
    let mut saga = slotted(plan(actions(2, InputsOnly), &[]), None);
    saga.grants("n1");
    let vertex = saga.call("do n1").vertex;
    let (n0, fails) = (
        saga.machine.state().resolve("n0").unwrap(),
        Event::ActionDone { vertex, result: ActionResult::Failed(failure(false)) },
    );
    let effects =
        step_all(&mut saga.machine, saga.now, [Event::PermitGranted { vertex: n0 }, fails]);
    assert!(effects.contains(&Effect::ReleasePermit(n0)), "{effects:?}");
    assert_eq!(saga.node("n0").attempts, 0);
}

#[test]
fn pausing_parking_and_draining_return_permits() {
    let all = || plan(actions(2, Output), &[]);
    let mut saga = slotted(all(), None);
    saga.grants("n0");
    saga.asks(Command::Pause);
    assert_eq!(saga.said, ["free n1"]);
    // steps want one each
    assert_eq!(saga.asks(Command::Step), DONE);
    assert_eq!(saga.wanting, ["n1"]);
    assert_eq!(saga.asks(Command::Step), refused(Refusal::NothingToStart));
    saga.asks(Command::Resume);
    saga.grants("n1");
    saga.ok(&["do n0", "do n1"]);
    saga.ended(ENDED_WELL);

    let mut saga = slotted(all(), None);
    saga.feed([Event::Park { reason: "it crashes".into() }]);
    assert_eq!(saga.said, ["free n0", "free n1"]);
    assert!(matches!(saga.finish, Some(Finish::Parked { .. })));

    let mut saga = slotted(all(), None);
    saga.feed([Event::Drain]);
    assert_eq!((saga.said.len(), &saga.finish), (2, &Some(Finish::Drained)));
}

#[test]
fn with_concurrency_one_permits_keep_the_order() {
    let mut saga = slotted(plan(actions(3, Output), &[]), Some(1));
    for node in ["n0", "n1"] {
        assert_eq!(saga.wanting, [node]);
        saga.grants(node);
        assert_eq!(saga.wanting, [""; 0]);
        saga.ok(&[&format!("do {node}")]);
    }
    saga.grants("n2");
    saga.fails("do n2");
    for node in ["n1", "n0"] {
        assert_eq!(saga.wanting, [node]);
        saga.grants(node);
        saga.ok(&[&format!("undo {node}")]);
    }
    saga.ended(RolledBack);
}

#[test]
fn a_failed_append_returns_the_permits_of_calls_that_were_not_made() {
    let mut saga = slotted(plan(actions(3, Output), &[]), None);
    saga.grants("n0");
    let [n0, n1, n2] = ["n0", "n1", "n2"].map(|n| saga.machine.state().resolve(n).unwrap());
    let effects = saga.machine.step(saga.now, Event::PermitGranted { vertex: n1 });
    assert!(matches!(effects.as_slice(), [Effect::Append { .. }]), "{effects:?}");
    let effects = saga.machine.step(saga.now, Event::AppendFailed);
    let expected = [
        Effect::ReleasePermit(n1),
        Effect::ReleasePermit(n2),
        Effect::DropCall(n0),
        Effect::Finish(Finish::Failed),
    ];
    assert_eq!(effects, expected);
}

#[test]
fn a_retried_undo_comes_before_those_that_wait_for_a_permit() {
    let mut saga = slotted(plan(actions(3, Output), &[]), Some(1));
    for node in ["n0", "n1"] {
        saga.grants(node);
        saga.ok(&[&format!("do {node}")]);
    }
    saga.grants("n2");
    saga.fails("do n2");
    saga.grants("n1");
    saga.undo_fails("undo n1", false);
    assert_eq!(saga.wanting, ["n0"]);
    assert_eq!(saga.asks(Command::RetryAll), DONE);
    assert_eq!(
        (saga.said.as_slice(), saga.wanting.as_slice()),
        (&["free n0".into()][..], &["n1".into()][..])
    );
    saga.grants("n1");
    saga.ok(&["undo n1"]);
    saga.grants("n0");
    saga.ok(&["undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn a_step_that_waits_for_its_permit_ends_with_the_pause() {
    let mut saga = slotted(plan(actions(2, Output), &[]), None);
    saga.asks(Command::Pause);
    assert_eq!(saga.asks(Command::Step), DONE);
    assert_eq!(saga.wanting, ["n0"]);
    saga.asks(Command::Resume);
    assert_eq!(saga.wanting, ["n0", "n1"]);
    saga.asks(Command::Pause);
    assert_eq!(saga.wanting, [""; 0]);
}
