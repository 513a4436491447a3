//! The order of undos (§5).

use super::*;

#[test]
fn an_undo_waits_through_a_node_without_undo() {
    let all = chain(vec![
        action("a", Output),
        action("b", NoUndo),
        action("c", Output),
        action("d", Output),
    ]);
    let mut saga = Bench::new(all);
    saga.ok(&["do a", "do b", "do c"]);
    saga.fails("do d");
    assert_eq!(saga.calls(), ["undo c"]);
    saga.ok(&["undo c", "undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn an_undo_waits_through_a_skipped_node() {
    let all = chain(vec![
        action("a", Output),
        node("b", PlanKind::Choose(vec![])),
        action("c", Output),
        action("d", Output),
    ]);
    let mut saga = Bench::new(all);
    saga.ok(&["do a", "do c"]);
    saga.fails("do d");
    assert_eq!(saga.calls(), ["undo c"]);
    saga.ok(&["undo c", "undo a"]);
    saga.ended(RolledBack);

    // and an action with a `skipped` entry of its own
    let all = chain(vec![action("a", Output), action("b", Output), action("c", Output)]);
    let mut saga = Bench::new(all.clone());
    saga.ok(&["do a"]);
    let mut log = saga.log[..3].to_vec();
    log.push(Entry { kind: NodeEntry::Skipped.about("b", 0), seq: 4, ..log[2].clone() });
    let mut saga = Bench::recovered(all, &log);
    saga.in_doubt("do c");
    assert_eq!(saga.calls(), ["redo c"]);
    saga.ok(&["redo c"]);
    assert_eq!(saga.calls(), ["undo c"]);
    saga.ok(&["undo c", "undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn independent_undos_run_in_parallel_and_a_failed_one_blocks_its_ancestors() {
    let nodes =
        vec![action("a", Output), action("b", Output), action("c", Output), action("z", Output)];
    let mut saga = Bench::new(plan(nodes, &[(0, 1), (0, 2), (1, 3), (2, 3)]));
    saga.ok(&["do a", "do b", "do c"]);
    saga.fails("do z");
    assert_eq!(saga.calls(), ["undo c", "undo b"]);
    saga.undo_fails("undo b", false);
    saga.ok(&["undo c"]);
    saga.ended(Stuck);
    let states = ["a", "b", "c"].map(|n| saga.state(n));
    assert_eq!(states, [Completed, UndoFailed, Undone]);
}

#[test]
fn an_undo_is_retried_and_the_wait_survives_a_crash() {
    let mut saga = row(Output, |saga| saga.ok(&["do n"]));
    saga.undo_fails("undo n", true);
    assert_eq!(saga.calls(), NO_CALLS);
    let wake = saga.wake;
    saga.crash_now();
    assert_eq!((saga.calls(), saga.wake), (vec![], wake));
    saga.wait();
    assert_eq!(saga.call("undo n").attempt, 2);
    saga.undo_fails("undo n", true);
    saga.ended(Stuck);
}

#[test]
fn with_concurrency_one_undos_run_in_exact_reverse() {
    let mut saga = Bench::with(plan(actions(4, Output), &[]), Some(1), &[]);
    saga.ok(&["do n0", "do n1", "do n2"]);
    saga.fails("do n3");
    saga.ok(&["undo n2"]);
    // also while the one whose turn it is waits for its next try
    saga.undo_fails("undo n1", true);
    assert_eq!(saga.calls(), NO_CALLS);
    saga.crash_now();
    assert_eq!(saga.calls(), NO_CALLS);
    saga.wait();
    saga.ok(&["undo n1", "undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn a_failed_instance_of_a_for_undoes_the_other_instances() {
    let all = chain(vec![node("xs", each(inline_action(Output))), action("after", Output)]);
    let mut saga = Bench::with(all, None, &[("xs", 8)]);
    let others = [0, 1, 2, 3, 4, 6, 7];
    for i in others {
        saga.ok(&[&format!("do xs[{i}]")]);
    }
    saga.fails("do xs[5]");
    for i in others {
        saga.ok(&[&format!("undo xs[{i}]")]);
    }
    saga.ended(RolledBack);
    assert_eq!(saga.state("xs[5]"), Failed);
    assert_eq!(saga.state("after"), Pending);
}
