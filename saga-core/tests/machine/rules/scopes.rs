//! The bodies of `try`: a failure in one of them undoes it, and nothing else.

use super::*;

fn attempt(body: Arc<Plan>, otherwise: Option<Arc<Plan>>) -> PlanKind {
    PlanKind::Try { body, otherwise }
}

/// `a`, then a `try` of `taxi` and `seat` with this `else`, then `z`.
fn trip(otherwise: Option<Arc<Plan>>) -> Arc<Plan> {
    let ride = chain(vec![action("taxi", Output), action("seat", Output)]);
    let ride = node("ride", attempt(ride, otherwise));
    chain(vec![action("a", Output), ride, action("z", Output)])
}

#[test]
fn a_scope_that_succeeds_is_like_any_other_node() {
    let mut saga = Bench::new(trip(Some(inline_action(Output))));
    saga.ok(&["do a", "do ride#0/taxi", "do ride#0/seat", "do z"]);
    saga.ended(ENDED_WELL);
    assert!(saga.machine.state().resolve("ride#1").is_none(), "there is no `else` in the log");
    saga.claimed_for(Command::Rollback { reason: "torn down".into() });
    saga.ok(&["undo z", "undo ride#0/seat", "undo ride#0/taxi", "undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn a_scope_that_fails_is_undone_and_the_else_runs() {
    let mut saga = Bench::new(trip(Some(inline_action(Output))));
    saga.ok(&["do a", "do ride#0/taxi"]);
    saga.fails("do ride#0/seat");
    assert_eq!(saga.calls(), ["undo ride#0/taxi"]);
    assert_eq!((saga.status(), saga.state("ride")), (Running, ActionState::Undoing));
    saga.ok(&["undo ride#0/taxi"]);
    assert_eq!((saga.calls(), saga.state("ride")), (vec!["do ride#1"], InFlight));
    let words = saga.words();
    let end = ["ride#0/seat failed", "ride scope_unwinding", "ride#0/taxi undo_started"];
    let end = end.into_iter().chain(["ride#0/taxi undo_finished", "ride chosen", "ride#1 started"]);
    assert!(words.ends_with(&end.map(String::from).collect::<Vec<_>>()), "{words:?}");
    saga.ok(&["do ride#1", "do z"]);
    saga.ended(ENDED_WELL);
    assert_eq!(saga.state("ride#0/taxi"), Undone);
    saga.claimed_for(Command::Rollback { reason: "torn down".into() });
    saga.ok(&["undo z", "undo ride#1", "undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn without_an_else_the_node_completes_and_the_log_says_why() {
    let mut saga = Bench::new(trip(None));
    saga.ok(&["do a", "do ride#0/taxi"]);
    saga.fails("do ride#0/seat");
    saga.ok(&["undo ride#0/taxi"]);
    let state = saga.machine.state();
    let ride = state.resolve("ride").unwrap();
    let why = state.scope_failure(ride).expect("it failed");
    assert_eq!(why.to_string(), "node `ride#0/seat` failed: broken");
    assert_eq!((saga.calls(), saga.state("ride")), (vec!["do z"], Completed));
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn what_of_the_scope_never_began_is_skipped() {
    let mut saga = Bench::new(trip(Some(inline_action(NoUndo))));
    saga.ok(&["do a"]);
    saga.fails("do ride#0/taxi");
    assert_eq!(saga.calls(), ["do ride#1"]);
    assert_eq!(saga.state("ride#0/seat"), ActionState::Skipped);
    assert_eq!(saga.state("ride#0/taxi"), Failed);
}

#[test]
fn nodes_beside_the_scope_go_on() {
    let scope = plan(vec![action("s", Output), action("t", Output)], &[]);
    let inner = node("inner", attempt(scope, None));
    let mut saga =
        Bench::new(plan(vec![inner, action("b", Output), action("c", Output)], &[(1, 2)]));
    saga.ok(&["do inner#0/s"]);
    saga.fails("do inner#0/t");
    saga.ok(&["do b"]);
    assert_eq!(saga.calls(), ["undo inner#0/s", "do c"]);
    saga.ok(&["do c", "undo inner#0/s"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn actions_in_flight_are_told_and_dropped_after_a_while() {
    let scope = plan(vec![action("s", InputsOnly), action("t", Output)], &[]);
    let all = plan(vec![node("inner", attempt(scope, None)), action("b", Output)], &[]);
    let mut saga = Bench::new(all);
    saga.fails("do inner#0/t");
    assert_eq!(saga.said, ["cancel inner#0/s"]);
    assert_eq!(saga.calls(), ["do inner#0/s", "do b"]);
    saga.wait();
    assert_eq!(saga.said, ["cancel inner#0/s", "drop inner#0/s"]);
    assert_eq!(saga.calls(), ["do b", "undo inner#0/s"]);
    saga.ok(&["undo inner#0/s", "do b"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_call_in_doubt_is_repeated_where_the_undo_needs_its_output() {
    let mut saga = Bench::new(trip(Some(inline_action(Output))));
    saga.ok(&["do a", "do ride#0/taxi"]);
    saga.in_doubt("do ride#0/seat");
    assert_eq!(saga.calls(), ["redo ride#0/seat"]);
    saga.ok(&["redo ride#0/seat", "undo ride#0/seat", "undo ride#0/taxi"]);
    assert_eq!(saga.calls(), ["do ride#1"]);
}

#[test]
fn the_innermost_scope_is_undone() {
    let inner = chain(vec![action("s", Output), action("t", Output)]);
    let inner = node("inner", attempt(inner, Some(inline_action(Output))));
    let outer = chain(vec![action("a", Output), inner]);
    let mut saga =
        Bench::new(chain(vec![node("outer", attempt(outer, None)), action("z", NoUndo)]));
    saga.ok(&["do outer#0/a", "do outer#0/inner#0/s"]);
    saga.fails("do outer#0/inner#0/t");
    assert_eq!(saga.calls(), ["undo outer#0/inner#0/s"]);
    saga.ok(&["undo outer#0/inner#0/s"]);
    // the `else` stands in the outer scope only
    saga.fails("do outer#0/inner#1");
    assert_eq!(saga.calls(), ["undo outer#0/a"]);
    saga.ok(&["undo outer#0/a", "do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_scope_around_one_that_unwinds_takes_it_along() {
    let inner = chain(vec![action("s", Output), action("t", Output)]);
    let inner = node("inner", attempt(inner, Some(inline_action(Output))));
    let outer = plan(vec![inner, action("b", Output)], &[]);
    let mut saga =
        Bench::new(chain(vec![node("outer", attempt(outer, None)), action("z", NoUndo)]));
    saga.ok(&["do outer#0/inner#0/s"]);
    saga.fails("do outer#0/inner#0/t");
    saga.fails("do outer#0/b");
    assert_eq!(saga.calls(), ["undo outer#0/inner#0/s"]);
    saga.ok(&["undo outer#0/inner#0/s"]);
    assert_eq!(saga.calls(), ["do z"], "the inner `else` does not run");
}

#[test]
fn a_cancel_takes_a_scope_that_unwinds_along() {
    let mut saga = Bench::new(trip(Some(inline_action(Output))));
    saga.ok(&["do a", "do ride#0/taxi"]);
    saga.fails("do ride#0/seat");
    assert_eq!(saga.asks(cancel()), DONE);
    assert_eq!(saga.calls(), ["undo ride#0/taxi"]);
    saga.ok(&["undo ride#0/taxi", "undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn an_undo_of_the_scope_that_fails_for_good_fails_the_saga() {
    let mut saga = Bench::new(trip(Some(inline_action(Output))));
    saga.ok(&["do a", "do ride#0/taxi"]);
    saga.fails("do ride#0/seat");
    saga.undo_fails("undo ride#0/taxi", false);
    saga.ended(Stuck);
    let cause = Cause::Failed { node: "ride#0/seat".into() };
    assert_eq!(saga.machine.state().cause(), Some(&cause), "what began it all");
    let node = "ride#0/taxi".into();
    assert_eq!(saga.claimed_for(Command::RetryUndo { node }), Answer::Done);
    saga.ok(&["undo ride#0/taxi", "undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn behind_the_pivot_such_an_undo_waits_for_an_operator_and_the_saga_goes_on() {
    let ride = chain(vec![action("taxi", Output), action("seat", Output)]);
    let ride = node("ride", attempt(ride, Some(inline_action(Output))));
    let nodes = vec![action("p", NoUndo), ride, action("z", NoUndo)];
    let all = Arc::new(Plan::new(nodes, &[(0, 1), (1, 2)]).with_pivot(0));
    let mut saga = Bench::new(all);
    saga.ok(&["do p", "do ride#0/taxi"]);
    saga.fails("do ride#0/seat");
    saga.undo_fails("undo ride#0/taxi", false);
    saga.ended(Stuck);
    assert_eq!(saga.machine.state().cause(), None);
    let node = || "ride#0/seat".into();
    let why = Refusal::NotFailed { node: node(), state: Failed };
    assert_eq!(saga.claimed_for(Command::Retry { node: node() }), Answer::Refused(why));
    let node = "ride#0/taxi".into();
    assert_eq!(saga.claimed_for(Command::Resolve { node, note: "by hand".into() }), Answer::Done);
    saga.ok(&["do ride#1", "do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_crash_in_the_middle_of_it_changes_nothing() {
    let mut whole = Bench::new(trip(Some(inline_action(Output))));
    whole.ok(&["do a", "do ride#0/taxi"]);
    whole.fails("do ride#0/seat");
    whole.ok(&["undo ride#0/taxi", "do ride#1", "do z"]);
    for keep in 1..whole.log.len() {
        let mut saga = Bench::recovered(whole.plan.clone(), &whole.log[..keep]);
        while let Some(call) = saga.calls().first().map(ToString::to_string) {
            match call.as_str() {
                "do ride#0/seat" => saga.fails(&call),
                _ => saga.ok(&[&call]),
            }
        }
        saga.ended(ENDED_WELL);
        assert_eq!(saga.state("ride#1"), Completed);
    }
}

#[test]
fn one_call_at_a_time_undoes_in_reverse_and_lets_others_pass_a_retry() {
    let scope = chain(vec![tried("s", Output, 1, 2), action("t", Output), action("u", Output)]);
    let all = plan(vec![node("inner", attempt(scope, None)), action("b", Output)], &[]);
    let mut saga = Bench::with(all, Some(1), &[]);
    saga.ok(&["do inner#0/s", "do inner#0/t"]);
    saga.fails("do inner#0/u");
    assert_eq!(saga.calls(), ["undo inner#0/t"], "before what goes forward");
    saga.undo_fails("undo inner#0/t", true);
    assert_eq!(saga.calls(), ["do b"]);
    saga.ok(&["do b"]);
    saga.wait();
    saga.ok(&["undo inner#0/t", "undo inner#0/s"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn logs_of_scopes_that_make_no_sense_are_refused() {
    let mut saga = Bench::new(trip(Some(inline_action(Output))));
    saga.ok(&["do a", "do ride#0/taxi"]);
    saga.fails("do ride#0/seat");
    let at = saga.log.iter().position(|e| e.kind.name() == "scope_unwinding").unwrap();
    let fold = |at: usize, kind: EntryKind| {
        let mut log = saga.log[..=at].to_vec();
        log[at].kind = kind;
        SagaState::fold(saga.plan.clone(), &log).map(|_| ()).unwrap_err().to_string()
    };
    let early = fold(at, NodeEntry::Chosen(1).about("ride", 0));
    assert!(early.contains("illegal event chosen"), "{early}");
    let Some(NodeEntry::ScopeUnwinding(why)) = saga.log[at].node_entry() else {
        panic!("no scope")
    };
    let other = fold(at, NodeEntry::ScopeUnwinding(why.clone()).about("a", 0));
    assert!(other.contains("illegal event scope_unwinding"), "{other}");
    let twice = fold(at + 1, NodeEntry::ScopeUnwinding(why.clone()).about("ride", 0));
    assert!(twice.contains("illegal event scope_unwinding"), "{twice}");
}
