//! What is undone and when: each case is a counterexample to a simpler rule.

mod cut_off;

use std::sync::Arc;
use std::time::Duration;

use crate::common::world::{Do, Process, World, act, bare, maybe, out, plain, timed, unact};
use saga_core::operator::{Answer, OperateError, Refusal};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, Store};
use saga_core::{CoordinatorBuilder, Saga, SagaReport, SagaStatus};

type W = Arc<World>;

saga! { Out<W>() -> String { out {} } }
saga! { Maybe<W>() -> String { maybe {} } }
saga! { Plain<W>() -> String { plain {} } }
saga! { Timed<W>() { plain {}; timed {}; } }
saga! { Untidy<W>() { untidy {}; } }

/// An attempt of it that fails may leave something behind.
#[saga_action(undo = tidy_up(output?), undo_on_failure)]
async fn untidy(cx: &ActionContext<W>) -> Result<String, String> {
    act(cx).await
}
async fn tidy_up(cx: &ActionContext<W>, output: Option<&String>) -> Result<(), UndoError> {
    unact(cx, if output.is_some() { "" } else { " without output" }).await
}

saga! {
    #[allow(unused_variables)]
    Chain<W>() {
        let a = plain {};
        let b = bare {};
        let c = plain {};
        let d = bare {};
    }
}
saga! {
    #[allow(unused_variables)]
    Side<W>() {
        let a = plain {};
        parallel {
            let b = out {};
            let c = bare {};
        }
    }
}

fn sagas(builder: CoordinatorBuilder<W>) -> CoordinatorBuilder<W> {
    let builder = builder.saga::<Out>().saga::<Maybe>().saga::<Plain>().saga::<Timed>();
    builder.saga::<Chain>().saga::<Side>().saga::<Untidy>()
}

fn setup() -> (W, MemoryStore) {
    (Arc::new(World::default()), MemoryStore::new())
}

fn start(process: &Process, saga: impl Saga<Context = W>) {
    process.until(async { process.sec.saga(saga).id("x").start().await.unwrap() });
}

fn end(process: &Process) -> Result<serde_json::Value, SagaError> {
    process.until(async { process.sec.get::<serde_json::Value>("x").await.unwrap().unwrap().await })
}

fn rolled_back(process: &Process) -> SagaReport {
    match end(process) {
        Err(SagaError::RolledBack(report)) => *report,
        other => panic!("rolled back, not {other:?}"),
    }
}

fn stuck(process: &Process) -> SagaReport {
    match end(process) {
        Err(SagaError::Stuck(report)) => *report,
        other => panic!("stuck, not {other:?}"),
    }
}

fn names<'a>(nodes: impl Iterator<Item = &'a saga_core::log::NodePath>) -> Vec<&'a str> {
    nodes.map(saga_core::log::NodePath::as_str).collect()
}

/// The action takes effect, the process dies, and the next attempts all fail.
fn effect_then_crash(saga: impl Saga<Context = W>, node: &str) -> (W, Process) {
    let (world, store) = setup();
    world.script(node, [Do::Hangs].into_iter().chain([Do::Fails; 50]));
    let first = Process::start(&world, &store, sagas);
    start(&first, saga);
    first.until(world.hears(&format!("do {node}"), 1));
    drop(first);
    (world.clone(), Process::start(&world, &store, sagas))
}

#[test]
fn an_attempt_in_doubt_is_undone_even_after_a_plain_failure() {
    let (world, process) = effect_then_crash(Out {}, "out");
    let report = stuck(&process);
    assert_eq!(names(report.possible_effects()), ["out"]);
    assert!(names(report.remaining_effects()).is_empty());
    assert_eq!(world.effects(), ["out"], "the report is right: it is there");

    let (world, process) = effect_then_crash(Maybe {}, "maybe");
    rolled_back(&process);
    assert!(world.effects().is_empty());
    assert_eq!(world.count("undo maybe without output"), 1);
}

/// "Sold out" gives nothing back.
#[test]
fn a_plain_error_leaves_nothing_to_undo() {
    for (saga, fails, calls) in [("maybe", Do::FailsForGood, 1), ("plain", Do::Fails, 3)] {
        let (world, store) = setup();
        world.script(saga, [fails; 3]);
        let process = Process::start(&world, &store, sagas);
        match saga {
            "maybe" => start(&process, Maybe {}),
            _ => start(&process, Plain {}),
        }
        let report = rolled_back(&process);
        assert!(report.undone().next().is_none(), "{report:?}");
        assert_eq!(world.said(), vec![format!("do {saga}"); calls]);
    }
}

#[test]
fn an_action_can_ask_for_its_undo_after_a_plain_error() {
    let (world, store) = setup();
    world.script("untidy", [Do::Fails]);
    let process = Process::start(&world, &store, sagas);
    start(&process, Untidy {});
    let report = rolled_back(&process);
    assert_eq!(names(report.undone()), ["untidy"]);
    assert_eq!(world.said(), ["do untidy", "undo untidy without output", "undone untidy"]);
}

#[test]
fn a_retry_is_in_the_log_before_its_call() {
    let (world, store) = setup();
    world.script("plain", [Do::Fails, Do::Hangs, Do::Waits]);
    let first = Process::start(&world, &store, sagas);
    start(&first, Plain {});
    first.until(world.hears("do plain", 2));
    drop(first);
    let again = Process::start(&world, &store, sagas);
    again.until(again.sec.operator("me").cancel("x", "enough")).unwrap();
    rolled_back(&again);
    assert!(world.effects().is_empty(), "{:?}", world.said());
}

#[test]
fn an_effect_before_a_panic_is_undone() {
    let (world, store) = setup();
    world.script("maybe", [Do::Panics]);
    let process = Process::start(&world, &store, sagas);
    start(&process, Maybe {});
    let report = rolled_back(&process);
    assert!(report.error.unwrap().to_string().contains("maybe panicked"));
    assert!(world.effects().is_empty());
    assert_eq!(world.count("undo maybe without output"), 1);
}

#[test]
fn an_undo_waits_for_what_came_after_through_a_node_without_undo() {
    let (world, store) = setup();
    world.script("d", [Do::Fails]);
    let process = Process::start(&world, &store, sagas);
    start(&process, Chain {});
    rolled_back(&process);
    let said = world.said();
    let undos = said.iter().filter(|said| said.starts_with("und")).collect::<Vec<_>>();
    assert_eq!(undos, ["undo c", "undone c", "undo a", "undone a"]);
}

#[test]
fn an_action_that_never_returns_does_not_stop_the_unwinding() {
    let (world, store) = setup();
    world.script("c", [Do::Fails]);
    world.script("b", [Do::Hangs].into_iter().chain([Do::Works]));
    let process = Process::start(&world, &store, sagas);
    start(&process, Side {});
    // dropped after `abandon_after`, run again for its output, then undone
    rolled_back(&process);
    assert!(world.effects().is_empty());
    assert_eq!(world.count("do b"), 2);
    assert_eq!(world.count("undo b"), 1);
}

#[test]
fn an_undo_that_hangs_times_out() {
    let (world, store) = setup();
    world.script("timed", [Do::Hangs]);
    world.script("undo timed", [Do::Hangs, Do::Hangs]);
    let process = Process::start(&world, &store, sagas);
    start(&process, Timed {});
    let report = stuck(&process);
    assert_eq!(world.count("undo timed"), 2, "`undo_retry` and `undo_timeout` bound it");
    assert_eq!(names(report.possible_effects()), ["timed"]);
    assert_eq!(names(report.remaining_effects()), ["plain"], "what comes before it waits");
    // an operator tries again
    process.until(process.sec.operator("me").retry_undo("x", "timed")).unwrap();
    rolled_back(&process);
    assert!(world.effects().is_empty());
}

#[test]
fn a_panicking_undo_is_retried_and_the_saga_ends() {
    let (world, store) = setup();
    world.script("timed", [Do::Fails]);
    world.script("undo timed", [Do::Panics]);
    let process = Process::start(&world, &store, sagas);
    start(&process, Timed {});
    rolled_back(&process);
    assert!(world.effects().is_empty());
}

#[test]
fn a_crash_in_an_undo_before_later_nodes_ever_started_recovers() {
    let (world, store) = setup();
    world.script("c", [Do::Fails; 3]);
    world.script("undo a", [Do::Hangs]);
    let first = Process::start(&world, &store, sagas);
    start(&first, Chain {});
    first.until(world.hears("undo a", 1));
    drop(first);
    let again = Process::start(&world, &store, sagas);
    rolled_back(&again);
    assert_eq!(world.count("do d"), 0);
    assert_eq!(world.count("undo a"), 2);
    assert_eq!(world.effects(), ["b"], "it declares that there is nothing to undo");
}

#[test]
fn a_node_that_waits_for_a_permit_has_not_started() {
    let (world, store) = setup();
    world.script("b", [Do::Waits]);
    let bounded = |builder| sagas(builder).max_calls_of("bare", 1);
    let process = Process::start(&world, &store, bounded);
    // another saga holds the only room for `bare`
    world.script("c", [Do::Waits]);
    process.until(process.sec.saga(Side {}).id("holder").start()).unwrap();
    process.until(world.hears("do c", 1));
    world.script("b", [Do::Fails]);
    start(&process, Side {});
    let report = rolled_back(&process);
    assert_eq!(names(report.undone()), ["a"]);
    assert_eq!(world.count("do c"), 1, "the second `c` never started");
    let stored = process.until(store.load(&"x".parse().unwrap())).unwrap().unwrap();
    assert!(stored.entries.iter().all(|entry| entry.node().is_none_or(|n| *n != "c")));
}

#[test]
fn a_resolved_effect_is_refused_while_its_undo_runs() {
    let (world, store) = setup();
    world.script("out", [Do::Works]);
    let process = Process::start(&world, &store, sagas);
    start(&process, Out {});
    end(&process).unwrap();
    world.script("undo out", [Do::FailsForGood, Do::Hangs]);
    let operator = process.sec.operator("alice");
    assert_eq!(process.until(operator.rollback("x", "no longer wanted")).unwrap(), Answer::Done);
    let report = stuck(&process);
    assert_eq!(names(report.remaining_effects()), ["out"]);
    process.until(operator.retry_undo("x", "out")).unwrap();
    process.until(world.hears("undo out", 2));
    let refused = process.until(operator.resolve("x", "out", "by hand")).unwrap_err();
    let OperateError::Refused { refusal, .. } = refused else { panic!("{refused}") };
    assert!(
        matches!(refusal, Refusal::InFlight { .. } | Refusal::UndoNotFailed { .. }),
        "{refusal}"
    );
}

#[test]
fn of_two_conflicting_operators_one_wins_and_the_other_is_told() {
    let (world, store) = setup();
    world.script("timed", [Do::Hangs]);
    world.script("undo timed", [Do::FailsForGood]);
    let process = Process::start(&world, &store, sagas);
    start(&process, Timed {});
    stuck(&process);
    let (alice, bob) = (process.sec.operator("alice"), process.sec.operator("bob"));
    let (first, second) = process.until(async {
        tokio::join!(
            alice.resolve("x", "timed", "gone, looked it up"),
            bob.resolve("x", "timed", "gone as well")
        )
    });
    let won = [&first, &second].iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(won, 1, "{first:?} {second:?}");
    let report = rolled_back(&process);
    assert_eq!(names(report.undone()), ["plain"]);
    assert_eq!(names(report.resolved()), ["timed"]);
    let log = process.until(store.load(&"x".parse().unwrap())).unwrap().unwrap();
    let resolved = log.entries.iter().filter(|entry| entry.kind.name() == "resolved").count();
    assert_eq!(resolved, 1);
}

#[test]
fn a_purged_id_gets_new_idempotency_keys() {
    let (world, store) = setup();
    let process = Process::start(&world, &store, sagas);
    start(&process, Out {});
    end(&process).unwrap();
    let purged = process.until(async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        process.sec.purge(Duration::ZERO, &[SagaStatus::Completed]).await
    });
    assert_eq!(purged.unwrap(), 1);
    assert!(process.until(process.sec.get::<Out>("x")).unwrap().is_none());
    start(&process, Out {});
    end(&process).unwrap();
    assert_eq!(world.effects(), ["out", "out"], "the second run did not meet the first one's key");
}
