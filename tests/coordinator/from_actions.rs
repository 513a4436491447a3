//! Sagas that start sagas: `cx.start`, and what an undo does about it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use saga_core::BoxError;
use saga_core::action::ActionFunc;
use saga_core::coordinator::CalledOff;
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::executor::SagaExecutor;
use saga_core::prelude::*;
use saga_core::store::{
    LeaseTerms, ListFilter, MemoryStore, SqliteStore, Store, StoreError, rusqlite,
};
use saga_core::testing::TestCall;
use tokio::sync::Semaphore;

use crate::common::process::again;
use crate::common::scripted_store::{Call, ScriptedStore};

type Any = Box<dyn std::error::Error + Send + Sync>;

/// A world in which parcels are packed, one for each key.
#[derive(Default)]
struct Depot {
    parcels: Mutex<BTreeMap<String, u64>>,
    /// Packing waits while this is set.
    packing_hangs: AtomicBool,
    unpacking_fails: AtomicBool,
    /// How often the actions that start sagas were called.
    starts: AtomicUsize,
    /// These fail so often after they have started a saga.
    failures: AtomicUsize,
    /// What undos were told.
    told: Mutex<Vec<CalledOff>>,
    packed: Notified,
}

/// Counts what has happened.
struct Notified(Semaphore);

impl Default for Notified {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Notified {
    fn notify(&self) {
        self.0.add_permits(1);
    }

    async fn wait(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

type Cx = ActionContext<Arc<Depot>>;

impl Depot {
    fn parcels(&self) -> usize {
        self.parcels.lock().unwrap().len()
    }
}

#[saga_action(undo = unpack())]
async fn pack(cx: &Cx, order: u64) -> Result<u64, String> {
    cx.parcels.lock().unwrap().insert(cx.idempotency_key().to_string(), order);
    cx.packed.notify();
    if cx.packing_hangs.load(SeqCst) {
        cx.cancelled().await;
        return Ok(0);
    }
    Ok(order)
}
async fn unpack(cx: &Cx) -> Result<(), UndoError> {
    if cx.unpacking_fails.load(SeqCst) {
        return Err(UndoError::permanent("it is under way"));
    }
    cx.parcels.lock().unwrap().remove(&cx.action_key().to_string());
    Ok(())
}

saga! {
    Ship<Arc<Depot>>(order: u64) -> u64 {
        let parcel = pack { order: *order };
        parcel
    }
}

/// It is sent once and for all.
#[saga_action(no_undo, retry(forever), timeout = "1m")]
async fn send(cx: &Cx) -> Result<(), String> {
    cx.packed.notify();
    Ok(())
}

saga! {
    Deliver<Arc<Depot>>() {
        #[pivot]
        send {};
    }
}

#[saga_action(undo = call_off(output), retry(max = 3, base = "1ms"))]
async fn ship(cx: &Cx, order: u64) -> Result<SagaId, String> {
    cx.starts.fetch_add(1, SeqCst);
    let id = cx.start(Ship { order }).await.map_err(|e| e.to_string())?;
    assert_eq!(id, cx.started_id(0));
    let fails = cx.failures.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok();
    if fails { Err("its reply is lost".to_string()) } else { Ok(id) }
}
async fn call_off(cx: &Cx, shipment: &SagaId) -> Result<(), UndoError> {
    let told = cx.rollback(shipment).await?;
    cx.told.lock().unwrap().push(told);
    Ok(())
}

/// The saga goes on once the parcel is packed, or fails.
#[saga_action(no_undo)]
async fn check(cx: &Cx, fails: bool) -> Result<(), String> {
    cx.packed.wait().await;
    if fails { Err("it is not paid".to_string()) } else { Ok(()) }
}

saga! {
    Order<Arc<Depot>>(order: u64, fails: bool) -> SagaId {
        let shipment = ship { order: *order };
        check { fails: *fails };
        shipment
    }
}

async fn coordinator(
    depot: &Arc<Depot>,
    store: impl Store,
) -> Result<Coordinator<Arc<Depot>>, Any> {
    let builder = Coordinator::builder(depot.clone()).store(store).saga::<Order>().saga::<Ship>();
    Ok(builder.saga::<Deliver>().saga::<Waybill>().build().await?)
}

async fn ids(sec: &Coordinator<Arc<Depot>>, name: &str) -> Result<Vec<String>, Any> {
    let all = sec.list(ListFilter::default()).await?;
    let of_name = all.into_iter().filter(|saga| *saga.name == *name);
    Ok(of_name.map(|saga| saga.id.to_string()).collect())
}

#[tokio::test(start_paused = true)]
async fn a_repeated_attempt_finds_the_saga_that_an_earlier_one_has_started() -> Result<(), Any> {
    let depot = Arc::new(Depot::default());
    depot.failures.store(2, SeqCst);
    let sec = coordinator(&depot, MemoryStore::new()).await?;
    let shipment = sec.run(Order { order: 7, fails: false }).await?;
    assert_eq!(depot.starts.load(SeqCst), 3);
    assert_eq!(ids(&sec, "Ship").await?, [shipment.as_str()]);
    let shipment = sec.get::<Ship>(shipment.as_str()).await?.ok_or("it was started")?;
    assert_eq!(shipment.await?, 7);
    assert_eq!(depot.parcels(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_runs_is_cancelled_by_the_undo_which_waits_for_that() -> Result<(), Any> {
    let depot = Arc::new(Depot::default());
    depot.packing_hangs.store(true, SeqCst);
    let sec = coordinator(&depot, MemoryStore::new()).await?;
    let ended = sec.run(Order { order: 7, fails: true }).await;
    assert!(matches!(ended, Err(SagaError::RolledBack(_))), "{ended:?}");
    assert_eq!(depot.parcels(), 0);
    assert_eq!(*depot.told.lock().unwrap(), [CalledOff::RolledBack]);
    let shipment = ids(&sec, "Ship").await?.remove(0);
    let shipment = sec.get::<Ship>(&shipment).await?.ok_or("it was started")?.await.unwrap_err();
    assert!(shipment.to_string().contains("has called it off"), "{shipment}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_has_completed_is_rolled_back_by_the_undo() -> Result<(), Any> {
    let depot = Arc::new(Depot::default());
    let sec = coordinator(&depot, MemoryStore::new()).await?;
    let order = sec.saga(Order { order: 7, fails: false }).id("order-7").start().await?;
    let shipment = order.await?;
    sec.get::<Ship>(shipment.as_str()).await?.ok_or("it was started")?.await?;
    assert_eq!(depot.parcels(), 1);
    sec.operator("alice").rollback("order-7", "it is returned").await?;
    let ended = sec.get::<Order>("order-7").await?.ok_or("it is there")?.await;
    assert!(matches!(ended, Err(SagaError::RolledBack(_))), "{ended:?}");
    assert_eq!(depot.parcels(), 0);
    // somebody else has done it before
    depot.told.lock().unwrap().clear();
    let shipment = sec.run(Order { order: 8, fails: false }).await?;
    let handle = sec.get::<Ship>(shipment.as_str()).await?.ok_or("it was started")?;
    handle.await?;
    sec.operator("alice").rollback(shipment.as_str(), "it is returned").await?;
    let handle = sec.get::<Ship>(shipment.as_str()).await?.ok_or("it was started")?;
    assert!(handle.await.is_err());
    let order = ids(&sec, "Order").await?.into_iter().find(|id| id != "order-7").unwrap();
    sec.operator("alice").rollback(&order, "it is returned").await?;
    assert!(sec.get::<Order>(&order).await?.ok_or("it is there")?.await.is_err());
    assert_eq!(*depot.told.lock().unwrap(), [CalledOff::RolledBack]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_stuck_makes_the_undo_fail_for_good() -> Result<(), Any> {
    let depot = Arc::new(Depot::default());
    depot.unpacking_fails.store(true, SeqCst);
    let sec = coordinator(&depot, MemoryStore::new()).await?;
    let order = sec.saga(Order { order: 7, fails: true }).id("order-7").start().await?;
    let Err(SagaError::Stuck(report)) = order.await else { panic!("it cannot be undone") };
    let shipment = ids(&sec, "Ship").await?.remove(0);
    let why = format!(
        "saga {shipment} is stuck: what remains of it needs an operator; afterwards, retry this undo"
    );
    assert!(SagaError::Stuck(report).to_string().contains(&why), "{why}");
    // an operator does both
    depot.unpacking_fails.store(false, SeqCst);
    let alice = sec.operator("alice");
    alice.retry_all(&shipment).await?;
    assert!(sec.get::<Ship>(&shipment).await?.ok_or("it is there")?.await.is_err());
    alice.retry_all("order-7").await?;
    let ended = sec.get::<Order>("order-7").await?.ok_or("it is there")?.await;
    assert!(matches!(ended, Err(SagaError::RolledBack(_))), "{ended:?}");
    assert_eq!(depot.parcels(), 0);
    Ok(())
}

#[saga_action(undo = cancel_both(), retry(max = 2, base = "1ms"))]
async fn several(cx: &Cx, other: &str) -> Result<Vec<SagaId>, String> {
    let mut started = Vec::new();
    for order in [1, 2] {
        started.push(cx.start(Ship { order }).await.map_err(|e| e.to_string())?);
    }
    let sent = match other {
        "" => cx.start(Deliver {}).deadline(Duration::from_secs(60)).await,
        id => cx.start(Ship { order: 9 }).id(id).await,
    };
    started.push(sent.map_err(|e| e.to_string())?);
    let fails = cx.failures.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok();
    if fails { Err("its reply is lost".to_string()) } else { Ok(started) }
}
async fn cancel_both(cx: &Cx) -> Result<(), UndoError> {
    for number in [0, 1, 3] {
        let told = cx.cancel(cx.started_id(number)).await?;
        cx.told.lock().unwrap().push(told);
    }
    Ok(())
}

saga! {
    Waybill<Arc<Depot>>(other: String) -> Vec<SagaId> {
        let started = several { other };
        started
    }
}

#[tokio::test(start_paused = true)]
async fn several_sagas_of_an_attempt_have_ids_of_their_own() -> Result<(), Any> {
    let depot = Arc::new(Depot::default());
    depot.failures.store(1, SeqCst);
    let sec = coordinator(&depot, MemoryStore::new()).await?;
    let waybill = sec.saga(Waybill { other: String::new() }).id("waybill").start().await?;
    let started = waybill.await?;
    assert_eq!(ids(&sec, "Ship").await?.len() + ids(&sec, "Deliver").await?.len(), 3);
    for id in &started {
        sec.get::<serde_json::Value>(id.as_str()).await?.ok_or("it was started")?.await?;
    }
    // `cancel` leaves alone what has completed, and what does not exist
    sec.operator("alice").rollback("waybill", "it is wrong").await?;
    assert!(sec.get::<Waybill>("waybill").await?.ok_or("it is there")?.await.is_err());
    let told = depot.told.lock().unwrap().clone();
    assert_eq!(told, [CalledOff::Completed, CalledOff::Completed, CalledOff::NotFound]);
    assert_eq!(depot.parcels(), 2);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_id_of_another_saga_and_a_saga_that_is_not_registered_are_errors() -> Result<(), Any> {
    let depot = Arc::new(Depot::default());
    let sec = coordinator(&depot, MemoryStore::new()).await?;
    sec.saga(Ship { order: 1 }).id("ship-1").start().await?.await?;
    let error = sec.run(Waybill { other: "ship-1".to_string() }).await.unwrap_err().to_string();
    let why =
        "id conflict: saga ship-1 exists and was started with other parameters (`order` differs)";
    assert!(error.contains(why), "{error}");

    let sec = Coordinator::builder(depot.clone()).saga::<Order>().build().await?;
    let error = sec.run(Order { order: 7, fails: false }).await.unwrap_err().to_string();
    let why = "saga `Ship` is not registered; add `.saga::<Ship>()` to the coordinator's builder \
               (registered: Order)";
    assert!(error.contains(why), "{error}");
    Ok(())
}

#[tokio::test]
async fn without_a_coordinator_it_is_an_error_that_says_so() -> Result<(), Any> {
    let call = TestCall::new(Arc::new(Depot::default()));
    let error = call.action().start(Ship { order: 1 }).await.unwrap_err().to_string();
    let why = "saga `Ship` cannot be started by an action here: there is no coordinator";
    assert!(error.starts_with(why), "{error}");
    let error = call.undo().rollback("ship-1").await.unwrap_err();
    assert!(matches!(error, UndoError::Permanent(_)), "{error}");
    assert!(error.to_string().contains("saga ship-1 cannot be called off here"), "{error}");

    let start = ActionFunc::new(
        "start",
        |cx: ActionContext<()>| async move { cx.start(Nothing {}).await },
        |_, _: Arc<SagaId>| async { Ok::<_, BoxError>(()) },
    )?;
    let mut dag = DagBuilder::new("Alone")?;
    dag.append(Node::action("start", start)?)?;
    let saga = SagaDag::new(dag.build()?, &())?;
    let executor = SagaExecutor::new("alone", saga, (), MemoryStore::new()).await?;
    let error = executor.execute().await.unwrap_err().to_string();
    assert!(error.contains("there is no coordinator, only an executor"), "{error}");
    Ok(())
}

saga! { Nothing<()>() { new_uuid {}; } }

/// A call that a shutdown interrupts is repeated by the next process.
#[tokio::test(start_paused = true)]
async fn a_shutdown_is_no_failure_of_the_action() -> Result<(), Any> {
    let (depot, store) = (Arc::new(Depot::default()), ScriptedStore::default());
    let builder = Coordinator::builder(depot.clone()).store(store.clone());
    let sec = builder.saga::<Late>().saga::<Ship>().build().await?;
    sec.saga(Late {}).id("late").start().await?;
    depot.packed.wait().await;
    let shutdown = sec.shutdown(Duration::from_secs(5));
    let (report, ()) = tokio::join!(shutdown, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        depot.failures.store(1, SeqCst);
    });
    report?;
    assert!(!store.calls().iter().any(|call| matches!(call, Call::Create(id) if id != "late")));
    let builder = Coordinator::builder(depot.clone()).store(store.clone());
    let sec = builder.saga::<Late>().saga::<Ship>().build().await?;
    let shipment = sec.get::<Late>("late").await?.ok_or("it is there")?.await?;
    assert_eq!(ids(&sec, "Ship").await?, [shipment.to_string()]);
    Ok(())
}

/// Starts a saga once it is told to.
#[saga_action(undo = call_off(output))]
async fn start_late(cx: &Cx) -> Result<SagaId, String> {
    cx.packed.notify();
    while cx.failures.load(SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cx.start(Ship { order: 3 }).await.map_err(|e| e.to_string())
}

saga! {
    Late<Arc<Depot>>() -> SagaId {
        let shipment = start_late {};
        shipment
    }
}

/// The saga may be there although the store reports an error: that is no failure of the action.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_no_failure_of_the_action() -> Result<(), Any> {
    let (depot, store) = (Arc::new(Depot::default()), ScriptedStore::default());
    let failures = Arc::new(AtomicUsize::new(0));
    store.after({
        let failures = failures.clone();
        move |call| {
            let fails = matches!(call, Call::Create(id) if id != "order-7");
            let fails = fails && failures.fetch_add(1, SeqCst) < 2;
            fails.then(|| -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
                let (store, why) = ("the test".to_string(), "the reply is lost".to_string());
                Box::pin(async { Err(StoreError::Failed { store, why }) })
            })
        }
    });
    let sec = coordinator(&depot, store).await?;
    let order = sec.saga(Order { order: 7, fails: false }).id("order-7").start().await?;
    let shipment = order.await?;
    assert_eq!(depot.starts.load(SeqCst), 1);
    assert_eq!(ids(&sec, "Ship").await?, [shipment.to_string()]);
    assert!(failures.load(SeqCst) >= 1);
    Ok(())
}

#[saga_action(undo = call_off(output))]
async fn ship_seven(cx: &Cx) -> Result<SagaId, StartError> {
    cx.start(Ship { order: 7 }).id("ship-7").await
}

saga! {
    Shared<Arc<Depot>>() {
        ship_seven {};
        check { fails: true };
    }
}

saga! {
    Unpaid<Arc<Depot>>() {
        ship { order: 1 };
        fail_if { condition: true, message: "it is not paid" };
    }
}

/// The undo holds the only place for a call, and the other saga needs one to be rolled back.
#[tokio::test(start_paused = true)]
async fn an_undo_that_waits_does_not_keep_the_other_saga_from_being_rolled_back() -> Result<(), Any>
{
    let depot = Arc::new(Depot::default());
    let builder = Coordinator::builder(depot.clone()).max_calls(1);
    let sec = builder.saga::<Unpaid>().saga::<Ship>().build().await?;
    let ended = tokio::time::timeout(Duration::from_secs(3600), sec.run(Unpaid {})).await?;
    assert!(matches!(ended, Err(SagaError::RolledBack(_))), "{ended:?}");
    assert_eq!(depot.parcels(), 0);
    Ok(())
}

/// The saga that it finds, and calls off, is run by another worker.
#[tokio::test]
async fn a_saga_of_another_worker_is_found_and_called_off() -> Result<(), Any> {
    let depot = Arc::new(Depot::default());
    depot.packing_hangs.store(true, SeqCst);
    let store = ScriptedStore::leased(LeaseTerms::new(Duration::from_secs(10)));
    let builder = || Coordinator::builder(depot.clone()).store(store.clone());
    let other = builder().saga::<Shared>().saga::<Ship>().build().await?;
    let shipment = other.saga(Ship { order: 7 }).id("ship-7").start().await?;
    let sec = builder().saga::<Shared>().saga::<Ship>().build().await?;
    let ended = tokio::time::timeout(Duration::from_secs(60), sec.run(Shared {})).await?;
    assert!(matches!(ended, Err(SagaError::RolledBack(_))), "{ended:?}");
    assert!(matches!(shipment.await, Err(SagaError::RolledBack(_))));
    let record = store.load(&"ship-7".parse()?).await?.ok_or("it is there")?.record;
    assert_eq!((record.epoch, depot.parcels()), (1, 0));
    assert_eq!(*depot.told.lock().unwrap(), [CalledOff::RolledBack]);
    Ok(())
}

/// The start would wait for the transaction.
#[saga_action(transaction, no_undo)]
fn ship_within(cx: &Cx, tx: &rusqlite::Transaction<'_>) -> Result<(), String> {
    let _ = tx;
    match cx.start(Ship { order: 1 }).into_future().now_or_never() {
        Some(Err(error)) => Err(error.to_string()),
        other => panic!("{other:?}"),
    }
}

saga! { Within<Arc<Depot>>() { ship_within {}; } }

#[tokio::test]
async fn a_transaction_starts_no_saga() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let store = SqliteStore::open(directory.path().join("sagas.db"))?;
    let builder = Coordinator::builder(Arc::new(Depot::default())).store(store);
    let sec = builder.saga::<Within>().saga::<Ship>().build().await?;
    let error = sec.run(Within {}).await.unwrap_err().to_string();
    assert!(error.contains("saga `Ship` cannot be started within a transaction"), "{error}");
    assert_eq!(ids(&sec, "Ship").await?, [""; 0]);
    Ok(())
}

const STORE: &str = "FROM_ACTIONS_STORE";

/// Dies after it has started a saga, before that is in the log.
#[saga_action(undo = call_off(output))]
async fn ship_and_die(cx: &Cx) -> Result<SagaId, String> {
    let id = cx.start(Ship { order: 5 }).await.map_err(|e| e.to_string())?;
    if std::env::var_os(STORE).is_some() {
        // as SIGKILL: nothing is released, written or dropped
        std::process::abort();
    }
    Ok(id)
}

saga! {
    Doomed<Arc<Depot>>() -> SagaId {
        let shipment = ship_and_die {};
        shipment
    }
}

async fn run_doomed(path: &Path, depot: &Arc<Depot>) -> Result<Coordinator<Arc<Depot>>, Any> {
    let builder = Coordinator::builder(depot.clone()).store(SqliteStore::open(path)?);
    let sec = builder.saga::<Doomed>().saga::<Ship>().build().await?;
    Ok(sec)
}

#[tokio::test]
async fn a_process_that_dies_between_the_start_and_its_entry_leaves_one_saga() -> Result<(), Any> {
    const TEST: &str = "a_process_that_dies_between_the_start_and_its_entry_leaves_one_saga";
    let depot = Arc::new(Depot::default());
    if let Some(path) = std::env::var_os(STORE) {
        let sec = run_doomed(Path::new(&path), &depot).await?;
        sec.saga(Doomed {}).id("doomed").start().await?.await?;
        panic!("it dies before");
    }
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sagas.db");
    let mut child = again(module_path!(), TEST);
    child.env(STORE, &path);
    let status = tokio::task::spawn_blocking(move || child.output()).await??.status;
    assert!(!status.success());
    // the saga is there, and the entry is not
    let left = SqliteStore::attach(&path)?.load(&"doomed".parse()?).await?.ok_or("it is there")?;
    assert!(!left.entries.iter().any(|entry| entry.kind.name() == "succeeded"));
    assert_eq!(SqliteStore::attach(&path)?.list(ListFilter::default()).await?.len(), 2);

    let sec = run_doomed(&path, &depot).await?;
    let shipment = sec.get::<Doomed>("doomed").await?.ok_or("it is there")?.await?;
    assert_eq!(ids(&sec, "Ship").await?, [shipment.to_string()]);
    assert_eq!(sec.get::<Ship>(shipment.as_str()).await?.ok_or("it was started")?.await?, 5);
    Ok(())
}
