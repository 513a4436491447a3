//! A saga of three steps, and workers that can be killed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::{PostgresOptions, PostgresStore};
use throwaway_postgres::TestDatabase;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// The world outside, which all workers of a test act on.
pub(crate) struct World {
    /// How often each effect was made, by its idempotency key.
    effects: Mutex<BTreeMap<String, u32>>,
    /// `ship` waits for one of these.
    pub(crate) gate: Semaphore,
}

pub(crate) type Shop = Arc<World>;

impl World {
    /// Actions that wait are only let through by `open`.
    pub(crate) fn new() -> Shop {
        Arc::new(Self { effects: Mutex::default(), gate: Semaphore::new(0) })
    }

    pub(crate) fn open(&self) {
        self.gate.add_permits(10_000);
    }

    pub(crate) fn act(&self, key: String) {
        *self.effects.lock().unwrap().entry(key).or_default() += 1;
    }

    /// How often effects were made.
    pub(crate) fn calls(&self) -> u32 {
        self.effects.lock().unwrap().values().sum()
    }

    /// How many different effects there were.
    pub(crate) fn effects(&self) -> usize {
        self.effects.lock().unwrap().len()
    }
}

#[saga_action(no_undo)]
pub(crate) async fn pay(cx: &ActionContext<Shop>, order: &str) -> Result<String, String> {
    cx.user_context().act(cx.idempotency_key().to_string());
    Ok(format!("paid {order}"))
}

#[saga_action(no_undo)]
pub(crate) async fn ship(cx: &ActionContext<Shop>, order: &str) -> Result<String, String> {
    let _pass = cx.user_context().gate.acquire().await.map_err(|e| e.to_string())?;
    cx.user_context().act(cx.idempotency_key().to_string());
    Ok(format!("shipped {order}"))
}

saga! {
    pub(crate) Order<Shop>(order: String) -> String {
        let payment = pay { order };
        let parcel = ship { order };
        { format!("{payment}, {parcel}") }
    }
}

/// A new database, which is removed when it is dropped.
pub(crate) fn database() -> TestDatabase {
    throwaway_postgres::new_database().unwrap()
}

/// A worker with a runtime of its own. Dropping it is like a kill: nothing is released.
pub(crate) struct Worker {
    pub(crate) sec: Coordinator<Shop>,
    runtime: Option<Runtime>,
}

/// The output of an order.
pub(crate) fn output(order: &str) -> String {
    format!("paid {order}, shipped {order}")
}

/// A short lease, so that tests do not take long.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

impl Worker {
    pub(crate) fn start(url: &str, world: &Shop) -> Self {
        Self::with(url, world, |options| options)
    }

    /// A worker that connects with other options.
    pub(crate) fn with(
        url: &str,
        world: &Shop,
        options: impl FnOnce(PostgresOptions) -> PostgresOptions,
    ) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let world = world.clone();
        let usual = PostgresStore::options(url).lease(LEASE);
        let options = options(usual.poll_every(Duration::from_millis(200)));
        let build = async move {
            let store = options.connect().await.unwrap();
            Coordinator::builder(world).saga::<Order>().store(store).build().await.unwrap()
        };
        let sec = runtime.block_on(build);
        Self { sec, runtime: Some(runtime) }
    }

    /// Runs something on the worker's runtime.
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let limited = async { tokio::time::timeout(Duration::from_secs(30), work).await };
        self.runtime.as_ref().unwrap().block_on(limited).expect("no hang")
    }

    pub(crate) fn begin(&self, id: &str) -> SagaHandle<Order> {
        self.run(self.try_to_begin(id)).unwrap()
    }

    pub(crate) async fn try_to_begin(&self, id: &str) -> Result<SagaHandle<Order>, StartError> {
        self.sec.saga(Order { order: id.into() }).id(id).start().await
    }

    pub(crate) fn get(&self, id: &str) -> SagaHandle<Order> {
        self.run(self.sec.get::<Order>(id)).unwrap().unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
