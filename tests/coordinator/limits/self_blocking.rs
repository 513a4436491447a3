//! Actions that await sagas of their own coordinator and would wait for a permit that they hold
//! themselves.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use saga_core::CoordinatorBuilder;
use saga_core::prelude::*;
use saga_core::store::LeaseTerms;
use tokio::sync::Barrier;

use crate::common::scripted_store::ScriptedStore;

/// Sagas that know their coordinator.
struct Us {
    sec: OnceLock<Coordinator<Arc<Us>>>,
    /// As many as meet before one of them waits.
    meet: Barrier,
}

type W = Arc<Us>;

#[saga_action(no_undo)]
async fn look(cx: &ActionContext<W>) -> Result<u32, String> {
    assert!(cx.sec.get().is_some());
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(7)
}
saga! { Child<W>() -> u32 { let seven = look {}; seven } }

#[saga_action(no_undo)]
async fn ask(cx: &ActionContext<W>) -> Result<u32, String> {
    cx.meet.wait().await;
    let sec = cx.sec.get().ok_or("not built")?;
    sec.run(Child {}).await.map_err(|error| error.to_string())
}
saga! { Parent<W>() -> u32 { let seven = ask {}; seven } }

#[saga_action(no_undo)]
async fn ask_asker(cx: &ActionContext<W>) -> Result<u32, String> {
    let sec = cx.sec.get().ok_or("not built")?;
    sec.run(Parent {}).await.map_err(|error| error.to_string())
}
saga! { Grandparent<W>() -> u32 { let seven = ask_asker {}; seven } }

#[saga_action(no_undo)]
async fn ask_itself(cx: &ActionContext<W>) -> Result<u32, String> {
    let sec = cx.sec.get().ok_or("not built")?;
    let me = sec.get::<Itself>(cx.saga_id().as_str()).await.map_err(|error| error.to_string())?;
    me.ok_or("not there")?.await.map_err(|error| error.to_string())
}
saga! { Itself<W>() -> u32 { let never = ask_itself {}; never } }

/// Waits for another saga, whose last call is of this action, too.
#[saga_action(no_undo)]
async fn pass_on(cx: &ActionContext<W>, first: bool) -> Result<u32, String> {
    let sec = cx.sec.get().ok_or("not built")?;
    if !first {
        return Ok(7);
    }
    sec.run(Last {}).await.map_err(|error| error.to_string())
}
saga! { First<W>() -> u32 { let seven = pass_on { first: true }; seven } }
saga! {
    Last<W>() -> u32 {
        let looked = look {};
        let seven = pass_on { first: *looked == 0 };
        seven
    }
}

async fn us(
    meet: usize,
    bounds: impl Fn(CoordinatorBuilder<W>) -> CoordinatorBuilder<W>,
) -> Coordinator<W> {
    let us = Arc::new(Us { sec: OnceLock::new(), meet: Barrier::new(meet) });
    let sec = Coordinator::builder(us.clone()).saga::<Child>().saga::<Parent>();
    let sec = sec.saga::<First>().saga::<Last>();
    let sec = bounds(sec.saga::<Grandparent>().saga::<Itself>()).build().await.unwrap();
    let _ = us.sec.set(sec.clone());
    sec
}

async fn soon<T>(end: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(1_000), end).await.expect("it hangs")
}

fn says_why(end: Result<u32, SagaError>) {
    let error = end.unwrap_err();
    assert!(error.to_string().contains("which cannot proceed before that node ends"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_wait_for_its_own_permit_gets_an_error() {
    let sec = us(1, |builder| builder.max_calls(1)).await;
    says_why(soon(sec.run(Parent {})).await);
    assert_eq!(soon(sec.run(Child {})).await.unwrap(), 7);
    let sec = us(1, |builder| builder.max_calls_of("look", 1).max_calls_of("ask", 1)).await;
    assert_eq!(soon(sec.run(Parent {})).await.unwrap(), 7);
    assert_eq!(soon(sec.run(Grandparent {})).await.unwrap(), 7);
    let sec = us(1, |builder| builder.max_calls(2)).await;
    assert_eq!(soon(sec.run(Parent {})).await.unwrap(), 7);
    says_why(soon(sec.run(Grandparent {})).await);
}

/// The permit that the child of the call waits for is held by a call that waits for nobody.
#[tokio::test(start_paused = true)]
async fn a_call_may_wait_for_a_saga_that_waits_for_its_turn() {
    for limited in [2, 1] {
        let sec = us(1, |builder| match limited {
            2 => builder.max_calls(2),
            _ => builder.max_calls_of("look", 1),
        });
        let sec = sec.await;
        let other = sec.saga(Child {}).start().await.unwrap();
        assert_eq!(soon(sec.run(Parent {})).await.unwrap(), 7);
        assert_eq!(soon(other).await.unwrap(), 7);
    }
}

/// Awaits the saga of another coordinator that has the same id as its own.
#[saga_action(no_undo)]
async fn ask_namesake(cx: &ActionContext<W>) -> Result<u32, String> {
    let sec = cx.sec.get().ok_or("not built")?;
    let namesake = sec.saga(Child {}).id(cx.saga_id().as_str()).start().await;
    namesake.map_err(|error| error.to_string())?.await.map_err(|error| error.to_string())
}
saga! { Namesake<W>() -> u32 { let seven = ask_namesake {}; seven } }

#[tokio::test(start_paused = true)]
async fn a_call_may_wait_for_a_saga_of_another_coordinator_with_the_id_of_its_own() {
    let us = Arc::new(Us { sec: OnceLock::new(), meet: Barrier::new(1) });
    let theirs = Coordinator::builder(us.clone()).saga::<Child>().build().await.unwrap();
    assert!(us.sec.set(theirs).is_ok());
    let ours = Coordinator::builder(us).saga::<Namesake>().build().await.unwrap();
    let saga = ours.saga(Namesake {}).id("same").start().await.unwrap();
    assert_eq!(soon(saga).await.unwrap(), 7);
}

/// It waits already when the saga that it waits for comes to want its room.
#[tokio::test(start_paused = true)]
async fn a_call_gets_an_error_as_soon_as_it_blocks_its_own_child() {
    let sec = us(1, |builder| builder.max_calls_of("pass_on", 1)).await;
    let first = sec.saga(First {}).start().await.unwrap();
    says_why(soon(first).await);
    let sec = us(1, |builder| builder.max_calls_of("pass_on", 2)).await;
    assert_eq!(soon(sec.run(First {})).await.unwrap(), 7);
}

/// The limit is over all workers of a store, and this one has all of it. With one more, it must not be taken to be blocked
/// while it has to ask for that one.
#[tokio::test]
async fn a_call_that_would_wait_for_the_last_permit_of_all_workers_gets_an_error() {
    let us = async |calls| {
        let store = ScriptedStore::leased(LeaseTerms::new(Duration::from_secs(10)));
        us(1, |builder| builder.store(store.clone()).max_calls_of_everywhere("pass_on", calls))
            .await
    };
    says_why(soon(us(1).await.run(First {})).await);
    assert_eq!(soon(us(2).await.run(First {})).await.unwrap(), 7);
}

/// Each of them alone has room enough.
#[tokio::test(start_paused = true)]
async fn one_of_two_calls_that_block_each_other_gets_an_error() {
    let sec = us(3, |builder| builder.max_calls(3)).await;
    let mut parents = Vec::new();
    for _ in 0..3 {
        parents.push(sec.saga(Parent {}).start().await.unwrap());
    }
    let mut told = Vec::new();
    for parent in parents {
        told.extend(soon(parent).await.err());
    }
    assert_eq!(told.len(), 1, "{told:?}");
    says_why(Err(told.remove(0)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_own_saga_gets_an_error() {
    let sec = us(1, |builder| builder).await;
    says_why(soon(sec.run(Itself {})).await);
}
