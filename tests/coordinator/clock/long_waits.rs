//! Very long waits: the longest possible ones, and those that a test skips on a paused clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime};

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::log::{Timestamp, Uuid};
use saga_core::operator::{Answer, Request};
use saga_core::prelude::*;
use saga_core::store::{
    Append, Created, FileStore, ListFilter, MemoryStore, NewSaga, Purge, SagaRecord, SagaVersion,
    SqliteStore, Store, StoreError, StoredSaga, Suspension, WorkerId,
};
use saga_core::{Retry, SagaId, SagaStatus, StartError};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[saga_action(no_undo, retry(max = 2, base = "240h", cap = "240h", jitter = 0))]
async fn trial(cx: &ActionContext<()>) -> Result<(), String> {
    if cx.attempt() == 1 { Err("the trial is running".into()) } else { Ok(()) }
}

saga! { Trial<()>() { trial {}; } }

type Answered<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Counts how often it is looked for requests.
struct Counting<S>(S, Arc<AtomicU32>);

impl<S: Store> Store for Counting<S> {
    fn create(&self, saga: NewSaga) -> Answered<'_, Created> {
        self.0.create(saga)
    }
    fn append(&self, append: Append) -> Answered<'_, ()> {
        self.0.append(append)
    }
    fn load(&self, id: &SagaId) -> Answered<'_, Option<StoredSaga>> {
        self.0.load(id)
    }
    fn list(&self, filter: ListFilter) -> Answered<'_, Vec<SagaRecord>> {
        self.0.list(filter)
    }
    fn versions(&self) -> Answered<'_, Vec<SagaVersion>> {
        self.0.versions()
    }
    fn claim(
        &self,
        worker: &WorkerId,
        of: &[String],
        limit: usize,
    ) -> Answered<'_, Vec<SagaRecord>> {
        self.0.claim(worker, of, limit)
    }
    fn suspend(&self, suspension: Suspension) -> Answered<'_, ()> {
        self.0.suspend(suspension)
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> Answered<'_, Vec<SagaRecord>> {
        self.0.claim_due(worker, fingerprints, now, limit)
    }

    fn next_due(&self, fingerprints: &[String]) -> Answered<'_, Option<Timestamp>> {
        self.0.next_due(fingerprints)
    }

    fn release(&self, worker: &WorkerId) -> Answered<'_, ()> {
        self.0.release(worker)
    }
    fn take(&self, worker: &WorkerId, id: &SagaId) -> Answered<'_, Option<SagaRecord>> {
        self.0.take(worker, id)
    }
    fn delete(&self, id: &SagaId) -> Answered<'_, bool> {
        self.0.delete(id)
    }
    fn purge(&self, purge: Purge) -> Answered<'_, u64> {
        self.0.purge(purge)
    }
    fn request(&self, request: Request) -> Answered<'_, ()> {
        self.0.request(request)
    }
    fn requests(&self, worker: &WorkerId, limit: usize) -> Answered<'_, Vec<Request>> {
        self.1.fetch_add(1, SeqCst);
        self.0.requests(worker, limit)
    }
    fn requested(&self) -> Option<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> {
        self.0.requested()
    }
    fn answer(&self, worker: &WorkerId, request: Uuid, answer: Answer) -> Answered<'_, ()> {
        self.0.answer(worker, request, answer)
    }
    fn answer_to(&self, request: Uuid) -> Answered<'_, Option<Answer>> {
        self.0.answer_to(request)
    }
}

/// How often it was looked for requests while a saga waited for ten days, on a clock that jumps over them.
async fn looks_in_ten_days(store: impl Store) -> u32 {
    let looks = Arc::new(AtomicU32::new(0));
    let began = tokio::time::Instant::now();
    let store = Counting(store, looks.clone());
    let sec = Coordinator::builder(()).store(store).saga::<Trial>().build().await.unwrap();
    sec.run(Trial {}).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 10 * 24 * 3600);
    sec.shutdown(Duration::ZERO).await.unwrap();
    looks.load(SeqCst)
}

#[tokio::test(start_paused = true)]
async fn ten_days_on_a_paused_clock_pass_at_once() {
    assert_eq!(looks_in_ten_days(MemoryStore::new()).await, 1, "nobody else can ask there");
    let directory = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let files = looks_in_ten_days(FileStore::open(directory.path().join("sagas")).unwrap()).await;
    let sqlite = SqliteStore::open(directory.path().join("sagas.db")).unwrap();
    let looks = u128::from(files + looks_in_ten_days(sqlite).await);
    // by the clock of those who may ask: five a second
    assert!(looks <= 4 + began.elapsed().as_millis() / 200, "{looks} in {:?}", began.elapsed());
}

/// A saga whose only action fails once, and then waits as it is told.
fn retried(retry: Retry) -> (ActionRegistry<()>, SagaDag<()>) {
    let action = async |cx: ActionContext<()>| match cx.attempt() {
        1 => Err("no".to_string()),
        attempt => Ok(attempt),
    };
    let undo = async |_: ActionContext<()>, _: u32| Ok::<(), String>(());
    let action = ActionFunc::<(), u32>::new("flaky", action, move |cx, n| undo(cx, *n));
    let mut actions = ActionRegistry::new();
    actions.register(action.unwrap().retry(retry)).unwrap();
    let mut dag = DagBuilder::new("Retried").unwrap();
    let flaky = actions.get("flaky").unwrap();
    dag.append(Node::shared_action("flaky", flaky).unwrap()).unwrap();
    (actions, SagaDag::new(dag.build().unwrap(), &()).unwrap())
}

/// Waits as long as one can; what is longer is refused, or counts as that.
async fn takes_one_range(store: impl Store) {
    let retry = Retry::forever().base(Duration::MAX).cap(Duration::MAX).jitter(0.0);
    assert_eq!(retry.delay_after(1, 0), 100 * YEAR);
    let (actions, dag) = retried(retry);
    let builder = Coordinator::builder(()).store(store).actions(actions).saga::<Trial>();
    let sec = builder.abandon_after(Duration::MAX).build().await.unwrap();

    let began = tokio::time::Instant::now();
    let cancelled = sec.saga_dag(dag.clone()).id("cancelled").start().await.unwrap();
    let patient = sec.saga_dag(dag).id("patient").start().await.unwrap();
    tokio::time::sleep(YEAR).await;
    sec.operator("alice").cancel("cancelled", "enough").await.unwrap();
    assert!(matches!(cancelled.await, Err(SagaError::RolledBack(_))));
    assert_eq!(patient.await.unwrap(), 2);
    assert!(began.elapsed() >= 100 * YEAR);

    let trial = || sec.saga(Trial {});
    let eternity = SystemTime::now() + 1000 * YEAR;
    let ends = [
        trial().deadline(Duration::MAX).start().await.err(),
        trial().deadline(Duration::from_millis(u64::MAX / 2)).start().await.err(),
        trial().deadline(100 * YEAR + Duration::from_secs(1)).start().await.err(),
        trial().deadline_at(eternity).start().await.err(),
    ];
    for end in ends {
        assert!(matches!(end, Some(StartError::DeadlineTooFar { .. })), "{end:?}");
    }
    trial().deadline(100 * YEAR).start().await.unwrap().await.unwrap();
    assert_eq!(sec.purge(Duration::MAX, &[SagaStatus::Completed]).await.unwrap(), 0);
    sec.shutdown(Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_longest_waits_are_the_same_in_every_store() {
    let directory = tempfile::tempdir().unwrap();
    takes_one_range(MemoryStore::new()).await;
    takes_one_range(FileStore::open(directory.path().join("sagas")).unwrap()).await;
    takes_one_range(SqliteStore::open(directory.path().join("sagas.db")).unwrap()).await;
}
