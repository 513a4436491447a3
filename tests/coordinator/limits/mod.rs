//! Limits on the calls in flight: of a `for`, of a saga, of an action, of a coordinator.

mod everywhere;
mod self_blocking;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use saga_core::CoordinatorBuilder;
use saga_core::operator::Answer;
use saga_core::prelude::*;

/// How many calls are under way, and how many there ever were at once.
#[derive(Default)]
struct Meter {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Meter {
    async fn pass(&self) {
        self.most.fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.now.fetch_sub(1, SeqCst);
    }

    /// The most until now; counts anew.
    fn read(&self) -> usize {
        self.most.swap(0, SeqCst)
    }
}

#[derive(Default)]
struct Meters {
    all: Meter,
    calls: Meter,
}

type W = Arc<Meters>;

#[saga_action(undo = uncall())]
async fn call(cx: &ActionContext<W>) -> Result<(), String> {
    tokio::join!(cx.all.pass(), cx.calls.pass());
    Ok(())
}
async fn uncall(cx: &ActionContext<W>) -> Result<(), String> {
    tokio::join!(cx.all.pass(), cx.calls.pass());
    Ok(())
}

#[saga_action(no_undo)]
async fn look(cx: &ActionContext<W>) -> Result<(), String> {
    cx.all.pass().await;
    Ok(())
}

saga! {
    /// Eight calls and eight looks side by side.
    Wide<W>(items: Vec<u32>) {
        parallel {
            let _calls = for _item in items { call {} };
            let _looks = for _item in items { look {} };
        }
    }
    Narrow<W>(items: Vec<u32>) {
        #[concurrency = 3]
        let _calls = for _item in items { call {} };
    }
}

fn items() -> Vec<u32> {
    (0..8).collect()
}

/// Three wide sagas at once: how many calls there were in flight, of all actions and of `call`; and how many
/// of its undos, when all three are rolled back.
async fn most(limit: impl Fn(CoordinatorBuilder<W>) -> CoordinatorBuilder<W>) -> [usize; 3] {
    let meters = W::default();
    let builder = limit(Coordinator::builder(meters.clone()).saga::<Wide>());
    let sec = builder.build().await.unwrap();
    let mut sagas = Vec::new();
    for id in ["x", "y", "z"] {
        sagas.push(sec.saga(Wide { items: items() }).id(id).start().await.unwrap());
    }
    for saga in sagas {
        saga.await.unwrap();
    }
    let (all, calls) = (meters.all.read(), meters.calls.read());
    for id in ["x", "y", "z"] {
        let asked = sec.operator("me").rollback(id, "how many undos?").await.unwrap();
        assert_eq!(asked, Answer::Done);
    }
    for id in ["x", "y", "z"] {
        let end = sec.get::<Wide>(id).await.unwrap().unwrap().await;
        assert!(matches!(end, Err(SagaError::RolledBack(_))), "{end:?}");
    }
    [all, calls, meters.calls.read()]
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_all_are_in_flight() {
    assert_eq!(most(|builder| builder).await, [48, 24, 24]);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_has_a_limit_for_all_of_its_sagas() {
    assert_eq!(most(|builder| builder.max_calls(10)).await[0], 10);
    assert_eq!(most(|builder| builder.max_calls(5)).await[2], 5);
}

#[tokio::test(start_paused = true)]
async fn an_action_and_its_undo_have_a_limit_in_all_sagas() {
    assert_eq!(most(|builder| builder.max_calls_of("call", 4)).await, [28, 4, 4]);
    let both = most(|builder| builder.max_calls_of("call", 4).max_calls(7)).await;
    assert_eq!(both, [7, 4, 4]);
}

#[tokio::test(start_paused = true)]
async fn each_saga_has_a_limit_of_its_own() {
    let [all, _, undos] = most(|builder| builder.max_concurrency(2)).await;
    assert_eq!((all, undos), (6, 6));
}

#[tokio::test(start_paused = true)]
async fn a_for_has_a_limit() {
    let meters = W::default();
    let sec = Coordinator::builder(meters.clone()).saga::<Narrow>().build().await.unwrap();
    sec.run(Narrow { items: items() }).await.unwrap();
    assert_eq!(meters.calls.read(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_wide_saga_does_not_delay_a_small_one() {
    let builder = Coordinator::builder(W::default()).saga::<Narrow>().saga::<Wide>();
    let sec = builder.max_calls(10).build().await.unwrap();
    let wide = sec.saga(Wide { items: (0..500).collect() }).start().await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let began = tokio::time::Instant::now();
    sec.run(Narrow { items: vec![1] }).await.unwrap();
    // the calls that were there, and its own
    assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
    wide.await.unwrap();
    assert!(began.elapsed() <= Duration::from_secs(101), "and no room is left empty");
}

#[tokio::test]
async fn a_limit_for_an_unknown_action_is_an_error() {
    let builder = Coordinator::builder(W::default()).saga::<Wide>();
    let error = builder.max_calls_of("cal", 1).build().await.err().map(|e| e.to_string());
    let expected = "action `cal` is not registered; did you mean `call`?";
    assert_eq!(error.as_deref(), Some(expected));
    let mut actions = saga_core::action::ActionRegistry::<W>::new();
    actions.register(saga_core::action::ActionConstant::new("region", 1_u32).unwrap()).unwrap();
    let builder = Coordinator::builder(W::default()).actions(actions).max_calls_of("region", 1);
    builder.build().await.unwrap();
}
