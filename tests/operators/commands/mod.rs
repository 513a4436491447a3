//! What operators can do to a saga: while it runs, while it rests, and from another process.

mod handles;
mod unreadable;

use std::sync::Arc;
use std::time::Duration;

use crate::common::world::{self, Do, Fixture, Process, World, bare, out, plain, refusal};
use saga_core::operator::{Answer, Fault, OperateError, Operator, Refusal};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, SqliteStore, Store};
use saga_core::{CoordinatorBuilder, SagaStatus, StartError};

type W = Arc<World>;

saga! {
    #[allow(unused_variables)]
    Three<W>() {
        let a = plain {};
        let b = bare {};
        let c = out {};
    }
}

fn sagas(builder: CoordinatorBuilder<W>) -> CoordinatorBuilder<W> {
    builder.saga::<Three>()
}

/// A saga `x` that is running.
fn started(scripts: &[(&str, &[Do])]) -> Fixture {
    let x = Fixture::new(scripts, sagas);
    x.process.until(x.process.sec.saga(Three {}).id("x").start()).unwrap();
    x
}

fn end(x: &Fixture) -> Result<serde_json::Value, SagaError> {
    x.end::<serde_json::Value>()
}

#[test]
fn cancel_unwinds() {
    let x = started(&[("c", &[Do::Waits])]);
    x.process.until(x.world.hears("do c", 1));
    let answer = x.process.until(x.operator.cancel("x", "changed my mind"));
    assert_eq!(answer.unwrap(), Answer::Done);
    let error = end(&x).unwrap_err();
    assert!(error.to_string().contains("cancelled: changed my mind"), "{error}");
    assert!(x.kinds().contains(&"requested"));
    assert_eq!(x.world.effects(), ["b"]);
    let again = x.process.until(x.operator.cancel("x", "again"));
    assert_eq!(refusal(again), Refusal::AlreadyEnded { status: SagaStatus::RolledBack });
}

#[test]
fn a_paused_saga_starts_nothing_and_steps_when_told() {
    let x = started(&[("a", &[Do::Fails])]);
    // `a` is tried again after a second; until then the saga can be paused
    x.process.until(x.world.hears("do a", 1));
    assert_eq!(x.process.until(x.operator.pause("x")).unwrap(), Answer::Done);
    let again = x.process.until(x.operator.pause("x")).unwrap();
    assert_eq!(again, Answer::NothingToDo { status: SagaStatus::Running });
    x.process.until(async { tokio::time::sleep(Duration::from_secs(1000)).await });
    assert_eq!(x.world.said(), ["do a"]);
    x.process.until(x.operator.step("x")).unwrap();
    x.process.until(x.world.hears("do a", 2));
    x.process.until(async { tokio::time::sleep(Duration::from_secs(1000)).await });
    assert_eq!(x.world.said(), ["do a", "do a"]);
    x.process.until(x.operator.resume("x")).unwrap();
    assert_eq!(refusal(x.process.until(x.operator.step("x"))), Refusal::NotPaused);
    end(&x).unwrap();
    assert_eq!(x.world.effects(), ["a", "b", "c"]);
}

#[test]
fn a_pause_outlives_the_process() {
    let mut x = started(&[("a", &[Do::Fails])]);
    x.process.until(x.world.hears("do a", 1));
    x.process.until(x.operator.pause("x")).unwrap();
    x.kill_and_restart();
    x.process.until(async { tokio::time::sleep(Duration::from_secs(1000)).await });
    assert_eq!(x.world.said(), ["do a"]);
    x.process.until(x.operator.resume("x")).unwrap();
    end(&x).unwrap();
    assert_eq!(x.world.effects(), ["a", "b", "c"]);
}

#[test]
fn the_deadline_of_a_paused_saga_passes_before_and_after_a_restart() {
    for restarted in [false, true] {
        let mut x = Fixture::new(&[("b", &[Do::Waits])], sagas);
        let start = x.process.sec.saga(Three {}).id("x").deadline(Duration::from_secs(3600));
        x.process.until(start.start()).unwrap();
        x.process.until(x.world.hears("do b", 1));
        x.process.until(x.operator.pause("x")).unwrap();
        if restarted {
            x.kill_and_restart();
        }
        x.process.until(async { tokio::time::sleep(Duration::from_secs(3700)).await });
        let record = x.stored().record;
        assert_eq!((record.status, record.paused), (SagaStatus::RollingBack, true), "{restarted}");
        // undos wait for the end of the pause
        assert_eq!(x.world.said(), ["do a", "do b"], "{restarted}");
        x.process.until(x.operator.resume("x")).unwrap();
        assert!(matches!(end(&x), Err(SagaError::RolledBack(_))), "{restarted}");
        assert!(x.world.effects().is_empty(), "{restarted}");
    }
}

#[test]
fn a_paused_saga_can_be_cancelled() {
    let x = started(&[("a", &[Do::Hangs])]);
    x.process.until(x.world.hears("do a", 1));
    x.process.until(x.operator.pause("x")).unwrap();
    x.process.until(x.operator.cancel("x", "no")).unwrap();
    x.process.until(x.operator.resume("x")).unwrap();
    assert!(matches!(end(&x), Err(SagaError::RolledBack(_))));
    assert!(x.world.effects().is_empty());
}

#[test]
fn a_completed_saga_is_rolled_back_once() {
    let mut x = started(&[]);
    end(&x).unwrap();
    x.kill_and_restart();
    assert_eq!(x.process.until(x.operator.rollback("x", "destroy")).unwrap(), Answer::Done);
    let error = end(&x).unwrap_err();
    assert!(error.to_string().contains("rolled back on request: destroy"), "{error}");
    assert_eq!(x.world.effects(), ["b"]);
    let undos = x.world.said().len();
    let again = x.process.until(x.operator.rollback("x", "destroy")).unwrap();
    assert_eq!(again, Answer::NothingToDo { status: SagaStatus::RolledBack });
    assert_eq!(x.world.said().len(), undos);
    assert_eq!(x.stored().record.status, SagaStatus::RolledBack);
}

#[test]
fn a_running_saga_is_not_rolled_back() {
    let x = started(&[("a", &[Do::Waits])]);
    let answer = refusal(x.process.until(x.operator.rollback("x", "destroy")));
    assert_eq!(answer, Refusal::NotEnded { status: SagaStatus::Running });
}

#[test]
fn a_stuck_saga_is_repaired() {
    let mut x = started(&[("c", &[Do::Fails]), ("undo a", &[Do::FailsForGood])]);
    let Err(SagaError::Stuck(report)) = end(&x) else { panic!("stuck") };
    assert_eq!(report.remaining_effects().map(ToString::to_string).collect::<Vec<_>>(), ["a"]);
    let wrong = refusal(x.process.until(x.operator.retry_undo("x", "c")));
    assert!(matches!(wrong, Refusal::UndoNotFailed { .. }), "{wrong}");
    let wrong = refusal(x.process.until(x.operator.retry_undo("x", "zebra")));
    assert_eq!(wrong, Refusal::NoSuchNode { node: "zebra".into() });
    x.kill_and_restart();
    assert_eq!(x.process.until(x.operator.retry_all("x")).unwrap(), Answer::Done);
    assert!(matches!(end(&x), Err(SagaError::RolledBack(_))));
    assert_eq!(x.world.effects(), ["b"]);
}

#[test]
fn a_resolved_effect_is_shown() {
    let x = started(&[("c", &[Do::Fails]), ("undo a", &[Do::FailsForGood])]);
    assert!(matches!(end(&x), Err(SagaError::Stuck(_))));
    x.process.until(x.operator.resolve("x", "a", "sent the bill back by hand")).unwrap();
    let Err(SagaError::RolledBack(report)) = end(&x) else { panic!("rolled back") };
    assert_eq!(report.resolved().map(ToString::to_string).collect::<Vec<_>>(), ["a"]);
    assert!(x.kinds().contains(&"resolved"));
}

#[test]
fn an_injected_fault_stays_with_the_saga() {
    let mut x = started(&[("a", &[Do::Waits])]);
    x.process.until(x.operator.inject("x", "c", Fault::Error)).unwrap();
    x.process.until(x.operator.inject("x", "b", Fault::Repeat(3))).unwrap();
    let wrong = refusal(x.process.until(x.operator.inject("x", "zebra", Fault::Error)));
    assert_eq!(wrong, Refusal::NoSuchNode { node: "zebra".into() });
    x.kill_and_restart();
    let Err(SagaError::RolledBack(report)) = end(&x) else { panic!("rolled back") };
    assert_eq!(report.error.unwrap().to_string(), "error injected");
    assert_eq!(x.world.count("do b"), 3);
    assert_eq!(x.world.count("do c"), 0);
    assert_eq!(x.world.effects(), ["b"]);
}

#[test]
fn a_repeated_call_that_fails_leaves_the_effect_of_the_first_one_in_doubt() {
    let x = started(&[("a", &[Do::Waits, Do::Works]), ("c", &[Do::Works, Do::Fails])]);
    x.process.until(x.operator.inject("x", "c", Fault::Repeat(2))).unwrap();
    let mut x = x;
    x.kill_and_restart();
    let Err(SagaError::RolledBack(_)) = end(&x) else { panic!("rolled back") };
    assert!(x.kinds().contains(&"in_doubt"), "{:?}", x.kinds());
    assert_eq!(x.world.effects(), ["b"]);
}

#[test]
fn a_deadline_unwinds() {
    let (world, store) = (Arc::new(World::default()), MemoryStore::new());
    world.script("c", [Do::Waits]);
    let process = Process::start(&world, &store, sagas);
    let start = process.sec.saga(Three {}).id("x").deadline(Duration::from_secs(60)).start();
    process.until(start).unwrap();
    process.until(world.hears("do c", 1));
    // and it outlives the process
    drop(process);
    let process = Process::start(&world, &store, sagas);
    world.script("c", [Do::Waits]);
    let end = async { process.sec.get::<serde_json::Value>("x").await.unwrap().unwrap().await };
    let error = process.until(end).unwrap_err();
    assert!(error.to_string().contains("deadline exceeded"), "{error}");
    assert_eq!(world.effects(), ["b"]);
}

#[test]
fn a_deadline_in_the_past_starts_nothing() {
    let (world, store) = (Arc::new(World::default()), MemoryStore::new());
    let process = Process::start(&world, &store, sagas);
    let past = std::time::SystemTime::now() - Duration::from_secs(3600);
    let start = process.sec.saga(Three {}).id("x").deadline_at(past).start();
    let error = process.until(start).unwrap_err();
    assert!(matches!(error, StartError::DeadlinePassed { .. }), "{error}");
    assert!(process.until(store.load(&"x".parse().unwrap())).unwrap().is_none());
}

#[test]
fn an_unknown_saga_is_not_found() {
    let x = started(&[]);
    let error = x.process.until(x.operator.cancel("y", "no")).unwrap_err();
    assert_eq!(error.to_string(), "there is no saga y");
    let error = x.process.until(x.operator.cancel("../etc", "no")).unwrap_err();
    assert!(matches!(error, OperateError::InvalidId(_)), "{error}");
}

#[test]
fn a_saga_without_a_pivot_cannot_have_it_decided() {
    let x = started(&[("a", &[Do::Waits])]);
    let decision = saga_core::operator::Decision::Failed;
    let answer = refusal(x.process.until(x.operator.decide("x", "a", decision, "looked")));
    assert!(matches!(answer, Refusal::NotInDoubt { .. }), "{answer}");
    assert_eq!(refusal(x.process.until(x.operator.unpark("x"))), Refusal::NotParked);
    let answer = refusal(x.process.until(x.operator.retry("x", "a")));
    assert!(matches!(answer, Refusal::NotFailed { .. }), "{answer}");
}

#[tokio::test]
async fn another_process_sends_requests_through_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sagas.db");
    let world = Arc::new(World::default());
    world.script("c", [Do::Waits]);
    let builder = Coordinator::builder(world.clone()).store(SqliteStore::open(&path).unwrap());
    let builder = builder.abandon_after(Duration::ZERO);
    let sec = sagas(builder).build().await.unwrap();
    let saga = sec.saga(Three {}).id("x").start().await.unwrap();
    world.hears("do c", 1).await;
    let attached = SqliteStore::attach(&path).unwrap();
    let patience = Duration::from_secs(20);
    let outside = Operator::attach(attached, "bob", patience);
    assert_eq!(outside.cancel("x", "from outside").await.unwrap(), Answer::Done);
    assert!(matches!(saga.await, Err(SagaError::RolledBack(_))));
    let again = outside.cancel("x", "again").await;
    let ended = Refusal::AlreadyEnded { status: SagaStatus::RolledBack };
    assert_eq!(refusal(again), ended);
    let nobody = outside.cancel("y", "no").await.unwrap_err();
    assert!(matches!(nobody, OperateError::NotFound { .. }), "{nobody}");
    // nobody runs sagas: what nobody could answer otherwise is answered, and the rest waits
    sec.shutdown(Duration::ZERO).await.unwrap();
    let impatient =
        Operator::attach(SqliteStore::attach(&path).unwrap(), "bob", Duration::from_millis(50));
    let late = impatient.rollback("x", "late").await.unwrap();
    assert_eq!(late, Answer::NothingToDo { status: SagaStatus::RolledBack });
    assert_eq!(refusal(impatient.pause("x").await), ended);
}

#[test]
fn concurrent_operators_are_all_answered() {
    let x = started(&[("c", &[Do::Waits])]);
    x.process.until(x.world.hears("do c", 1));
    let answers = x.process.until(async {
        let asks = (0..50).map(|i| {
            let operator = x.operator.clone();
            tokio::spawn(async move {
                match i % 4 {
                    0 => operator.pause("x").await,
                    1 => operator.resume("x").await,
                    2 => operator.step("x").await,
                    _ => operator.cancel("x", format!("number {i}")).await,
                }
            })
        });
        let mut answers = Vec::new();
        for ask in asks.collect::<Vec<_>>() {
            answers.push(ask.await.unwrap());
        }
        answers
    });
    let done = answers.iter().filter(|a| matches!(a, Ok(Answer::Done))).count();
    assert!(done > 0, "{answers:?}");
    let _ = x.process.until(x.operator.resume("x"));
    assert!(matches!(end(&x), Err(SagaError::RolledBack(_))));
}

#[test]
fn a_saga_is_shown_as_a_tree_and_a_log() {
    let x = started(&[("c", &[Do::Fails]), ("undo a", &[Do::FailsForGood])]);
    assert!(end(&x).is_err());
    let view = x.process.until(x.process.sec.inspect("x")).unwrap().unwrap();
    let expected = "\
x Three: stuck: the undo of `a` failed: undo of a failed; the rollback began because node `c` failed: c failed
  a undo_failed; undo: action failed: undo of a failed
  b completed
  c failed: action failed: c failed
";
    assert_eq!(view.to_string(), expected);
    assert!(view.log.is_unwinding());
    let pretty = view.log.pretty();
    assert!(pretty.starts_with("saga id:   x\ndirection: unwinding\nentries:   11\n"), "{pretty}");
    // without number and time
    let lines = pretty.lines().skip(3).map(|line| line.splitn(3, ' ').last().unwrap());
    let lines = lines.collect::<Vec<_>>();
    assert_eq!(lines[..3], ["created", "N000 started a", "N000 succeeded a"]);
    let undo = ["N000 undo_started a", "N000 undo_failed a: undo of a failed", "ended: stuck"];
    assert_eq!(lines[8..], undo);
    assert!(x.process.until(x.process.sec.inspect("y")).unwrap().is_none());
}

#[test]
fn events_are_sent_as_they_become_durable() {
    let x = started(&[("a", &[Do::Fails]), ("c", &[Do::Fails])]);
    let events = x.process.until(async {
        let handle = x.process.sec.get::<serde_json::Value>("x").await.unwrap().unwrap();
        let mut stream = handle.events();
        let mut events = Vec::new();
        while let Some(event) = stream.next().await {
            events.push(event.unwrap());
        }
        events
    });
    let shown = events.iter().map(|event| {
        let node = event.node.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{} {node}", event.kind)
    });
    let shown = shown.collect::<Vec<_>>();
    assert_eq!(shown.last().unwrap(), "ended ");
    assert!(shown.contains(&"undo_finished a".to_string()), "{shown:?}");
    let log = x.process.until(x.store.load(&"x".parse().unwrap())).unwrap().unwrap();
    let first = events.first().unwrap().seq as usize;
    let kinds = log.entries[first - 1..].iter().map(|entry| entry.kind.name());
    assert!(kinds.eq(events.iter().map(|event| event.kind.as_str())));
    let failed = events.iter().find(|event| event.kind.as_str() == "failed").unwrap();
    assert_eq!(failed.message.as_deref(), Some("c failed"));
}
