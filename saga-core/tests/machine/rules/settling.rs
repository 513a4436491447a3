//! Sagas that first have to find out how their calls have ended, before they go on under another version.

use saga_core::machine::Ineligible;

use super::migration::{migrate, names, same};
use super::*;

#[test]
fn a_saga_with_a_call_in_doubt_settles_first() {
    let nodes = vec![
        tried("a", Output, 3, 1),
        tried("b", Output, 3, 1),
        action("c", Output),
        action("d", Output),
    ];
    let mut saga = Bench::new(plan(nodes.clone(), &[(1, 2), (2, 3)]));
    saga.in_doubt("do a");
    saga.ok(&["do b"]);
    let to = plan(nodes, &[(1, 2)]);
    let all = [same(0), same(1), same(2), same(3)];
    saga.crash_now();
    assert_eq!(migrate(&mut saga, &to, &all), Err(Ineligible::InDoubt { node: "a".into() }));
    // the process that takes it over finds out how those ended, and begins nothing else
    saga.recover();
    saga.machine.settle();
    saga.feed([Event::Recovered]);
    assert_eq!(saga.calls(), ["do c"]);
    saga.ok(&["do c"]);
    assert_eq!(saga.calls(), NO_CALLS);
    saga.wait();
    assert_eq!(saga.calls(), ["do a"]);
    saga.in_doubt("do a");
    assert_eq!(saga.finish, None);
    saga.wait();
    saga.ok(&["do a"]);
    assert_eq!(saga.finish, Some(Finish::Settled));
    migrate(&mut saga, &to, &all).unwrap();
    saga.ok(&["do d"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_saga_that_fails_while_it_settles_goes_back_with_the_old_version() {
    let mut saga = Bench::new(plan(actions(2, InputsOnly), &[]));
    saga.ok(&["do n0"]);
    saga.recover();
    saga.machine.settle();
    saga.feed([Event::Recovered]);
    saga.fails("do n1");
    assert_eq!(saga.finish, None);
    let to = plan(actions(2, InputsOnly), &[(0, 1)]);
    assert_eq!(migrate(&mut saga, &to, &[same(0), same(1)]), Err(Ineligible::RollingBack));
    saga.ok(&["undo n0", "undo n1"]);
    saga.ended(RolledBack);
}

#[test]
fn a_saga_that_is_told_to_drain_while_it_settles_drains() {
    let mut saga = Bench::new(plan(actions(2, InputsOnly), &[]));
    saga.recover();
    saga.machine.settle();
    saga.feed([Event::Recovered, Event::Drain]);
    assert_eq!(saga.finish, Some(Finish::Drained));
}

#[test]
fn a_pivot_that_succeeds_while_its_saga_settles_leaves_the_rest_to_the_old_version() {
    let mut saga = pivotal(2);
    saga.ok(&["do a"]);
    saga.crash_now();
    saga.recover();
    saga.machine.settle();
    saga.feed([Event::Recovered]);
    saga.ok(&["do p"]);
    assert_eq!((saga.finish.clone(), saga.calls()), (Some(Finish::Settled), NO_CALLS.to_vec()));
    let to = names(&["a", "p", "z"]);
    let past = Ineligible::PastPivot { pivot: "p".into() };
    assert_eq!(migrate(&mut saga, &to, &[same(0), same(1), same(2)]), Err(past));
    saga.crash_now();
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}

/// Two nodes side by side: one in doubt, which is tried for ever and succeeds only after the other, and that one, which waits for
/// its retry.
fn needs_its_neighbour() -> Bench {
    let mut needy = tried("a", Output, 1, 1);
    if let PlanKind::Action(policy) = &mut needy.kind {
        policy.retry = Retry::forever();
    }
    let nodes = vec![needy, tried("b", Output, 3, 1), action("c", Output), action("d", Output)];
    let mut saga = Bench::new(plan(nodes, &[(1, 2), (0, 3)]));
    saga.in_doubt("do a");
    saga.fails_for_now("do b");
    saga.recover();
    saga.machine.settle();
    saga.feed([Event::Recovered]);
    saga
}

#[test]
fn a_saga_that_cannot_settle_alone_goes_on_with_the_old_version() {
    let mut saga = needs_its_neighbour();
    let start = saga.now.0;
    // at first it starts nothing else
    while !saga.calls().contains(&"do b") {
        saga.wait();
        if saga.calls().contains(&"do a") {
            saga.fails_for_now("do a");
        }
        assert!(saga.now.0 <= start + 30_000, "it waits until {}", saga.now.0);
    }
    assert_eq!(saga.now.0, start + 30_000);
    saga.ok(&["do b", "do c"]);
    saga.wait();
    // and as soon as it is known how all calls have ended, nothing new begins
    saga.ok(&["do a"]);
    assert_eq!((saga.finish.clone(), saga.calls()), (Some(Finish::Settled), NO_CALLS.to_vec()));
    let to = plan(saga.plan.nodes().to_vec(), &[(1, 2), (0, 3), (2, 3)]);
    migrate(&mut saga, &to, &[same(0), same(1), same(2), same(3)]).unwrap();
    saga.ok(&["do d"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_call_that_does_not_return_does_not_keep_others_waiting_for_ever() {
    let mut saga = needs_its_neighbour();
    saga.wait();
    assert_eq!(saga.calls(), ["do a"]);
    saga.wait();
    assert_eq!(saga.calls(), ["do a", "do b"]);
    // it fails, and the old version undoes what it has done
    saga.fails("do b");
    saga.ok(&["do a"]);
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn a_list_is_not_evaluated_before_another_version_goes_on() {
    let mut saga = needs_its_neighbour();
    let xs = node("xs", each(inline_action(Output)));
    let (a, b) = (saga.plan.nodes()[0].clone(), saga.plan.nodes()[1].clone());
    saga.plan = plan(vec![a, b, xs], &[(0, 2)]);
    saga.recover();
    saga.machine.settle();
    saga.feed([Event::Recovered]);
    while !saga.calls().contains(&"do b") {
        saga.wait();
    }
    saga.ok(&["do b", "do a"]);
    assert_eq!((saga.finish.clone(), saga.said.len()), (Some(Finish::Settled), 0));
}
