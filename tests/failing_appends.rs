//! An append that fails, whichever it is: the saga stops there and then, its handle says so, and another
//! process brings it to its end.

#[path = "common/breaking.rs"]
mod breaking;
#[path = "common/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use breaking::Breaking;
use saga_core::prelude::*;
use saga_core::{Answer, CoordinatorBuilder, OperateError, Refusal, StartError};
use serde_json::Value;
use world::{Do, Process, World, bare, maybe, out, plain};

type W = Arc<World>;

saga! {
    #[allow(unused_variables)]
    Side<W>() -> String {
        let a = out {};
        parallel {
            let b = maybe {};
            let c = plain {};
        }
        let d = bare {};
        let e = out {};
        { e.clone() }
    }
}

const NODES: [&str; 4] = ["a", "b", "c", "e"];

fn sagas(builder: CoordinatorBuilder<W>) -> CoordinatorBuilder<W> {
    builder.saga::<Side>()
}

/// A saga with these scripts, and what an operator does meanwhile.
struct Case {
    name: &'static str,
    scripts: &'static [(&'static str, &'static [Do])],
    operator: bool,
}

const CASES: [Case; 4] = [
    Case { name: "forward", scripts: &[("c", &[Do::Fails])], operator: false },
    Case { name: "unwinding", scripts: &[("e", &[Do::Fails])], operator: false },
    Case {
        name: "undos that fail",
        scripts: &[("e", &[Do::Panics]), ("undo c", &[Do::Fails]), ("undo e", &[Do::Fails])],
        operator: false,
    },
    Case { name: "operators", scripts: &[("undo b", &[Do::FailsForGood])], operator: true },
];

/// What an operator does, as long as the store does not fail; all of it is answered.
async fn steer(process: &Process, store: &Breaking) {
    let alice = process.sec.operator("alice");
    type Asked = Result<Answer, OperateError>;
    let heard = |asked: Asked| match asked {
        Ok(_) | Err(OperateError::Refused { .. }) => store.failed().is_none(),
        Err(_) if store.failed().is_some() => false,
        Err(error) => panic!("{error}"),
    };
    let tells = async {
        heard(alice.pause("x").await)
            && heard(alice.step("x").await)
            && heard(alice.step("x").await)
            && heard(alice.resume("x").await)
            && heard(alice.cancel("x", "enough").await)
            && ended(process).await
            && heard(alice.rollback("x", "enough").await)
            && ended(process).await
            && heard(alice.retry_undo("x", "b").await)
            && ended(process).await
            && heard(alice.retry_all("x").await)
    };
    tells.await;
}

async fn ended(process: &Process) -> bool {
    let found = process.sec.get::<Value>("x").await.unwrap().unwrap();
    !matches!(found.await, Err(SagaError::Store { .. }))
}

/// Runs a case whose write number `at` fails; false if it has fewer.
fn run(case: &Case, at: usize, lands: bool) -> bool {
    let what = format!("{}, write {at}, lands: {lands}", case.name);
    let world = Arc::new(World::default());
    for (call, script) in case.scripts {
        world.script(call, script.iter().copied());
    }
    let store = Breaking::new(&world, at, lands);
    let process = Process::start(&world, &store, sagas);
    let started = process.until(process.sec.saga(Side {}).id("x").start());
    match &started {
        Err(error) => {
            assert!(matches!(error, StartError::Store(_)), "{what}: {error}");
            assert_eq!((at, world.said().len()), (1, 0), "{what}");
        }
        Ok(handle) => {
            if case.operator {
                process.until(steer(&process, &store));
            }
            // a saga that was taken up again for what the operator asked may be paused
            if !case.operator || store.failed().is_none() {
                let end = process.until(async { handle.clone().await });
                if store.failed().is_some() {
                    let Err(error @ SagaError::Store { .. }) = end else {
                        panic!("{what}: {end:?}")
                    };
                    let said =
                        "saga x stopped, and goes on when it is recovered: disk: no space left";
                    assert_eq!(error.to_string(), said, "{what}");
                }
            }
        }
    }
    if let (Some(calls), false) = (store.failed(), case.operator) {
        // it does not begin anything for as long as this process lives
        process.until(async { tokio::time::sleep(Duration::from_secs(300)).await });
        assert_eq!(world.said().len(), calls, "{what}: {:?}", world.said());
    }
    drop(process);

    // another process, with room on its disk
    let process = Process::start(&world, &store.memory, sagas);
    let found = process.until(process.sec.get::<Value>("x")).unwrap();
    let Some(found) = found else {
        assert!(at == 1 && !lands, "{what}: it is lost");
        return true;
    };
    let alice = process.sec.operator("alice");
    // it may have been left paused
    match process.until(alice.resume("x")) {
        Ok(_) | Err(OperateError::Refused { .. }) => {}
        Err(error) => panic!("{what}: {error}"),
    }
    let mut end = process.until(async { found.await });
    if matches!(end, Err(SagaError::Stuck(_))) {
        process.until(alice.retry_all("x")).unwrap();
        end = process.until(async { process.sec.get::<Value>("x").await.unwrap().unwrap().await });
    }
    match end {
        Ok(_) => assert_eq!(world.effects(), [&NODES[..3], &["d", "e"]].concat(), "{what}"),
        Err(SagaError::RolledBack(_)) => {
            let left = world.effects().into_iter().filter(|node| node != "d").collect::<Vec<_>>();
            assert!(left.is_empty(), "{what}: {left:?}");
        }
        Err(other) => panic!("{what}: {other}"),
    }
    process.until(process.sec.inspect("x")).expect("a log that folds");
    store.failed().is_some()
}

saga! {
    Point<W>() -> String {
        let a = out {};
        #[pivot]
        let p = maybe {};
        { format!("{a} {p}") }
    }
}

/// A cancel that is not in the log is not held, whatever the saga's state says that has failed to be written.
#[test]
fn nobody_is_told_that_a_request_is_held_before_it_is_in_the_log() {
    // 1: it is created; 2: the pivot starts; 3: somebody cancels
    for lands in [false, true] {
        let world = Arc::new(World::default());
        world.script("p", [Do::Hangs]);
        let store = Breaking::new(&world, 3, lands);
        let process = Process::start(&world, &store, |builder| builder.saga::<Point>());
        let handle = process.until(process.sec.saga(Point {}).id("x").start()).unwrap();
        process.until(world.hears("do p", 1));
        let told = process.until(process.sec.operator("alice").cancel("x", "enough"));
        assert!(store.failed().is_some(), "lands: {lands}");
        // the saga was taken up again for the request, and its pivot works this time
        assert_eq!(process.until(async { handle.await }).unwrap(), "a p", "lands: {lands}");
        let why = Refusal::PastPivot { pivot: "p".into() };
        assert_eq!(world::refusal(told), why, "lands: {lands}");
        let view = process.until(process.sec.inspect("x")).unwrap().unwrap();
        let kinds = view.log.entries().iter().map(|entry| entry.kind.name());
        assert_eq!(kinds.filter(|kind| *kind == "requested").count(), 1, "lands: {lands}");
    }
}

#[test]
fn whichever_append_fails_the_saga_stops_and_nothing_is_lost() {
    for case in &CASES {
        for lands in [false, true] {
            let writes = (1..100).find(|at| !run(case, *at, lands)).expect("an end") - 1;
            assert!(writes >= 6, "{}: {writes} writes", case.name);
        }
    }
}
