//! Large and adversarial DAGs, and the number of commits per step. Counted, not timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::log::{Timestamp, Uuid};
use saga_core::operator::Request;
use saga_core::prelude::*;
use saga_core::store::{
    Append, Created, ListFilter, MemoryStore, NewSaga, Purge, SagaRecord, SagaVersion, SqliteStore,
    Store, StoreError, StoredSaga, Suspension, WorkerId,
};
use saga_core::{ActionState, BoxError, SagaId, StartError};

type Any = Box<dyn std::error::Error + Send + Sync>;
type Pinned<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

fn add_one() -> Result<ActionFunc<(), u64>, Any> {
    Ok(ActionFunc::new_noop_undo("ok", |_cx| async { Ok::<_, BoxError>(1) })?)
}

fn fails() -> Result<ActionFunc<(), u64>, Any> {
    let fails = |_cx| async { Err::<u64, BoxError>("fails".into()) };
    Ok(ActionFunc::new("fails", fails, |_cx, _out| async { Ok::<_, BoxError>(()) })?)
}

fn undoable() -> Result<ActionFunc<(), u64>, Any> {
    let ok = |_cx| async { Ok::<_, BoxError>(1) };
    Ok(ActionFunc::new("undoable", ok, |_cx, _out| async { Ok::<_, BoxError>(()) })?)
}

struct Kit {
    registry: ActionRegistry<()>,
    ok: Arc<dyn saga_core::action::Action<()>>,
    fails: Arc<dyn saga_core::action::Action<()>>,
    undoable: Arc<dyn saga_core::action::Action<()>>,
}

fn kit() -> Result<Kit, Any> {
    let mut registry = ActionRegistry::new();
    let ok = registry.register(add_one()?)?;
    let fails = registry.register(fails()?)?;
    let undoable = registry.register(undoable()?)?;
    Ok(Kit { registry, ok, fails, undoable })
}

/// Stages of this width, all of them undoable.
fn stages(kit: &Kit, count: usize, width: usize) -> Result<DagBuilder<()>, Any> {
    let mut dag = DagBuilder::new("Stages")?;
    for stage in 0..count {
        let nodes =
            (0..width).map(|i| Node::shared_action(format!("n{stage}_{i}"), kit.undoable.clone()));
        dag.append_parallel(nodes.collect::<Result<Vec<_>, _>>()?)?;
    }
    Ok(dag)
}

async fn coordinator(kit: &Kit, store: impl Store) -> Result<Coordinator<()>, Any> {
    Ok(Coordinator::builder(()).store(store).actions(kit.registry.clone()).build().await?)
}

#[tokio::test]
async fn stages_chains_and_wide_stages_finish_and_unwind() -> Result<(), Any> {
    let kit = kit()?;
    let sec = coordinator(&kit, MemoryStore::new()).await?;
    for (count, width) in [(40, 4), (10_000, 1), (1, 1_000)] {
        let dag = stages(&kit, count, width)?.build()?;
        sec.saga_dag(SagaDag::new(dag, &())?).start().await?.await?;

        let mut dag = stages(&kit, count.min(9_999), width)?;
        dag.append(Node::shared_action("last", kit.fails.clone())?)?;
        let saga = SagaDag::new(dag.build()?, &())?;
        let error = sec.saga_dag(saga).start().await?.await.unwrap_err();
        assert!(matches!(error, SagaError::RolledBack(_)));
        let undone = error.report().map(|r| r.nodes_in(ActionState::Undone).count());
        assert_eq!(undone, Some(count.min(9_999) * width), "{count} x {width}");
    }
    Ok(())
}

#[tokio::test]
async fn twelve_parallel_nodes_of_which_six_fail_10_000_times() -> Result<(), Any> {
    let kit = kit()?;
    let sec = coordinator(&kit, MemoryStore::new()).await?;
    let mut dag = DagBuilder::new("Dozen")?;
    let nodes = (0..12).map(|i| {
        let action = if i % 2 == 0 { &kit.undoable } else { &kit.fails };
        Node::shared_action(format!("n{i}"), action.clone())
    });
    dag.append_parallel(nodes.collect::<Result<Vec<_>, _>>()?)?;
    let dag = Arc::new(dag.build()?);
    for _ in 0..100 {
        let mut handles = Vec::new();
        for _ in 0..100 {
            handles.push(sec.saga_dag(SagaDag::new(dag.clone(), &())?).start().await?);
        }
        for handle in handles {
            let error = handle.await.unwrap_err();
            assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
            assert_eq!(error.report().map(|r| r.undone().count()), Some(6));
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_unregistered_action_is_refused_before_anything_is_written() -> Result<(), Any> {
    let kit = kit()?;
    let store = MemoryStore::new();
    let sec = coordinator(&kit, store.clone()).await?;
    let mut dag = DagBuilder::new("Odd")?;
    let other = ActionFunc::<(), ()>::new_noop_undo("okk", |_cx| async { Ok::<_, BoxError>(()) })?;
    dag.append(Node::action("odd", other)?)?;
    let error = sec.saga_dag(SagaDag::new(dag.build()?, &())?).start().await.unwrap_err();
    assert!(matches!(error, StartError::Registry(_)));
    assert_eq!(error.to_string(), "action `okk` is not registered; did you mean `ok`?");
    assert!(store.list(ListFilter::default()).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn n_sequential_steps_cost_n_plus_1_commits() -> Result<(), Any> {
    let kit = kit()?;
    let dir = tempfile::tempdir()?;
    let store = SqliteStore::open(dir.path().join("sagas.db"))?;
    let sec = coordinator(&kit, store.clone()).await?;
    for n in [1, 5, 20] {
        let mut dag = DagBuilder::new("Chain")?;
        for i in 0..n {
            dag.append(Node::shared_action(format!("n{i}"), kit.ok.clone())?)?;
        }
        let saga = SagaDag::new(dag.build()?, &())?;
        let before = store.stats().transactions;
        sec.saga_dag(saga).start().await?.await?;
        assert_eq!(store.stats().transactions - before, n + 1);
    }
    // an undo costs one more: 3 steps, of which the last fails and two are undone
    let mut dag = stages(&kit, 2, 1)?;
    dag.append(Node::shared_action("last", kit.fails.clone())?)?;
    let saga = SagaDag::new(dag.build()?, &())?;
    let before = store.stats().transactions;
    assert!(sec.saga_dag(saga).start().await?.await.is_err());
    assert_eq!(store.stats().transactions - before, 3 + 1 + 2);
    Ok(())
}

/// A store whose appends fail from some point on.
#[derive(Clone)]
struct Failing {
    inner: MemoryStore,
    left: Arc<AtomicU64>,
}

impl Store for Failing {
    fn create(&self, saga: NewSaga) -> Pinned<'_, Result<Created, StoreError>> {
        match self.take() {
            Ok(()) => self.inner.create(saga),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }
    fn append(&self, append: Append) -> Pinned<'_, Result<(), StoreError>> {
        match self.take() {
            Ok(()) => self.inner.append(append),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }
    fn load(&self, id: &SagaId) -> Pinned<'_, Result<Option<StoredSaga>, StoreError>> {
        self.inner.load(id)
    }
    fn list(&self, filter: ListFilter) -> Pinned<'_, Result<Vec<SagaRecord>, StoreError>> {
        self.inner.list(filter)
    }
    fn versions(&self) -> Pinned<'_, Result<Vec<SagaVersion>, StoreError>> {
        self.inner.versions()
    }
    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> Pinned<'_, Result<Vec<SagaRecord>, StoreError>> {
        self.inner.claim(worker, fingerprints, limit)
    }
    fn suspend(&self, suspension: Suspension) -> Pinned<'_, Result<(), StoreError>> {
        self.inner.suspend(suspension)
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> Pinned<'_, Result<Vec<SagaRecord>, StoreError>> {
        self.inner.claim_due(worker, fingerprints, now, limit)
    }

    fn next_due(
        &self,
        fingerprints: &[String],
    ) -> Pinned<'_, Result<Option<Timestamp>, StoreError>> {
        self.inner.next_due(fingerprints)
    }

    fn release(&self, worker: &WorkerId) -> Pinned<'_, Result<(), StoreError>> {
        self.inner.release(worker)
    }
    fn delete(&self, id: &SagaId) -> Pinned<'_, Result<bool, StoreError>> {
        self.inner.delete(id)
    }
    fn take(
        &self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> Pinned<'_, Result<Option<SagaRecord>, StoreError>> {
        self.inner.take(worker, id)
    }
    fn purge(&self, purge: Purge) -> Pinned<'_, Result<u64, StoreError>> {
        self.inner.purge(purge)
    }
    fn request(&self, request: Request) -> Pinned<'_, Result<(), StoreError>> {
        self.inner.request(request)
    }
    fn requests(
        &self,
        worker: &WorkerId,
        limit: usize,
    ) -> Pinned<'_, Result<Vec<Request>, StoreError>> {
        self.inner.requests(worker, limit)
    }
    fn answer(
        &self,
        worker: &WorkerId,
        request: Uuid,
        answer: saga_core::operator::Answer,
    ) -> Pinned<'_, Result<(), StoreError>> {
        self.inner.answer(worker, request, answer)
    }
    fn answer_to(
        &self,
        request: Uuid,
    ) -> Pinned<'_, Result<Option<saga_core::operator::Answer>, StoreError>> {
        self.inner.answer_to(request)
    }
}

impl Failing {
    fn take(&self) -> Result<(), StoreError> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        let full = || StoreError::Failed { store: "disk".into(), why: "no space left".into() };
        left.map(|_| ()).map_err(|_| full())
    }
}

#[tokio::test]
async fn a_failing_store_stops_the_saga_and_loses_nothing() -> Result<(), Any> {
    let kit = kit()?;
    let chain = || -> Result<_, Any> { Ok(SagaDag::new(stages(&kit, 5, 1)?.build()?, &())?) };
    for writes in 0..6 {
        let store = Failing { inner: MemoryStore::new(), left: Arc::new(AtomicU64::new(writes)) };
        let sec = coordinator(&kit, store.clone()).await?;
        let started = sec.saga_dag(chain()?).id("s").start().await;
        match started {
            Err(error) => {
                assert_eq!((writes, error.to_string()), (0, "disk: no space left".to_string()));
                continue;
            }
            Ok(_) => {
                while sec.health().waiting.is_empty() {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            }
        }
        sec.shutdown(std::time::Duration::ZERO).await?;
        // another process, with room on its disk, goes on where the log ends
        store.left.store(100, Ordering::SeqCst);
        let sec = coordinator(&kit, store).await?;
        let found = sec.get::<serde_json::Value>("s").await?.ok_or("lost")?;
        assert_eq!(found.await?, 1, "after {writes} writes");
    }
    Ok(())
}
