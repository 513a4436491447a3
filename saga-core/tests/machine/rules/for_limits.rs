//! How many instances of a `for` run at the same time (§4).

use super::*;

fn limited(body: Arc<Plan>, at_once: u32, width: u64) -> Bench {
    let xs = PlanKind::ForEach { body, concurrency: Some(at_once) };
    Bench::with(chain(vec![node("xs", xs), action("z", Output)]), None, &[("xs", width)])
}

#[test]
fn at_most_n_instances_run_at_once() {
    let mut saga = limited(inline_action(Output), 2, 5);
    assert_eq!(saga.calls(), ["do xs[0]", "do xs[1]"]);
    saga.ok(&["do xs[1]"]);
    assert_eq!(saga.calls(), ["do xs[0]", "do xs[2]"]);
    saga.crash_now();
    assert_eq!(saga.calls(), ["do xs[0]", "do xs[2]"]);
    saga.ok(&["do xs[0]", "do xs[2]", "do xs[3]"]);
    assert_eq!(saga.calls(), ["do xs[4]"]);
    saga.ok(&["do xs[4]", "do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn an_instance_keeps_its_place_until_all_its_nodes_have_completed() {
    let body = plan(actions(3, Output), &[(0, 1), (0, 2)]);
    let mut saga = limited(body, 1, 2);
    saga.ok(&["do xs[0]/n0", "do xs[0]/n2"]);
    assert_eq!(saga.calls(), ["do xs[0]/n1"]);
    saga.ok(&["do xs[0]/n1"]);
    assert_eq!(saga.calls(), ["do xs[1]/n0"]);
    saga.ok(&["do xs[1]/n0", "do xs[1]/n1", "do xs[1]/n2", "do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn an_instance_that_waits_for_a_retry_keeps_its_place() {
    let body = inline(tried("it", Output, 2, 1).kind);
    let mut saga = limited(body, 1, 2);
    saga.fails_for_now("do xs[0]");
    assert_eq!(saga.calls(), NO_CALLS);
    saga.wait();
    saga.ok(&["do xs[0]", "do xs[1]", "do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_nested_for_takes_one_place_of_the_outer_limit() {
    let inner = PlanKind::ForEach { body: inline_action(Output), concurrency: Some(1) };
    let all =
        chain(vec![node("xs", PlanKind::ForEach { body: inline(inner), concurrency: Some(2) })]);
    let choices = [("xs", 3), ("xs[0]", 2), ("xs[1]", 0), ("xs[2]", 1)];
    let mut saga = Bench::with(all, None, &choices);
    // the second has nothing to do, and its place goes to the third
    assert_eq!(saga.calls(), ["do xs[0][0]", "do xs[2][0]"]);
    saga.ok(&["do xs[0][0]", "do xs[0][1]", "do xs[2][0]"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn instances_that_never_started_are_not_undone() {
    let mut saga = limited(inline_action(InputsOnly), 2, 4);
    saga.ok(&["do xs[0]"]);
    saga.fails("do xs[1]");
    saga.ok(&["do xs[2]", "undo xs[2]", "undo xs[0]"]);
    saga.ended(RolledBack);
    assert_eq!(saga.node("xs[3]").attempts, 0);
}

#[test]
fn undos_are_not_limited() {
    let mut saga = limited(inline_action(Output), 1, 3);
    saga.ok(&["do xs[0]", "do xs[1]", "do xs[2]"]);
    saga.fails("do z");
    assert_eq!(saga.calls(), ["undo xs[2]", "undo xs[1]", "undo xs[0]"]);
}

#[test]
fn limits_above_the_width_and_of_zero() {
    let mut saga = limited(inline_action(Output), 9, 2);
    saga.ok(&["do xs[0]", "do xs[1]", "do z"]);
    saga.ended(ENDED_WELL);
    let mut saga = limited(inline_action(Output), 0, 2);
    saga.ok(&["do xs[0]", "do xs[1]", "do z"]);
    saga.ended(ENDED_WELL);
    let mut saga = limited(plan(vec![], &[]), 1, 3);
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}
