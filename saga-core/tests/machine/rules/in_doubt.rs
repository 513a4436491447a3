//! What is known about a call that was cut off, was dropped, or returned after all.

use super::*;

#[test]
fn the_log_shows_a_call_in_flight_as_in_doubt() {
    let mut saga = Bench::new(chain(actions(1, Output)));
    assert!(saga.node("n0").in_doubt, "nobody knows yet");
    saga.ok(&["do n0"]);
    assert!(!saga.node("n0").in_doubt);
}

#[test]
fn a_cut_off_action_is_in_doubt_while_it_is_undone() {
    let mut saga = Bench::new(chain(actions(1, InputsOnly)));
    saga.asks(cancel());
    saga.crash_now();
    assert_eq!(saga.calls(), ["undo n0"]);
    assert!(saga.node("n0").in_doubt);
    // for good, if that is how it stays
    saga.undo_fails("undo n0", false);
    saga.ended(Stuck);
    assert!(saga.node("n0").in_doubt);
}

#[test]
fn an_injected_undo_failure_leaves_a_cut_off_action_in_doubt() {
    let mut saga = Bench::new(chain(actions(1, Output)));
    saga.asks(Command::Inject { node: "n0".into(), fault: Fault::UndoError });
    saga.asks(cancel());
    // its only attempt is cut off while the saga unwinds
    saga.crash_now();
    saga.ended(Stuck);
    assert_eq!(saga.state("n0"), UndoFailed);
    saga.claimed_for(Command::RetryUndo { node: "n0".into() });
    assert_eq!(saga.calls(), ["redo n0"]);
}

#[test]
fn a_cut_off_action_is_handled_at_once() {
    // its start says that nobody knows how it ended: nothing else need be written about it
    for (undo, call, word) in [
        (Output, "redo n0", "n0 started"),
        (MaybeOutput, "undo n0", "n0 undo_started"),
        (InputsOnly, "undo n0", "n0 undo_started"),
    ] {
        let mut saga = Bench::new(chain(actions(1, undo)));
        saga.asks(cancel());
        saga.crash_now();
        assert_eq!(saga.calls(), [call]);
        let words = saga.words();
        assert_eq!(words[words.len() - 2..], ["unwinding", word]);
    }
}

#[test]
fn the_end_of_a_dropped_call_is_ignored() {
    let ends = || {
        [
            ActionResult::Ok(Default::default()),
            ActionResult::Failed(failure(false)),
            ActionResult::InDoubt(failure(true)),
            ActionResult::Unstorable(failure(false)),
        ]
    };
    for result in ends() {
        let mut saga = Bench::new(plan(actions(2, InputsOnly), &[]));
        let vertex = saga.call("do n1").vertex;
        saga.fails("do n0");
        saga.wait();
        assert!(saga.said.contains(&"drop n1".to_string()));
        let (before, calls) = (saga.log.clone(), saga.calls().join(" "));
        saga.feed([Event::ActionDone { vertex, result }]);
        assert_eq!((&saga.log, saga.calls().join(" ")), (&before, calls));
        saga.ok(&["undo n1"]);
        saga.ended(RolledBack);
    }
}

#[test]
fn the_end_of_an_undo_that_was_not_called_is_ignored() {
    let mut saga = Bench::new(chain(actions(2, Output)));
    saga.ok(&["do n0"]);
    let n0 = saga.machine.state().resolve("n0").unwrap();
    saga.asks(cancel());
    let before = saga.log.clone();
    for result in [Ok(()), Err(failure(false))] {
        saga.feed([Event::UndoDone { vertex: n0, result }]);
    }
    assert_eq!((&saga.log, &saga.finish), (&before, &None));
    assert_eq!(saga.calls(), ["do n1"]);
}

#[test]
fn a_node_that_succeeded_at_last_shows_no_error() {
    let mut saga = Bench::new(chain(vec![tried("a", Output, 2, 1), action("b", Output)]));
    saga.fails_for_now("do a");
    saga.wait();
    assert!(saga.node("a").failure.is_some(), "as long as it is tried");
    saga.ok(&["do a"]);
    assert_eq!(saga.node("a").failure, None);
}

#[test]
fn a_value_that_cannot_be_computed_is_not_retried() {
    let nodes = [
        action("a", Output),
        node("xs", each(inline_action(Output))),
        node("m", PlanKind::Choose(vec![])),
        node("v", PlanKind::Value),
    ];
    for wanted in ["xs", "m", "v"] {
        let node = nodes.iter().find(|node| node.name.as_str() == wanted).unwrap();
        let mut saga = Bench::new(chain(vec![nodes[0].clone(), node.clone()]));
        let vertex = saga.call("do a").vertex;
        let done = Event::ActionDone { vertex, result: ActionResult::Ok(Default::default()) };
        let effects = saga.machine.step(saga.now, done);
        let event = match effects[..] {
            [Effect::Choose(vertex)] => Event::Chosen { vertex, choice: Err(failure(true)) },
            [Effect::Compute(vertex)] => Event::Computed { vertex, value: Err(failure(true)) },
            _ => panic!("{effects:?}"),
        };
        let effects = saga.machine.step(saga.now, event);
        let [Effect::Append { entries, .. }] = effects.as_slice() else { panic!("{effects:?}") };
        let kinds = entries.iter().map(|entry| entry.kind.name()).collect::<Vec<_>>();
        assert_eq!(kinds[..3], ["succeeded", "failed", "unwinding"], "{wanted}");
        let Some(NodeEntry::Failed(why)) = entries[1].node_entry() else { panic!("{entries:?}") };
        assert!(!why.retryable, "{wanted}: whoever reads the log is not told that it can be");
    }
}
