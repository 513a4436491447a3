//! Workers of a shared store whose leases end: after that none of their calls begins, and once a lease can be renewed
//! again, everything goes on.

mod executor;
mod in_flight;
mod outage;
mod requests;
mod while_it_runs;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::{LeaseTerms, WorkerId};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::common::scripted_store::{Call, ScriptedStore, no_space};

/// Short, so that tests do not take long, and longer than a busy machine delays a renewal.
const LEASE: Duration = Duration::from_millis(600);
/// How long it is made sure that nothing happens.
const A_WHILE: Duration = Duration::from_millis(250);

type W = Arc<World>;

/// What the calls of all workers of a test act on.
#[derive(Default)]
struct World {
    /// The calls that have begun, in order.
    begun: Mutex<Vec<String>>,
    heard: watch::Sender<usize>,
    /// Calls that wait.
    closed: watch::Sender<BTreeSet<String>>,
    /// How often calls fail.
    failures: Mutex<BTreeMap<String, u32>>,
}

impl World {
    /// A world in which these calls wait.
    fn with_closed(calls: &[&str]) -> W {
        let world = W::default();
        world.closed.send_replace(calls.iter().map(ToString::to_string).collect());
        world
    }

    fn open(&self) {
        self.closed.send_replace(BTreeSet::new());
    }

    /// Makes a call fail so many times.
    fn fail(&self, call: &str, times: u32) {
        self.failures.lock().unwrap().insert(call.to_string(), times);
    }

    fn begun(&self) -> Vec<String> {
        self.begun.lock().unwrap().clone()
    }

    async fn hears(&self, call: &str) {
        let mut heard = self.heard.subscribe();
        let heard = heard.wait_for(|_| self.begun().iter().any(|begun| begun == call));
        drop(timeout(Duration::from_secs(20), heard).await.expect("it begins"));
    }

    async fn act(&self, call: String) -> Result<String, String> {
        self.begun.lock().unwrap().push(call.clone());
        self.heard.send_modify(|n| *n += 1);
        let mut closed = self.closed.subscribe();
        drop(closed.wait_for(|closed| !closed.contains(&call)).await);
        match self.failures.lock().unwrap().get_mut(&call) {
            Some(times @ 1..) => {
                *times -= 1;
                Err(format!("{call} fails"))
            }
            Some(0) | None => Ok(call),
        }
    }
}

#[saga_action(undo = undo_step(name), undo_retry(max = 5, base = "800ms", jitter = 0.0))]
async fn step(cx: &ActionContext<W>, name: &str) -> Result<String, String> {
    cx.user_context().act(format!("do {name}")).await
}

#[saga_action(undo = undo_step(name), retry(max = 5, base = "800ms", jitter = 0.0))]
async fn patient(cx: &ActionContext<W>, name: &str) -> Result<String, String> {
    cx.user_context().act(format!("do {name}")).await
}

async fn undo_step(cx: &ActionContext<W>, name: &str) -> Result<(), String> {
    cx.user_context().act(format!("undo {name}")).await.map(drop)
}

/// Keeps its thread.
#[saga_action(no_undo)]
async fn block(cx: &ActionContext<W>, millis: u64) -> Result<(), String> {
    cx.user_context().act("do block".to_string()).await?;
    std::thread::sleep(Duration::from_millis(millis));
    Ok(())
}

saga! {
    /// One after the other.
    Pair<W>() -> String {
        let _a = step { name: "a" };
        let b = step { name: "b" };
        b
    }
    /// The second is tried again.
    Retried<W>() -> String {
        let _a = step { name: "a" };
        let b = patient { name: "b" };
        b
    }
    /// All at the same time, as far as there are permits.
    Each<W>(names: Vec<String>) -> usize {
        let done = for name in names { step { name } };
        { done.len() }
    }
    /// Two at the same time.
    Both<W>() {
        parallel {
            let _a = step { name: "a" };
            let _b = step { name: "b" };
        }
    }
    /// The first of two keeps the thread.
    Blocks<W>(millis: u64) {
        parallel {
            block { millis: *millis };
            step { name: "b" };
        }
    }
}

fn store() -> ScriptedStore {
    let mut terms = LeaseTerms::new(LEASE);
    terms.poll_every = Duration::from_millis(50);
    ScriptedStore::leased(terms)
}

fn builder(world: &W, store: &ScriptedStore) -> saga_core::CoordinatorBuilder<W> {
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    builder.saga::<Pair>().saga::<Retried>().saga::<Each>().saga::<Both>().saga::<Blocks>()
}

/// How a renewal does not succeed.
#[derive(Debug, Clone, Copy)]
enum Renewal {
    Fails,
    Hangs,
}

/// No lease of this worker can be renewed from now on, while everything else works.
fn no_renewal(store: &ScriptedStore, worker: &WorkerId, how: Renewal) {
    let renewal = Call::Renew(worker.as_str().to_string());
    store.before(move |call| {
        if *call != renewal {
            return None;
        }
        Some(match how {
            Renewal::Fails => Box::pin(async { Err(no_space()) }),
            Renewal::Hangs => Box::pin(std::future::pending()),
        })
    });
}

/// Waits until the lease of this worker has ended, and the worker knows it.
async fn until_lease_ends(worker: &WorkerId, store: &ScriptedStore) {
    until(|| !store.is_alive(worker)).await;
    sleep(Duration::from_millis(50)).await;
}

async fn until(is: impl Fn() -> bool) {
    soon(async {
        while !is() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Waits for longer than anything here takes, so that a hang is a failure.
async fn soon<T>(future: impl IntoFuture<Output = T>) -> T {
    timeout(Duration::from_secs(20), future.into_future()).await.expect("no hang")
}
