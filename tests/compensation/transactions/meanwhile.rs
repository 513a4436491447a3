//! What happens while a transaction runs or waits for its turn: timeouts, shutdowns, cancellations.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::prelude::*;
use saga_core::store::SqliteStore;
use saga_core::store::rusqlite::{self, Connection};
use saga_core::{BoxError, SagaStatus};

use super::shop::*;

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
async fn a_shutdown_during_the_commit_does_not_lose_it() -> Result<(), Any> {
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
    let handle = sec.get::<serde_json::Value>("one").await?.unwrap();
    assert_eq!(handle.await?, 9);
    assert_eq!((place.items(), place.told().len()), (9, 1), "it did not run again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_transactions_of_one_saga_each_happen_once() -> Result<(), Any> {
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
    let sql = "SELECT count(*), count(DISTINCT number || node) FROM saga_event
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
async fn an_action_that_does_not_await_its_transaction_has_either_its_rows_or_its_own_output()
-> Result<(), Any> {
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
async fn a_call_that_has_ended_gets_no_transaction() -> Result<(), Any> {
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
async fn an_earlier_attempt_gets_no_transaction() -> Result<(), Any> {
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

/// The call goes on without the transaction that it asked for: nobody would wait for its rows.
#[tokio::test]
async fn a_dropped_transaction_is_not_committed() -> Result<(), Any> {
    let place = Place::new()?;
    let action = ActionFunc::new_noop_undo("only", |cx: Cx| async move {
        tokio::select! {
            biased;
            left = cx.transaction(|tx| take_items(tx, 1)) => return left,
            () = std::future::ready(()) => {}
        }
        // long enough for it to come to its turn
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(7_u32)
    })?;
    let (sec, saga) = place.alone(action).await?;
    assert_eq!(sec.saga_dag(saga).start().await?.await?, 7);
    assert_eq!(place.items(), 10);
    Ok(())
}

/// Other nodes of the saga always have something to write. It gets its turn all the same, right after the append
/// that is under way.
#[tokio::test]
async fn a_transaction_does_not_wait_until_nothing_else_is_written() -> Result<(), Any> {
    const CHAINS: usize = 8;
    const LENGTH: usize = 30;
    let place = Place::new()?;
    let mut registry = ActionRegistry::new();
    let take = registry.register(only(|tx| take_items(tx, 1)))?;
    // some end while what the others did is being written
    let quick = ActionFunc::new_noop_undo("quick", |cx: Cx| async move {
        if cx.node_path().as_str() < "n4" {
            tokio::task::yield_now().await;
        }
        Ok::<_, BoxError>(0_u32)
    })?;
    let quick = registry.register(quick)?;
    let mut dag = DagBuilder::new("Busy")?;
    dag.node(Node::shared_action("only", take)?)?;
    for chain in 0..CHAINS {
        for n in 0..LENGTH {
            let node = Node::shared_action(format!("n{chain}_{n}"), quick.clone())?;
            let before = n.checked_sub(1).map(|before| format!("n{chain}_{before}"));
            dag.node(node)?.after(before);
        }
    }
    dag.output("only");
    let builder = Coordinator::builder(place.shop.clone()).store(SqliteStore::open(place.file())?);
    let sec = builder.actions(registry).build().await?;
    sec.saga_dag(SagaDag::new(dag.build()?, &())?).start().await?.await?;
    let conn = Connection::open(place.file())?;
    let seq = |node: &str| {
        let sql = "SELECT seq FROM saga_event WHERE node = ?1 AND kind = 'succeeded'";
        conn.query_row(sql, [node], |row| row.get::<_, i64>(0))
    };
    let (taken, last) = (seq("only")?, seq(&format!("n0_{}", LENGTH - 1))?);
    assert!(taken < last / 4, "as entry {taken}, and the chains go on to entry {last}");
    Ok(())
}
