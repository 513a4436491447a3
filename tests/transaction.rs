//! Actions whose rows and outcome are one commit.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::dag::{DagBuilder, Node};
use saga_core::prelude::*;
use saga_core::store::SqliteStore;
use saga_core::store::rusqlite::{self, Connection};
use saga_core::{ActionFunc, ActionRegistry, BoxError, Limits, SagaDag, SagaStatus};

type Any = Box<dyn std::error::Error + Send + Sync>;

/// A file with a log and a table, and what the actions are told and tell.
struct Shop {
    file: PathBuf,
    told: Mutex<Vec<String>>,
    gate: Mutex<Option<mpsc::Receiver<()>>>,
}

type Cx = ActionContext<Arc<Shop>>;

#[derive(Debug, PartialEq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("only {left} left")]
struct SoldOut {
    left: u32,
}

/// Takes `n` items; the value is what is left.
fn take_items(tx: &Connection, n: u32) -> Result<u32, SoldOut> {
    let sql = "UPDATE shelf SET items = items - ?1 RETURNING items";
    let left: i64 = tx.query_row(sql, [n], |row| row.get(0)).unwrap();
    match u32::try_from(left) {
        Ok(left) => Ok(left),
        // the row is written by now, and must be rolled back
        Err(_) => Err(SoldOut { left: u32::try_from(left + i64::from(n)).unwrap() }),
    }
}

#[saga_action(undo = put_back(output, n))]
async fn take(cx: &Cx, n: u32) -> Result<u32, SoldOut> {
    let done = cx.transaction(move |tx| take_items(tx, n)).await;
    cx.told.lock().unwrap().push(format!("after the transaction: {done:?}"));
    done
}

async fn put_back(cx: &Cx, _: &u32, n: u32) -> Result<(), rusqlite::Error> {
    cx.transaction(move |tx| tx.execute("UPDATE shelf SET items = items + ?1", [n]).map(|_| ()))
        .await
}

#[saga_action(no_undo)]
async fn fail_if(fails: bool, left: u32) -> Result<u32, String> {
    if fails { Err("told to fail".to_string()) } else { Ok(left) }
}

saga! {
    Buy<Arc<Shop>>(n: u32, fails: bool) -> u32 {
        let left = take { n: *n };
        let doubled = { *left * 2 };
        let checked = fail_if { fails: *fails, left: *doubled };
        checked
    }
}

struct Place {
    _directory: tempfile::TempDir,
    shop: Arc<Shop>,
}

impl Place {
    fn new() -> Result<Self, Any> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("shop.db");
        drop(SqliteStore::open(&file)?);
        let tables = "CREATE TABLE shelf (items INTEGER NOT NULL); INSERT INTO shelf VALUES (10)";
        Connection::open(&file)?.execute_batch(tables)?;
        let shop = Shop { file, told: Mutex::default(), gate: Mutex::default() };
        Ok(Self { _directory: directory, shop: Arc::new(shop) })
    }

    fn file(&self) -> &Path {
        &self.shop.file
    }

    async fn coordinator(&self) -> Result<Coordinator<Arc<Shop>>, Any> {
        let builder =
            Coordinator::builder(self.shop.clone()).store(SqliteStore::open(self.file())?);
        Ok(builder.limits(Limits::default().max_payload(1000)).saga::<Buy>().build().await?)
    }

    /// A coordinator with one action, and a saga of it alone.
    async fn alone<T: saga_core::ActionData>(
        &self,
        action: ActionFunc<Arc<Shop>, T>,
    ) -> Result<(Coordinator<Arc<Shop>>, SagaDag<Arc<Shop>>), Any> {
        let mut registry = ActionRegistry::new();
        let action = registry.register(action)?;
        let mut dag = DagBuilder::new("Alone")?;
        dag.append(Node::shared_action("only", action)?)?;
        let saga = SagaDag::new(dag.build()?, &())?;
        let builder =
            Coordinator::builder(self.shop.clone()).store(SqliteStore::open(self.file())?);
        let limits = Limits::default().max_payload(1000);
        Ok((builder.limits(limits).actions(registry).build().await?, saga))
    }

    fn items(&self) -> i64 {
        let conn = Connection::open(self.file()).unwrap();
        conn.query_row("SELECT items FROM shelf", [], |row| row.get(0)).unwrap()
    }

    /// The kinds of a node's entries.
    fn log(&self, node: &str) -> Vec<String> {
        let conn = Connection::open(self.file()).unwrap();
        let sql = "SELECT kind FROM saga_event WHERE node = ?1 ORDER BY saga_id, seq";
        let mut select = conn.prepare(sql).unwrap();
        select.query_map([node], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn told(&self) -> Vec<String> {
        self.shop.told.lock().unwrap().clone()
    }
}

/// An action that only waits for its transaction and has no undo.
fn only<T, E>(
    work: impl Fn(&rusqlite::Transaction<'_>) -> Result<T, E> + Clone + Send + Sync + 'static,
) -> ActionFunc<Arc<Shop>, T>
where
    T: saga_core::ActionData,
    E: Into<BoxError> + Send + 'static,
{
    let action = ActionFunc::new_noop_undo("only", move |cx: Cx| {
        let work = work.clone();
        async move { cx.transaction(work).await }
    });
    action.unwrap()
}

#[tokio::test]
async fn rows_and_outcome_are_there_together_and_the_value_is_the_output() -> Result<(), Any> {
    let place = Place::new()?;
    let sec = place.coordinator().await?;
    assert_eq!(sec.run(Buy { n: 3, fails: false }).await?, 14, "what follows reads the output");
    assert_eq!(place.items(), 7);
    assert_eq!(place.log("left"), ["started", "succeeded"]);
    assert_eq!(place.told(), [""; 0], "code behind a transaction that is committed never runs");
    Ok(())
}

#[tokio::test]
async fn an_undo_has_a_transaction_too() -> Result<(), Any> {
    let place = Place::new()?;
    let sec = place.coordinator().await?;
    let error = sec.run(Buy { n: 3, fails: true }).await.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert_eq!(place.items(), 10);
    assert_eq!(place.log("left"), ["started", "succeeded", "undo_started", "undo_finished"]);
    Ok(())
}

#[tokio::test]
async fn work_that_fails_is_rolled_back_and_its_error_is_the_actions() -> Result<(), Any> {
    let place = Place::new()?;
    let sec = place.coordinator().await?;
    let Err(SagaError::RolledBack(report)) = sec.run(Buy { n: 11, fails: false }).await else {
        panic!("there are 10");
    };
    assert_eq!(report.error.unwrap().convert::<SoldOut>()?, SoldOut { left: 10 });
    assert_eq!(place.items(), 10);
    assert_eq!(place.log("left"), ["started", "failed"]);
    assert_eq!(place.told(), ["after the transaction: Err(SoldOut { left: 10 })"]);
    Ok(())
}

#[tokio::test]
async fn after_an_error_the_action_may_try_something_else() -> Result<(), Any> {
    let place = Place::new()?;
    let action = ActionFunc::new_noop_undo("only", |cx: Cx| async move {
        let mut n = 16;
        while n > 0 {
            let left = cx.transaction(move |tx| take_items(tx, n)).await;
            cx.told.lock().unwrap().push(format!("{n}: {left:?}"));
            n /= 2;
        }
        Err::<u32, _>("never")
    })?;
    let (sec, saga) = place.alone(action).await?;
    sec.saga_dag(saga).start().await?.await?;
    assert_eq!((place.items(), place.told()), (2, vec!["16: Err(SoldOut { left: 10 })".into()]));
    Ok(())
}

#[tokio::test]
async fn a_panic_in_the_work_is_one_in_the_action() -> Result<(), Any> {
    let place = Place::new()?;
    let (sec, saga) = place
        .alone(only(|tx| {
            take_items(tx, 1)?;
            if true {
                panic!("in the work")
            }
            Ok::<_, SoldOut>(1_u32)
        }))
        .await?;
    let error = sec.saga_dag(saga).start().await?.await.unwrap_err().to_string();
    assert!(error.contains("panicked: in the work (at tests/transaction.rs"), "{error}");
    assert_eq!((place.items(), place.log("only")), (10, vec!["started".into(), "in_doubt".into()]));
    Ok(())
}

#[tokio::test]
async fn a_value_that_cannot_be_the_output_is_not_committed() -> Result<(), Any> {
    let place = Place::new()?;
    let wrong = ActionFunc::new_noop_undo("only", |cx: Cx| async move {
        let work =
            |tx: &rusqlite::Transaction<'_>| take_items(tx, 1).map(|left| format!("{left} left"));
        cx.transaction(work).await.map(|_| 7_u32)
    })?;
    let (sec, saga) = place.alone(wrong).await?;
    let error = sec.saga_dag(saga).start().await?.await.unwrap_err().to_string();
    assert!(error.contains("deserialize failed: invalid type: string"), "{error}");
    drop(sec);

    let large = only(|tx| take_items(tx, 1).map(|_| "x".repeat(2000)));
    let (sec, saga) = place.alone(large).await?;
    let error = sec.saga_dag(saga).start().await?.await.unwrap_err().to_string();
    assert!(error.contains("the output has 2002 bytes, more than the limit of 1000"), "{error}");
    drop(sec);

    let odd = only(|tx| take_items(tx, 1).map(|left| HashMap::from([((left, left), 1)])));
    let (sec, saga) = place.alone(odd).await?;
    let error = sec.saga_dag(saga).start().await?.await.unwrap_err().to_string();
    assert!(error.contains("serialize failed: key must be a string"), "{error}");

    assert_eq!(place.items(), 10);
    let conn = Connection::open(place.file())?;
    let sql = "SELECT count(*) FROM saga_event WHERE kind = 'failed'";
    assert_eq!(conn.query_row(sql, [], |row| row.get::<_, u32>(0))?, 3, "none is in doubt");
    Ok(())
}

#[tokio::test]
async fn a_store_without_transactions_says_so() -> Result<(), Any> {
    let shop = Place::new()?.shop.clone();
    let sec = Coordinator::builder(shop.clone()).saga::<Buy>().build().await?;
    let error = sec.run(Buy { n: 1, fails: false }).await.unwrap_err().to_string();
    assert!(
        error.contains("the store has no transactions of its own; keep the log in a"),
        "{error}"
    );
    assert!(shop.told.lock().unwrap().is_empty());
    Ok(())
}

#[tokio::test]
async fn who_has_lost_the_saga_writes_neither_rows_nor_log() -> Result<(), Any> {
    let place = Place::new()?;
    let action = ActionFunc::new_noop_undo("only", |cx: Cx| async move {
        // as another worker's claim would
        Connection::open(&cx.file)?.execute_batch("UPDATE saga SET epoch = epoch + 1")?;
        Ok::<_, BoxError>(cx.transaction(|tx| take_items(tx, 1)).await?)
    })?;
    let (sec, saga) = place.alone(action).await?;
    let error = sec.saga_dag(saga).start().await?.await.unwrap_err();
    assert!(matches!(error, SagaError::LostOwnership { .. }), "{error}");
    assert_eq!((place.items(), place.log("only")), (10, vec!["started".to_string()]));
    Ok(())
}

/// An action whose work waits at a gate, once it has written its row.
fn gated() -> ActionFunc<Arc<Shop>, u32> {
    let action = ActionFunc::new_noop_undo("only", |cx: Cx| async move {
        let shop = cx.user_context().clone();
        let work = move |tx: &rusqlite::Transaction<'_>| {
            let left = take_items(tx, 1);
            shop.told.lock().unwrap().push("at the gate".to_string());
            if let Some(gate) = shop.gate.lock().unwrap().take() {
                let _ = gate.recv();
            }
            left
        };
        cx.transaction(work).await
    });
    action.unwrap().timeout(Duration::from_millis(20))
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_timeout_during_the_commit_does_not_put_it_in_doubt() -> Result<(), Any> {
    let place = Place::new()?;
    let (open, gate) = mpsc::channel();
    *place.shop.gate.lock().unwrap() = Some(gate);
    let (sec, saga) = place.alone(gated()).await?;
    let handle = sec.saga_dag(saga).start().await?;
    until(|| !place.told().is_empty()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    open.send(())?;
    handle.await?;
    assert_eq!((place.items(), place.log("only")), (9, vec!["started".into(), "succeeded".into()]));
    Ok(())
}

#[tokio::test]
async fn a_shutdown_during_the_commit_keeps_it() -> Result<(), Any> {
    let place = Place::new()?;
    let (open, gate) = mpsc::channel();
    *place.shop.gate.lock().unwrap() = Some(gate);
    let (sec, saga) = place.alone(gated()).await?;
    let handle = sec.saga_dag(saga).id("one").start().await?;
    until(|| !place.told().is_empty()).await;
    let (stopped, ()) = tokio::join!(sec.shutdown(Duration::ZERO), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        open.send(()).unwrap();
    });
    stopped?;
    let stopped = handle.await.map(|_| ()).unwrap_err();
    assert!(matches!(stopped, SagaError::ShutDown { .. }), "{stopped}");
    drop(sec);
    assert_eq!((place.items(), place.log("only")), (9, vec!["started".into(), "succeeded".into()]));

    let (sec, _) = place.alone(gated()).await?;
    let handle = sec.get::<u32>("one").await?.unwrap();
    assert_eq!(handle.await?, 9);
    assert_eq!((place.items(), place.told().len()), (9, 1), "it did not run again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_saga_with_many_transactions_does_each_once() -> Result<(), Any> {
    let place = Place::new()?;
    Connection::open(place.file())?.execute_batch("UPDATE shelf SET items = 1000")?;
    let mut registry = ActionRegistry::new();
    let take = registry.register(only(|tx| take_items(tx, 1)))?;
    let plain = ActionFunc::new_noop_undo("plain", |_: Cx| async {
        tokio::task::yield_now().await;
        Ok::<_, BoxError>(0_u32)
    })?;
    let plain = registry.register(plain)?;
    let mut dag = DagBuilder::new("Busy")?;
    for stage in 0..5 {
        let nodes = (0..20).map(|n| {
            let action = if n % 2 == 0 { take.clone() } else { plain.clone() };
            Node::shared_action(format!("n{stage}_{n}"), action)
        });
        dag.append_parallel(nodes.collect::<Result<Vec<_>, _>>()?)?;
    }
    let dag = Arc::new(dag.build()?);
    let builder = Coordinator::builder(place.shop.clone()).store(SqliteStore::open(place.file())?);
    let sec = builder.actions(registry).build().await?;
    let mut handles = Vec::new();
    for _ in 0..4 {
        handles.push(sec.saga_dag(SagaDag::new(dag.clone(), &())?).start().await?);
    }
    for handle in handles {
        handle.await?;
    }
    assert_eq!(place.items(), 1000 - 4 * 5 * 10);
    let conn = Connection::open(place.file())?;
    let sql = "SELECT count(*), count(DISTINCT saga_id || node) FROM saga_event
               WHERE kind = 'succeeded'";
    let counts = conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    assert_eq!(counts, (400, 400));
    let status: String =
        conn.query_row("SELECT DISTINCT status FROM saga", [], |row| row.get(0))?;
    assert_eq!(status, SagaStatus::Completed.as_str());
    Ok(())
}

/// Calls that ask and then end otherwise: each transaction is either in, with its value as the output, or
/// not in at all, and nothing waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_does_not_wait_has_its_transaction_or_its_own_output() -> Result<(), Any> {
    const NO_WAIT: u32 = 5000;
    let place = Place::new()?;
    Connection::open(place.file())?.execute_batch("UPDATE shelf SET items = 1000")?;
    let mut registry = ActionRegistry::new();
    let impatient = ActionFunc::new_noop_undo("impatient", |cx: Cx| async move {
        let name = cx.node_path().to_string();
        let micros = name.bytes().map(u64::from).sum::<u64>() * 37 % 3000;
        let patience = tokio::time::sleep(Duration::from_micros(micros));
        tokio::select! {
            biased;
            () = patience => Ok(NO_WAIT),
            left = cx.transaction(|tx| take_items(tx, 1)) => left,
        }
    })?;
    let impatient = registry.register(impatient)?;
    let mut dag = DagBuilder::new("Impatient")?;
    for stage in 0..10 {
        let nodes =
            (0..30).map(|n| Node::shared_action(format!("n{stage}_{n}"), impatient.clone()));
        dag.append_parallel(nodes.collect::<Result<Vec<_>, _>>()?)?;
    }
    let builder = Coordinator::builder(place.shop.clone()).store(SqliteStore::open(place.file())?);
    let sec = builder.actions(registry).build().await?;
    let saga = sec.saga_dag(SagaDag::new(dag.build()?, &())?).start().await?;
    tokio::time::timeout(Duration::from_secs(60), saga).await??;
    let conn = Connection::open(place.file())?;
    let sql = "SELECT count(*), count(*) FILTER (WHERE CAST(payload AS TEXT) <> ?1) FROM saga_event
               WHERE kind = 'succeeded'";
    let (all, by_transaction): (i64, i64) =
        conn.query_row(sql, [NO_WAIT.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    println!("{by_transaction} of {all} by transaction");
    assert_eq!((all, place.items()), (300, 1000 - by_transaction));
    Ok(())
}

#[tokio::test]
async fn a_call_that_has_ended_asks_in_vain() -> Result<(), Any> {
    let place = Place::new()?;
    let action = ActionFunc::new_noop_undo("only", |cx: Cx| async move {
        let late = cx.clone();
        tokio::spawn(async move {
            until(|| !late.told.lock().unwrap().is_empty()).await;
            late.transaction(|tx| take_items(tx, 1)).await
        });
        Ok::<_, BoxError>(5_u32)
    })?;
    let mut registry = ActionRegistry::new();
    let first = registry.register(action)?;
    let second = ActionFunc::new_noop_undo("second", |cx: Cx| async move {
        cx.told.lock().unwrap().push("go".to_string());
        tokio::time::sleep(Duration::from_millis(50)).await;
        cx.transaction(|tx| take_items(tx, 2)).await
    })?;
    let second = registry.register(second)?;
    let mut dag = DagBuilder::new("Late")?;
    dag.append(Node::shared_action("first", first)?)?;
    dag.append(Node::shared_action("second", second)?)?;
    let saga = SagaDag::new(dag.build()?, &())?;
    let builder = Coordinator::builder(place.shop.clone()).store(SqliteStore::open(place.file())?);
    let sec = builder.actions(registry).build().await?;
    sec.saga_dag(saga).start().await?.await?;
    assert_eq!(place.items(), 8, "only the second's");
    Ok(())
}

#[tokio::test]
async fn an_earlier_attempt_asks_in_vain() -> Result<(), Any> {
    let place = Place::new()?;
    let action = ActionFunc::new_noop_undo("only", |cx: Cx| async move {
        if cx.attempt() == 1 {
            let late = cx.clone();
            tokio::spawn(async move {
                until(|| !late.told.lock().unwrap().is_empty()).await;
                late.transaction(|tx| take_items(tx, 1)).await
            });
            return Err::<u32, BoxError>("try again".into());
        }
        cx.told.lock().unwrap().push("go".to_string());
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(cx.transaction(|tx| take_items(tx, 2)).await?)
    })?;
    let retry = saga_core::Retry::up_to(2).base(Duration::from_millis(1));
    let (sec, saga) = place.alone(action.retry(retry)).await?;
    sec.saga_dag(saga).start().await?.await?;
    assert_eq!(place.items(), 8, "only the second attempt's");
    Ok(())
}

#[tokio::test]
async fn a_cancel_during_the_commit_comes_after_it() -> Result<(), Any> {
    let place = Place::new()?;
    let (open, gate) = mpsc::channel();
    *place.shop.gate.lock().unwrap() = Some(gate);
    let (sec, saga) = place.alone(gated()).await?;
    let handle = sec.saga_dag(saga).id("one").start().await?;
    until(|| !place.told().is_empty()).await;
    let operator = sec.operator("ann");
    let (cancelled, ()) = tokio::join!(operator.cancel("one", "enough"), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        open.send(()).unwrap();
    });
    let log = place.log("only");
    assert_eq!((place.items(), &log[..2]), (9, &["started".into(), "succeeded".into()][..]));
    // whether the order or the end was first, the saga has not lost its log
    println!("{cancelled:?}");
    match handle.await {
        Ok(_) | Err(SagaError::RolledBack(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}
