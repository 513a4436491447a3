//! Rows: stores, and the snapshot format of the reference's stores.

use std::time::Duration;

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::executor::{SagaExecutor, SagaSnapshot};
use saga_core::store::{FileStore, MemoryStore, SqliteStore, Store, StoreError};
use saga_core::{ActionContext, BoxError, Coordinator, Retry, SagaId, SagaStatus};
use serde_json::json;

use crate::journal::{Any, Journal, act, lines, saga};

#[tokio::test]
async fn a_snapshot_has_the_fields_of_the_reference() -> Result<(), Any> {
    let executor =
        SagaExecutor::new("x", saga("A | B")?, Journal::default(), MemoryStore::new()).await?;
    executor.execute().await?;
    let state = executor.state().await?.ok_or("lost")?;
    let json = serde_json::to_value(&state)?;
    let fields = json.as_object().ok_or("no object")?.keys().map(String::as_str);
    let expected = [
        "completed_actions",
        "context",
        "created_at",
        "saga_id",
        "saga_name",
        "status",
        "updated_at",
    ];
    let mut fields = fields.collect::<Vec<_>>();
    fields.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!((&json["saga_id"], &json["status"]), (&json!("x"), &json!("completed")));
    assert_eq!(json["context"]["lines"], json!(["do A", "do B"]));
    let completed = json!([
        { "name": "A", "output": "result_A" },
        { "name": "B", "output": "result_B" },
    ]);
    assert_eq!(json["completed_actions"], completed);
    assert_eq!(serde_json::from_value::<SagaSnapshot>(json)?, state);
    assert!(!format!("{state:?}").contains("result_A"), "outputs are not for traces");
    let bad = json!({ "saga_id": "x", "saga_name": "", "status": "running", "context": null,
        "completed_actions": [], "created_at": "yesterday", "updated_at": "" });
    let error = serde_json::from_value::<SagaSnapshot>(bad).unwrap_err().to_string();
    assert!(error.contains("\"yesterday\" is no moment like"), "{error}");
    Ok(())
}

#[tokio::test]
async fn the_status_after_a_compensation_is_stored() -> Result<(), Any> {
    let journal = Journal::failing([("do B", 1)]);
    let executor = SagaExecutor::new("x", saga("A | B")?, journal, MemoryStore::new()).await?;
    executor.execute().await.unwrap_err();
    let state = executor.state().await?.ok_or("lost")?;
    assert_eq!((state.status, state.completed_actions.len()), (SagaStatus::RolledBack, 0));
    Ok(())
}

#[tokio::test]
async fn the_context_of_a_coordinator_is_its_parameters() -> Result<(), Any> {
    let mut actions = ActionRegistry::new();
    let act =
        ActionFunc::new_noop_undo("act", |_cx: ActionContext<()>| async { Ok::<_, BoxError>(1) })?;
    let act = actions.register(act)?;
    let mut dag = DagBuilder::new("One")?;
    dag.append(Node::shared_action("A", act)?)?;
    let store = MemoryStore::new();
    let sec = Coordinator::builder(()).store(store.clone()).actions(actions).build().await?;
    sec.saga_dag(SagaDag::new(dag.build()?, &json!({ "n": 1 }))?).id("x").start().await?.await?;
    let stored = store.load(&"x".parse()?).await?.ok_or("lost")?;
    assert_eq!(SagaSnapshot::from(&stored).context, json!({ "n": 1 }));
    assert_eq!(stored.record.context, None, "a live handle is not written down");
    Ok(())
}

/// Save, load, delete: an id cannot leave the directory, a second process cannot interfere, and what was
/// deleted can be run anew.
#[tokio::test]
async fn a_store_directory_is_locked_and_ids_cannot_escape_it() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let store = FileStore::open(directory.path())?;
    assert!(matches!(FileStore::open(directory.path()), Err(StoreError::InUse { .. })));
    assert!("../../etc/passwd".parse::<SagaId>().is_err());
    drop(store);
    for _ in 0..2 {
        let store = FileStore::open(directory.path())?;
        let executor = SagaExecutor::new("x", saga("A")?, Journal::default(), store).await?;
        executor.execute().await?;
        assert_eq!(executor.user_context().lines(), ["do A"]);
        drop(executor);
        let store = FileStore::open(directory.path())?;
        assert!(store.delete(&"x".parse()?).await?);
        assert!(!store.delete(&"x".parse()?).await?);
    }
    Ok(())
}

/// A | B, where B is under way when the process dies. The next one has only what is on the disk.
fn dies_and_goes_on<S: Store>(open: impl Fn() -> Result<S, StoreError>) -> Result<(), Any> {
    let shape = |hangs: bool| {
        let b = ActionFunc::new_noop_undo("b", move |cx: ActionContext<Journal>| async move {
            cx.note("do B".into())?;
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok::<_, BoxError>(2)
        });
        let mut dag = DagBuilder::new("Waits")?;
        dag.append(Node::action("A", act()?)?)?;
        dag.append(Node::action("B", b?)?)?;
        Ok::<_, Any>(SagaDag::new(dag.build()?, &())?)
    };
    let process = || tokio::runtime::Builder::new_multi_thread().enable_time().build();

    let first = process()?;
    first.block_on(async {
        let executor = SagaExecutor::new("x", shape(true)?, Journal::default(), open()?).await?;
        let life = tokio::time::timeout(Duration::from_millis(200), executor.execute()).await;
        assert!(life.is_err(), "B hangs");
        assert_eq!(lines(&executor), ["do A", "do B"]);
        Ok::<_, Any>(())
    })?;
    first.shutdown_timeout(Duration::from_secs(5));

    process()?.block_on(async {
        let executor = SagaExecutor::new("x", shape(false)?, Journal::default(), open()?).await?;
        // as it was when the last entry was written: the call that was cut off came later
        assert_eq!(lines(&executor), ["do A"]);
        assert_eq!(executor.execute().await?, 2);
        assert_eq!(lines(&executor), ["do A", "do B"]);
        let trace = executor.execution_trace().await?;
        let attempts = trace.iter().map(|r| (r.node.as_str(), r.attempt, r.ended_at.is_some()));
        let expected = [("A", 1, true), ("B", 1, false), ("B", 2, true)];
        assert_eq!(attempts.collect::<Vec<_>>(), expected);
        Ok(())
    })
}

#[test]
fn an_executor_resumes_what_another_process_left_on_disk() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    dies_and_goes_on(|| FileStore::open(directory.path().join("files")))?;
    dies_and_goes_on(|| SqliteStore::open(directory.path().join("sagas.db")))
}

/// An attempt that failed is in the trace. The node that succeeded after it has not failed, nor has an undo.
#[tokio::test(start_paused = true)]
async fn a_retried_node_is_not_shown_as_failed() -> Result<(), Any> {
    for fails in ["none", "do B"] {
        let journal = Journal::failing([("do A", 1), (fails, 1), ("undo A", 1)]);
        let mut dag = DagBuilder::new("Retried")?;
        let twice = ActionFunc::new(
            "twice",
            |cx: ActionContext<Journal>| async move {
                Ok::<_, BoxError>(cx.note(format!("do {}", cx.node_path()))?)
            },
            |cx: ActionContext<Journal>, _output| async move {
                Ok::<_, BoxError>(cx.note(format!("undo {}", cx.node_path()))?)
            },
        )?;
        dag.append(Node::action("A", twice.retry(Retry::up_to(2)))?)?;
        dag.append(Node::action("B", act()?)?)?;
        let saga = SagaDag::new(dag.build()?, &())?;
        let executor = SagaExecutor::new("x", saga, journal, MemoryStore::new()).await?;
        let failed = match fails {
            "none" => {
                executor.execute().await?;
                vec![]
            }
            _ => {
                executor.execute().await.unwrap_err();
                vec!["B"]
            }
        };
        assert_eq!(executor.failed_nodes().await?, failed);
        let nodes = executor.execution_state().await?;
        assert_eq!((nodes[0].attempts, &nodes[0].error), (2, &None), "{fails}");
        assert_eq!(nodes[0].undo_error, None);
        let trace = executor.execution_trace().await?;
        assert_eq!(trace[0].error.as_deref(), Some("do A fails"));
        assert_eq!(trace[1].error, None);
    }
    Ok(())
}
