//! Calls that are cut off by a timeout or by the death of their process, and what the saga shows
//! meanwhile.

use std::sync::Arc;
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::{CoordinatorBuilder, Saga, UndoError};

use crate::common::world::{Cx, Do, Fixture, World, act, bare, out, plain, unact};

type W = Arc<World>;

/// Its undo needs the output, and an attempt may take a second. Neither the attempt that only finds out what there
/// is to undo, nor the undo, hears that the saga is cancelled.
#[saga_action(undo = unlong(output), timeout = "1s")]
async fn long(cx: &Cx) -> Result<String, String> {
    if cx.attempt() > 1 {
        hears_nothing(cx).await;
    }
    act(cx).await
}
async fn unlong(cx: &Cx, _output: &str) -> Result<(), UndoError> {
    hears_nothing(cx).await;
    unact(cx, "").await
}

async fn hears_nothing(cx: &Cx) {
    let heard = tokio::time::timeout(Duration::from_millis(1), cx.cancelled()).await;
    assert!(heard.is_err() && !cx.is_cancelled(), "{} hears it", cx.node_path());
}

saga! { Long<W>() -> String { let a = out {}; let b = long {}; { format!("{a}{b}") } } }
saga! { Two<W>() -> String { let a = plain {}; let b = bare {}; { format!("{a}{b}") } } }

fn sagas(builder: CoordinatorBuilder<W>) -> CoordinatorBuilder<W> {
    builder.saga::<Long>().saga::<Two>()
}

fn begun<S: Saga<Context = W>>(saga: S, scripts: &[(&str, &[Do])]) -> Fixture {
    let x = Fixture::new(scripts, sagas);
    x.process.until(x.process.sec.saga(saga).id("x").start()).unwrap();
    x
}

#[test]
fn an_attempt_that_timed_out_is_in_doubt() {
    let x = begun(Long {}, &[("b", &[Do::Hangs])]);
    assert!(matches!(x.end::<Long>(), Err(SagaError::RolledBack(_))));
    assert_eq!(x.world.said()[1..], ["do b", "do b", "undo b", "undone b", "undo a", "undone a"]);
    assert_eq!(x.world.effects(), [""; 0]);
    assert!(x.kinds().contains(&"in_doubt") && !x.kinds().contains(&"failed"), "{:?}", x.kinds());
}

#[test]
fn a_call_that_obtains_an_output_to_undo_is_not_cancelled() {
    let mut x = begun(Long {}, &[("b", &[Do::Hangs])]);
    x.process.until(x.world.hears("do b", 1));
    // the answer to the cancel comes once it is in the log
    x.process.until(x.operator.cancel("x", "enough")).unwrap();
    x.kill_and_restart();
    assert!(matches!(x.end::<Long>(), Err(SagaError::RolledBack(_))));
    assert_eq!(x.world.count("do b"), 2, "{:?}", x.world.said());
    assert_eq!(x.world.effects(), [""; 0]);
}

/// Who lists the sagas sees when each goes on.
#[test]
fn a_saga_that_waits_says_until_when() {
    let x = begun(Two {}, &[("a", &[Do::Fails])]);
    let waits = async {
        x.world.hears("do a", 1).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    x.process.until(waits);
    let record = x.stored().record;
    let wake = record.wake_at.expect("it waits for its retry");
    assert!(wake > record.updated_at, "{record:?}");
    assert_eq!(x.end::<Two>().unwrap(), "ab");
    assert_eq!(x.stored().record.wake_at, None, "it has ended");
}

/// With the first entry already.
#[test]
fn a_saga_with_a_deadline_says_when_that_is() {
    let x = Fixture::new(&[("a", &[Do::Waits])], sagas);
    let start = x.process.sec.saga(Two {}).id("x").deadline(Duration::from_secs(60)).start();
    x.process.until(start).unwrap();
    let record = x.stored().record;
    assert!(record.deadline.is_some());
    assert_eq!(record.wake_at, record.deadline);
}

/// It took its process down again and again; once it is told to go on, it does.
#[test]
fn a_parked_saga_that_is_woken_is_not_parked_again() {
    let mut x = begun(Two {}, &[("a", &[Do::Hangs; 50])]);
    let mut lives = 0;
    while x.stored().record.parked_reason.is_none() {
        lives += 1;
        assert!(lives < 50, "{:?}", x.kinds());
        let hour = Duration::from_secs(3600);
        let heard = async { tokio::time::timeout(hour, x.world.hears("do a", lives)).await };
        if x.process.until(heard).is_ok() {
            x.kill_and_restart();
        }
    }
    x.world.script("a", []);
    // whatever it is asked for while it is parked, and whoever runs it then
    x.process.until(x.operator.pause("x")).unwrap();
    x.kill_and_restart();
    x.process.until(x.operator.resume("x")).unwrap();
    x.kill_and_restart();
    x.process.until(x.operator.unpark("x")).unwrap();
    assert_eq!(x.end::<Two>().unwrap(), "ab");
    assert_eq!(x.kinds().iter().filter(|kind| **kind == "parked").count(), 1, "{:?}", x.kinds());
}
