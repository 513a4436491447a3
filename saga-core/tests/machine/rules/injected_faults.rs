//! Faults that are injected into a saga for a test (§6).

use super::operators::inject;
use super::*;
use saga_core::log::{SagaLog, SagaNodeLoadStatus};

#[test]
fn an_injected_error_replaces_the_call() {
    let mut saga = Bench::new(chain(vec![action("a", Output), tried("b", Output, 3, 2)]));
    assert_eq!(saga.asks(inject("b", Fault::Error)), DONE);
    assert_eq!(saga.words()[2..], ["requested", "injected"]);
    saga.ok(&["do a"]);
    assert_eq!(saga.calls(), ["undo a"]);
    assert_eq!(saga.words()[5..8], ["b started", "b failed", "unwinding"]);
    assert_eq!(saga.node("b").failure.map(|f| f.kind), Some(FailureKind::Injected));
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn an_injected_error_survives_crashes() {
    for keep in [1, 2] {
        let mut saga = Bench::new(chain(actions(2, InputsOnly)));
        let length = saga.log.len();
        saga.asks(inject("n1", Fault::Error));
        // torn, too
        saga.answers.clear();
        saga.crash(length + keep);
        saga.ok(&["do n0", "undo n0"]);
        saga.ended(RolledBack);
    }
    // the process died between the two entries of the call that was not made
    let mut saga = Bench::new(chain(actions(2, Output)));
    saga.asks(inject("n1", Fault::Error));
    saga.ok(&["do n0"]);
    let started = saga.words().iter().position(|w| w == "n1 started").unwrap();
    saga.crash(started + 1);
    // nobody knows that it was not made
    saga.ok(&["redo n1", "undo n1", "undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn an_injected_error_can_be_retried_after_the_pivot() {
    let mut saga = pivotal(1);
    saga.asks(inject("z", Fault::Error));
    saga.ok(&["do a", "do p"]);
    saga.ended(Stuck);
    assert_eq!(saga.claimed_for(Command::Retry { node: "z".into() }), Answer::Done);
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn an_injected_undo_error_is_permanent_until_an_operator_retries() {
    let mut saga = Bench::new(chain(actions(2, Output)));
    saga.asks(inject("n0", Fault::UndoError));
    saga.ok(&["do n0"]);
    saga.fails("do n1");
    saga.ended(Stuck);
    let words = saga.words();
    assert_eq!(words[words.len() - 3..], ["n0 undo_started", "n0 undo_failed", "ended"]);
    assert_eq!(saga.node("n0").undo_failure.map(|f| f.kind), Some(FailureKind::Injected));
    assert_eq!(saga.claimed_for(Command::RetryUndo { node: "n0".into() }), Answer::Done);
    saga.ok(&["undo n0"]);
    saga.ended(RolledBack);
    // an action in doubt cannot be undone either
    let mut saga = Bench::new(chain(actions(1, Output)));
    saga.asks(inject("n0", Fault::UndoError));
    saga.in_doubt("do n0");
    saga.ended(Stuck);
    assert_eq!(saga.claimed_for(Command::RetryAll), Answer::Done);
    saga.ok(&["redo n0", "undo n0"]);
    saga.ended(RolledBack);
}

/// Whoever reads the log as the events of its nodes reads `undo_failed` twice in a row: the retry between them
/// is an operator's, and no event of the node.
#[test]
fn a_log_with_two_injected_undo_errors_is_legal() {
    let mut saga = Bench::new(chain(vec![tried("a", Output, 1, 1)]));
    saga.in_doubt("do a");
    saga.in_doubt("redo a");
    saga.ended(Stuck);
    let retry = saga.request(Command::RetryAll).1;
    let fails = saga.request(inject("a", Fault::UndoError)).1;
    saga.taken_over([retry, fails]);
    saga.ended(Stuck);
    let words = saga.words();
    let failed = words.iter().filter(|word| *word == "a undo_failed").count();
    let begun = words.iter().filter(|word| *word == "a undo_started").count();
    assert_eq!((failed, begun), (2, 0), "{words:?}");
    let read = SagaLog::of("x".parse().unwrap(), saga.log.clone(), Vec::new());
    let again = SagaLog::recover("x".parse().unwrap(), read.events()).unwrap();
    assert_eq!(again.load_status("a"), SagaNodeLoadStatus::UndoFailed);
}

#[test]
fn calls_can_be_repeated() {
    let mut saga = Bench::new(chain(actions(3, Output)));
    saga.asks(inject("n1", Fault::Repeat(3)));
    saga.asks(inject("n2", Fault::Repeat(0)));
    assert_eq!(saga.call("do n0").repeat, 1);
    saga.ok(&["do n0"]);
    assert_eq!(saga.call("do n1").repeat, 3);
    saga.ok(&["do n1"]);
    assert_eq!(saga.call("do n2").repeat, 1);
    saga.fails("do n2");
    assert_eq!(saga.call("undo n1").repeat, 3);
    saga.ok(&["undo n1"]);
    assert_eq!(saga.call("undo n0").repeat, 1);
}

#[test]
fn a_node_that_is_not_there_yet_can_be_named() {
    let nodes = vec![action("a", Output), node("xs", each(inline_action(Output)))];
    let mut saga = Bench::with(chain(nodes), None, &[("xs", 2)]);
    assert_eq!(saga.asks(inject("xs[1]", Fault::Error)), DONE);
    let unknown = Refusal::NoSuchNode { node: "ys[1]".into() };
    assert_eq!(saga.asks(inject("ys[1]", Fault::Error)), refused(unknown));
    let Some(Answer::Refused(why)) = saga.asks(inject("xs", Fault::Error)) else {
        panic!("a `for` has no action")
    };
    assert_eq!(why.to_string(), "node `xs` has no action of its own, name one that has");
    saga.ok(&["do a"]);
    assert_eq!(saga.calls(), ["do xs[0]", "undo a"][..1]);
    assert_eq!((saga.status(), saga.state("xs[1]")), (SagaStatus::Failed, Failed));
    saga.ok(&["do xs[0]", "undo xs[0]", "undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn the_permit_of_a_call_that_is_not_made_is_returned() {
    let config = Config { permits: true, ..Config::default() };
    let mut saga = Bench::configured(chain(actions(1, Output)), config, &[]);
    saga.asks(inject("n0", Fault::Error));
    saga.grants("n0");
    assert_eq!(saga.said, ["free n0"]);
    saga.ended(RolledBack);
}
