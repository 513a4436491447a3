//! Running forward (§4).

use super::*;

#[test]
fn with_concurrency_one_the_first_declared_runs_first() {
    let nodes = actions(5, Output);
    let mut saga = Bench::with(plan(nodes, &[(0, 3), (1, 2)]), Some(1), &[]);
    for i in [0, 1, 2, 3, 4] {
        assert_eq!(saga.calls(), [format!("do n{i}")]);
        saga.ok(&[&format!("do n{i}")]);
    }
    saga.ended(ENDED_WELL);
}

#[test]
fn with_concurrency_one_subsagas_follow_declaration_order_too() {
    // the instances of `xs` come into being after `y`, and are declared before it
    let body = plan(vec![node("xs", each(inline_action(Output))), action("y", Output)], &[]);
    let all = plan(vec![action("a", Output), node("sub", PlanKind::Subsaga(body))], &[(0, 1)]);
    let mut saga = Bench::with(all, Some(1), &[("sub/xs", 2)]);
    saga.ok(&["do a", "do sub/xs[0]", "do sub/xs[1]", "do sub/y"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn with_concurrency_one_a_later_node_of_an_earlier_subsaga_comes_first() {
    let (one, two) = (inline_action(Output), chain(vec![action("x", Output), action("y", Output)]));
    let subs = [("a", two), ("b", one)].map(|(name, body)| node(name, PlanKind::Subsaga(body)));
    let mut saga = Bench::with(plan(subs.into(), &[]), Some(1), &[]);
    saga.ok(&["do a/x"]);
    assert_eq!(saga.calls(), ["do a/y"], "and not the first node of b");
}

#[test]
fn the_width_of_a_for_is_chosen_once() {
    let all = chain(vec![
        action("a", Output),
        node("xs", each(inline_action(Output))),
        action("z", Output),
    ]);
    let mut saga = Bench::with(all, None, &[("xs", 3)]);
    saga.ok(&["do a", "do xs[1]"]);
    assert_eq!(saga.said, ["choose xs"]);
    saga.crash_now();
    assert_eq!(saga.said, [""; 0]);
    assert_eq!(saga.calls(), ["do xs[0]", "do xs[2]"]);
    saga.ok(&["do xs[0]", "do xs[2]", "do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_for_over_an_empty_list_completes() {
    let all = chain(vec![
        node("xs", each(inline_action(Output))),
        node("m", PlanKind::Choose(vec![inline_action(Output)])),
        action("z", Output),
    ]);
    let mut saga = Bench::with(all, None, &[("m", 1)]);
    assert_eq!(saga.words()[..3], ["created", "xs chosen", "m chosen"]);
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
    assert_eq!(saga.appends, 2);
}

#[test]
fn an_empty_body_completes_and_unwinds() {
    let nothing = || plan(vec![], &[]);
    let all = chain(vec![
        action("a", Output),
        node("sub", PlanKind::Subsaga(nothing())),
        node("xs", each(nothing())),
        node("m", PlanKind::Choose(vec![nothing()])),
        action("z", Output),
    ]);
    let mut saga = Bench::with(all, None, &[("xs", 2)]);
    saga.ok(&["do a"]);
    saga.fails("do z");
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn nested_subsagas_that_come_first_open_at_once() {
    let inner = || PlanKind::Subsaga(chain(vec![action("deep", Output)]));
    let sub = || PlanKind::Subsaga(plan(vec![node("in", inner())], &[]));
    let all = plan(vec![node("root", sub()), node("xs", each(inline(sub())))], &[]);
    let mut saga = Bench::with(all, None, &[("xs", 1)]);
    assert_eq!(saga.calls(), ["do root/in/deep", "do xs[0]/in/deep"]);
    saga.ok(&["do xs[0]/in/deep", "do root/in/deep"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_choice_of_no_arm_runs_nothing() {
    let arms = || PlanKind::Choose(vec![inline_action(Output), plan(actions(1, Output), &[])]);
    let mut saga = Bench::with(
        chain(vec![node("none", arms()), node("some", arms())]),
        None,
        &[("none", 9), ("some", 1)],
    );
    // the frame of `some` stands where that of `none` would
    let state = saga.machine.state();
    assert_eq!(state.resolve("none#1/n0"), None);
    assert_eq!(state.resolve("none#1"), None);
    assert!(state.resolve("some#1/n0").is_some());
    saga.ok(&["do some#1/n0"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_choice_that_cannot_be_made_unwinds() {
    let all = chain(vec![action("a", Output), node("m", PlanKind::Choose(vec![]))]);
    let mut saga = Bench::new(all);
    let a = saga.call("do a").vertex;
    let done = Event::ActionDone { vertex: a, result: ActionResult::Ok(Default::default()) };
    let effects = saga.machine.step(saga.now, done);
    let [Effect::Choose(vertex)] = effects.as_slice() else { panic!("{effects:?}") };
    let effects =
        saga.machine.step(saga.now, Event::Chosen { vertex: *vertex, choice: Err(failure(true)) });
    let [Effect::Append { entries: batch, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let names = batch.iter().map(|e| e.kind.name()).collect::<Vec<_>>();
    assert_eq!(names, ["succeeded", "failed", "unwinding", "undo_started"]);
    let unwinding = SagaEntry::Unwinding(Cause::Failed { node: "m".into() });
    assert_eq!(batch[2].kind, unwinding.into());
    assert_eq!(saga.state("m"), Failed);
    // the same, if the process dies between the two
    let torn = saga.log.iter().chain(&batch[..2]).cloned().collect::<Vec<_>>();
    let mut saga = Bench::recovered(saga.plan, &torn);
    assert_eq!(saga.calls(), ["undo a"]);
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
}
