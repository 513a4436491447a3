//! A rolling upgrade: workers with two versions of one saga side by side.

use std::time::{Duration, Instant};

use saga_core::StartError;
use saga_core::prelude::*;
use saga_core::store::PostgresStore;

use crate::database::{count, unfinished};
use crate::shop::{LEASE, Shop, World, database};

mod old {
    use saga_core::prelude::*;

    use crate::shop::{Shop, pay, ship};

    saga! {
        pub(crate) Delivery<Shop>(order: String) -> String {
            pay { order };
            ship { order }
        }
    }
}

mod new {
    use saga_core::prelude::*;

    use crate::shop::{Shop, pay, ship};

    saga! {
        pub(crate) Delivery<Shop>(order: String) -> String {
            pay { order };
            let parcel = ship { order };
            { format!("{parcel}, by the new version") }
        }
    }
}

/// A worker that knows one version.
pub(crate) struct Worker {
    pub(crate) sec: Coordinator<Shop>,
    runtime: tokio::runtime::Runtime,
}

impl Worker {
    pub(crate) fn start<S: saga_core::Saga<Context = Shop>>(url: &str, world: &Shop) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let (runtime, world) = (runtime.unwrap(), world.clone());
        let sec = runtime.block_on(async {
            let store = PostgresStore::options(url).lease(LEASE);
            let store = store.poll_every(Duration::from_millis(200)).connect().await.unwrap();
            Coordinator::builder(world).saga::<S>().store(store).build().await.unwrap()
        });
        Self { sec, runtime }
    }

    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let limited = async { tokio::time::timeout(Duration::from_secs(30), work).await };
        self.runtime.block_on(limited).expect("no hang")
    }
}

#[test]
fn each_worker_takes_only_the_versions_that_it_knows() {
    let (url, world) = (database(), World::new());
    let (first, second) = (
        Worker::start::<old::Delivery>(&url, &world),
        Worker::start::<new::Delivery>(&url, &world),
    );
    for n in 0..20 {
        let start = first.sec.saga(old::Delivery { order: format!("{n}") }).id(format!("old-{n}"));
        first.run(start.start()).unwrap();
        let start = second.sec.saga(new::Delivery { order: format!("{n}") }).id(format!("new-{n}"));
        second.run(start.start()).unwrap();
    }
    // one version's worker can await and steer the sagas of the other
    let cancelled = second.run(second.sec.get::<new::Delivery>("old-0")).unwrap().unwrap();
    second.run(second.sec.operator("ann").cancel("old-0", "a mistake")).unwrap();

    let waits = second.run(second.sec.get::<new::Delivery>("old-1")).unwrap().unwrap();

    // the only worker with the old version dies
    drop(first);
    let died = Instant::now();
    world.open();
    let free = "SELECT count(*) FROM saga WHERE ended_at IS NULL AND id LIKE 'old-%'";
    while unfinished(&url) > count(&url, free) {
        assert!(died.elapsed() < Duration::from_secs(30), "the new sagas end");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(LEASE + Duration::from_secs(1));
    assert_eq!(count(&url, free), 20, "nobody knows the old version any more");
    assert_eq!(waits.status(), SagaStatus::Running);
    // a second request for the same delivery is not accepted: nobody would carry it out
    let again = second.sec.saga(new::Delivery { order: "1".into() }).id("old-1");
    let alive = second.run(second.sec.workers()).unwrap();
    let refused = second.run(again.start()).map(drop);
    assert!(matches!(refused, Err(StartError::UnknownVersion { .. })), "{refused:?} {alive:?}");
    let refused = second.run(second.sec.get::<new::Delivery>("old-1")).map(drop);
    assert!(matches!(refused, Err(StartError::UnknownVersion { .. })), "{refused:?}");
    let unknown = second.sec.unknown_versions();
    assert_eq!((unknown.len(), unknown[0].unfinished), (1, 20));

    // it is started again, and the upgrade goes on once its sagas have ended
    let third = Worker::start::<old::Delivery>(&url, &world);
    for n in 1..20 {
        let handle = third.run(third.sec.get::<old::Delivery>(&format!("old-{n}"))).unwrap();
        assert_eq!(third.run(handle.unwrap().into_future()).unwrap(), format!("shipped {n}"));
    }
    assert_eq!(second.run(waits.into_future()).unwrap(), "shipped 1");
    let ended = second.run(cancelled.into_future());
    assert!(matches!(ended, Err(SagaError::RolledBack(_))), "{ended:?}");
    third.run(third.sec.shutdown(Duration::ZERO)).unwrap();
    assert_eq!(unfinished(&url), 0);
    assert_eq!(second.run(second.sec.workers()).unwrap().len(), 1);
}

#[test]
fn a_saga_that_has_ended_refuses_at_once_even_where_nobody_knows_it() {
    let (url, world) = (database(), World::new());
    world.open();
    let first = Worker::start::<old::Delivery>(&url, &world);
    let start = first.sec.saga(old::Delivery { order: "1".into() }).id("old");
    let handle = first.run(start.start()).unwrap();
    first.run(handle.into_future()).unwrap();
    drop(first);
    let second = Worker::start::<new::Delivery>(&url, &world);
    let asked = Instant::now();
    for refused in [
        second.run(second.sec.operator("ann").cancel("old", "a mistake")),
        second.run(second.sec.operator("ann").pause("old")),
    ] {
        let refused = refused.unwrap_err().to_string();
        assert_eq!(refused, "saga old: the saga has already ended: completed");
    }
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}
