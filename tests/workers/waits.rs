//! Sagas that wait belong to no worker: whichever is there wakes them.

use std::time::{Duration, Instant};

use saga_core::operator::Answer;
use saga_core::prelude::*;
use saga_core::store::{ListFilter, PostgresStore};

use crate::network::until;
use crate::shop::{LEASE, database};

#[saga_event]
struct Paid {
    cents: u64,
}

saga! {
    Rest<()>(millis: u64) -> u64 {
        sleep { duration: Duration::from_millis(*millis) };
        { *millis }
    }
    Invoice<()>() -> u64 {
        let paid = wait_for::<Paid> {};
        { paid.cents }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn worker(url: &str) -> Coordinator<()> {
    let options = PostgresStore::options(url).lease(LEASE).poll_every(Duration::from_millis(200));
    let store = options.connect().await.unwrap();
    let sec = Coordinator::builder(()).saga::<Rest>().saga::<Invoice>();
    sec.store(store).build().await.unwrap()
}

/// Until so many sagas wait in the store, and are in the memory of no worker.
fn until_waiting(of: &tokio::runtime::Runtime, sec: &Coordinator<()>, sagas: usize) {
    until("sagas wait", || {
        let filter = ListFilter { suspended: Some(true), ..ListFilter::default() };
        of.block_on(sec.list(filter)).unwrap().len() == sagas && sec.health().running == 0
    });
}

/// The worker that started them dies while they wait. Its handles are those of another worker from the beginning.
#[test]
fn sagas_that_wait_are_woken_by_any_worker() {
    let url = database();
    let (dies, lives) = (runtime(), runtime());
    let first = dies.block_on(worker(&url));
    let second = lives.block_on(worker(&url));
    let begun = Instant::now();
    dies.block_on(async {
        first.saga(Rest { millis: 4000 }).id("rest").start().await.unwrap();
        first.saga(Invoice {}).id("invoice").start().await.unwrap();
    });
    until_waiting(&dies, &first, 2);
    dies.shutdown_background();
    lives.block_on(async {
        let invoice = second.get::<Invoice>("invoice").await.unwrap().unwrap();
        assert_eq!(second.signal("invoice", Paid { cents: 7 }).await.unwrap(), Answer::Done);
        assert_eq!(invoice.await.unwrap(), 7);
        let rest = second.get::<Rest>("rest").await.unwrap().unwrap();
        assert_eq!(rest.await.unwrap(), 4000);
    });
    assert!(begun.elapsed() >= Duration::from_secs(4));
}

/// A handle of one worker follows a saga that another one wakes; many that are due at one time are each woken once.
#[test]
fn many_that_are_due_at_once_are_each_woken_once() {
    const SAGAS: usize = 300;
    let url = database();
    let (one, two) = (runtime(), runtime());
    let (first, second) = (one.block_on(worker(&url)), two.block_on(worker(&url)));
    let handles = one.block_on(async {
        let starts =
            (0..SAGAS).map(|i| first.saga(Rest { millis: 5000 }).id(format!("s{i}")).start());
        futures_util::future::try_join_all(starts).await.unwrap()
    });
    let outputs = one.block_on(futures_util::future::try_join_all(
        handles.into_iter().map(IntoFuture::into_future),
    ));
    assert_eq!(outputs.unwrap(), [5000; SAGAS]);
    let all = ListFilter { limit: SAGAS, ..ListFilter::default() };
    let records = two.block_on(second.list(all)).unwrap();
    assert!(records.iter().all(|record| record.status == SagaStatus::Completed));
    // none was claimed twice; one that took long to start may not have left memory at all
    assert!(records.iter().all(|record| record.epoch <= 2));
    assert!(records.iter().any(|record| record.epoch == 2));
}
