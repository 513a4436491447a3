//! `SagaExecutor`: what has run is not run again, and what has been undone is not undone again.

use std::sync::{Arc, Mutex};

use saga_core::action::ActionFunc;
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::executor::{ExecutorError, SagaExecutor, SagaSnapshot};
use saga_core::log::{Entry, EntryKind, NodeEntry, SagaEntry};
use saga_core::store::{FileStore, MemoryStore, NewSaga, Store, StoredSaga};
use saga_core::{ActionContext, ActionState, BoxError, SagaError, SagaId, SagaStatus, StartError};
use serde::{Deserialize, Serialize};

use crate::journal::{Any, Journal, act, lines, saga};

async fn stored(store: &MemoryStore, id: &str) -> Result<StoredSaga, Any> {
    Ok(store.load(&id.parse::<SagaId>()?).await?.ok_or("not stored")?)
}

#[tokio::test]
async fn a_saga_executed_twice_runs_once() -> Result<(), Any> {
    let store = MemoryStore::new();
    let executor =
        SagaExecutor::new("x", saga("A | B")?, Journal::default(), store.clone()).await?;
    assert_eq!(executor.execute().await?, "result_B");
    let log = stored(&store, "x").await?.entries;
    assert_eq!(executor.execute().await?, "result_B");
    let (first, second) = tokio::join!(executor.execute(), executor.execute());
    assert_eq!((first?, second?), ("result_B".into(), "result_B".into()));
    assert_eq!(lines(&executor), ["do A", "do B"]);
    assert_eq!(stored(&store, "x").await?.entries, log, "nothing was written");
    // nor does another executor of the same saga run it
    let other = SagaExecutor::new("x", saga("A | B")?, Journal::default(), store).await?;
    assert_eq!(other.execute().await?, "result_B");
    assert_eq!(lines(&other), ["do A", "do B"], "the context came back");
    Ok(())
}

#[tokio::test]
async fn concurrent_calls_run_a_saga_once() -> Result<(), Any> {
    let executor =
        SagaExecutor::new("x", saga("A | B C")?, Journal::default(), MemoryStore::new()).await?;
    let (first, second) = tokio::join!(executor.execute(), executor.execute());
    assert_eq!(first?, second?);
    assert_eq!(lines(&executor), ["do A", "do B", "do C"]);
    Ok(())
}

#[tokio::test]
async fn nodes_run_one_by_one_and_are_undone_in_reverse() -> Result<(), Any> {
    let journal = Journal::failing([("do F", 1)]);
    let shape = saga("A | B C | D E | F")?;
    let executor = SagaExecutor::new("x", shape, journal, MemoryStore::new()).await?;
    let order = executor.execution_order();
    let dag = executor.saga_dag().dag().clone();
    let order = order.into_iter().filter_map(|node| dag.node(node)).map(|n| n.name().to_string());
    assert_eq!(order.collect::<Vec<_>>(), ["A", "B", "C", "D", "E", "F"]);
    let error = executor.execute().await.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    let expected = ["A", "B", "C", "D", "E"].map(|node| format!("do {node}"));
    let undone = ["E", "D", "C", "B", "A"].map(|node| format!("undo {node}"));
    assert_eq!(lines(&executor), [expected, undone].concat());

    let nodes = executor.execution_state().await?;
    let levels = nodes.iter().map(|node| node.level).collect::<Vec<_>>();
    assert_eq!(levels, [0, 1, 1, 2, 2, 3], "A < B = C < D = E < F");
    assert_eq!(nodes[3].after, ["B", "C"]);
    assert_eq!(nodes[5].error.as_deref(), Some("action failed: do F fails"));
    assert!(nodes.iter().all(|node| node.attempts == 1));
    assert_eq!(executor.failed_nodes().await?, ["F"]);
    assert!(executor.completed_nodes().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_trace_has_every_attempt_of_actions_and_undos() -> Result<(), Any> {
    let journal = Journal::failing([("do B", 1)]);
    let executor = SagaExecutor::new("x", saga("A | B")?, journal, MemoryStore::new()).await?;
    assert!(executor.execution_trace().await?.is_empty());
    let pending = executor.execution_state().await?;
    assert!(pending.iter().all(|node| node.state == ActionState::Pending));
    executor.execute().await.unwrap_err();
    let trace = executor.execution_trace().await?;
    let shown = trace.iter().map(|r| (r.node.as_str(), r.undo, r.attempt, r.state));
    let expected = [
        ("A", false, 1, ActionState::Completed),
        ("B", false, 1, ActionState::Failed),
        ("A", true, 1, ActionState::Undone),
    ];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    assert_eq!(trace[1].error.as_deref(), Some("do B fails"));
    assert!(trace.iter().all(|record| record.ended_at >= Some(record.started_at)));
    Ok(())
}

/// A store in which the process died after the first `len` entries, with the context of that moment.
async fn cut(saga: &StoredSaga, len: usize, context: &Journal) -> Result<MemoryStore, Any> {
    let store = MemoryStore::new();
    let entries = saga.entries[..len].to_vec();
    let mut record = saga.record.clone();
    record.next_seq = len as u64 + 1;
    record.error = None;
    record.context = Some(serde_json::to_vec(context)?.into());
    record.status = match entries.last().and_then(Entry::saga_entry) {
        Some(SagaEntry::Ended(status)) => *status,
        _ => SagaStatus::Running,
    };
    store.create(NewSaga { record, entries }).await?;
    Ok(store)
}

#[tokio::test]
async fn after_a_reload_only_the_missing_nodes_run() -> Result<(), Any> {
    let (store, shape) = (MemoryStore::new(), saga("A | B C | D")?);
    let executor = SagaExecutor::new("x", shape.clone(), Journal::default(), store.clone()).await?;
    executor.execute().await?;
    let whole = stored(&store, "x").await?;
    for len in 1..=whole.entries.len() {
        let outcomes = whole.entries[..len].iter();
        let ended =
            outcomes.filter(|entry| matches!(entry.node_entry(), Some(NodeEntry::Succeeded(_))));
        let ended = ended.filter_map(|entry| Some(format!("do {}", entry.node()?)));
        let journal = Journal::default();
        ended.for_each(|line| journal.note(line).unwrap());
        let store = cut(&whole, len, &journal).await?;

        let state = SagaSnapshot::from(&stored(&store, "x").await?);
        let again = SagaExecutor::from_state(&state, shape.dag().clone(), store.clone()).await?;
        assert_eq!(again.execute().await?, "result_D", "after {len} entries");
        assert_eq!(lines(&again), ["do A", "do B", "do C", "do D"], "after {len} entries");
        again.rollback().await?;
        again.rollback().await?;
        let undone = ["undo D", "undo C", "undo B", "undo A"];
        assert_eq!(lines(&again)[4..], undone, "after {len} entries");
        assert_eq!(stored(&store, "x").await?.record.status, SagaStatus::RolledBack);
    }
    Ok(())
}

/// The contract `f(output)`: an action that was cut off is run again until it answers, then undone.
#[tokio::test]
async fn a_saga_that_was_cut_off_is_rolled_back_without_running_the_rest() -> Result<(), Any> {
    let (store, shape) = (MemoryStore::new(), saga("A | B C | D")?);
    let executor = SagaExecutor::new("x", shape.clone(), Journal::default(), store.clone()).await?;
    executor.execute().await?;
    let whole = stored(&store, "x").await?;
    for len in 1..=whole.entries.len() {
        let journal = Journal::default();
        let mut begun = Vec::new();
        for entry in &whole.entries[..len] {
            let EntryKind::Node { node, entry, .. } = &entry.kind else { continue };
            match entry {
                NodeEntry::Started => begun.push(node.to_string()),
                _ => journal.note(format!("do {node}"))?,
            }
        }
        let store = cut(&whole, len, &journal).await?;
        let state = SagaSnapshot::from(&stored(&store, "x").await?);
        let again = SagaExecutor::from_state(&state, shape.dag().clone(), store.clone()).await?;
        again.rollback().await?;
        let done = begun.iter().map(|node| format!("do {node}"));
        let undone = begun.iter().rev().map(|node| format!("undo {node}"));
        let expected = done.chain(undone).collect::<Vec<_>>();
        assert_eq!(lines(&again), expected, "after {len} entries");
        assert_eq!(stored(&store, "x").await?.record.status, SagaStatus::RolledBack);
    }
    Ok(())
}

#[tokio::test]
async fn a_rollback_repeats_nothing_and_a_saga_that_was_rolled_back_does_not_run_again()
-> Result<(), Any> {
    let store = MemoryStore::new();
    let new = || async {
        SagaExecutor::new("x", saga("A | B")?, Journal::default(), store.clone())
            .await
            .map_err(Any::from)
    };
    let executor = new().await?;
    executor.rollback().await?;
    assert!(executor.state().await?.is_none(), "there was nothing to undo, and nothing is written");
    executor.execute().await?;
    executor.rollback().await?;
    let all = ["do A", "do B", "undo B", "undo A"];
    assert_eq!(lines(&executor), all);
    executor.rollback().await?;
    let error = executor.execute().await.unwrap_err();
    let expected = "saga x rolled back: rolled back on request: rollback";
    assert_eq!(error.to_string(), expected);
    let later = new().await?;
    later.rollback().await?;
    assert!(matches!(later.execute().await, Err(SagaError::RolledBack(_))));
    assert_eq!(
        (lines(&executor), lines(&later)),
        (all.map(Into::into).into(), all.map(Into::into).into())
    );
    Ok(())
}

#[tokio::test]
async fn a_stuck_saga_resumes_at_the_failed_undo() -> Result<(), Any> {
    let journal = Journal::failing([("do D", 1), ("undo B", 1)]);
    let executor =
        SagaExecutor::new("x", saga("A | B | C | D")?, journal, MemoryStore::new()).await?;
    let error = executor.execute().await.unwrap_err();
    assert!(matches!(error, SagaError::Stuck(_)), "{error}");
    let stuck = ["do A", "do B", "do C", "undo C"];
    assert_eq!(lines(&executor), stuck);
    let error = executor.rollback().await.unwrap_err();
    assert!(matches!(error, ExecutorError::Ended(SagaError::Stuck(_))), "{error}");
    assert_eq!(lines(&executor), stuck, "it repeats nothing");
    executor.operator("alice").retry_undo("x", "B").await?;
    executor.rollback().await?;
    assert_eq!(lines(&executor)[4..], ["undo B", "undo A"]);
    assert_eq!(executor.state().await?.ok_or("lost")?.status, SagaStatus::RolledBack);
    Ok(())
}

#[tokio::test]
async fn a_running_saga_is_cancelled_by_a_rollback() -> Result<(), Any> {
    let waits = ActionFunc::new(
        "waits",
        |cx: crate::journal::Cx| async move {
            cx.note("waits".into())?;
            cx.cancelled().await;
            Err::<(), BoxError>("called off".into())
        },
        |_cx, _output| async { Ok::<_, BoxError>(()) },
    )?;
    let mut dag = DagBuilder::new("Waits")?;
    dag.append(Node::action("A", act()?)?)?;
    dag.append(Node::action("B", waits)?)?;
    let saga = SagaDag::new(dag.build()?, &())?;
    let executor = SagaExecutor::new("x", saga, Journal::default(), MemoryStore::new()).await?;
    let rollback = async {
        while lines(&executor).len() < 2 {
            tokio::task::yield_now().await;
        }
        executor.rollback().await
    };
    let (ended, rolled_back) = tokio::join!(executor.execute(), rollback);
    rolled_back?;
    assert!(matches!(ended, Err(SagaError::RolledBack(_))), "{ended:?}");
    assert_eq!(lines(&executor), ["do A", "waits", "undo A"]);
    Ok(())
}

#[tokio::test]
async fn another_saga_or_version_is_refused_before_anything_runs() -> Result<(), Any> {
    let store = MemoryStore::new();
    let executor = SagaExecutor::new("x", saga("A")?, Journal::default(), store.clone()).await?;
    executor.execute().await?;
    let other = SagaExecutor::new("x", saga("A | B")?, Journal::default(), store.clone()).await;
    let error = other.unwrap_err();
    assert!(matches!(error, ExecutorError::Start(StartError::UnknownVersion { .. })), "{error}");
    let other = SagaDag::new(saga("A")?.dag().clone(), &"other")?;
    let other = SagaExecutor::new("x", other, Journal::default(), store.clone()).await?;
    let error = other.execute().await.unwrap_err();
    assert!(matches!(error, SagaError::Start(StartError::IdConflict { .. })), "{error}");
    let mut state = executor.state().await?.ok_or("lost")?;
    state.saga_id = "y".parse()?;
    let missing = SagaExecutor::from_state(&state, executor.saga_dag().dag().clone(), store).await;
    assert_eq!(missing.unwrap_err().to_string(), "there is no saga y");
    let bad = SagaExecutor::new("../x", saga("A")?, Journal::default(), MemoryStore::new()).await;
    assert!(bad.unwrap_err().to_string().contains("saga id \"../x\" contains '/'"));
    Ok(())
}

/// Written by one process, read by another: private fields too.
#[derive(Serialize, Deserialize)]
struct Counter {
    count: Mutex<u64>,
}

fn counting(fails_at: u64) -> Result<SagaDag<Counter>, Any> {
    let count = move |cx: ActionContext<Counter>| async move {
        let mut count = cx.count.lock().map_err(|e| e.to_string())?;
        *count += 1;
        if *count == fails_at { Err(BoxError::from("enough")) } else { Ok(*count) }
    };
    let undo = |cx: ActionContext<Counter>, _: Arc<u64>| async move {
        *cx.count.lock().map_err(|e| e.to_string())? += 100;
        Ok::<_, BoxError>(())
    };
    let mut dag = DagBuilder::new("Count")?;
    for name in ["one", "two", "three"] {
        dag.append(Node::action(name, ActionFunc::new("count", count, undo)?)?)?;
    }
    Ok(SagaDag::new(dag.build()?, &())?)
}

#[tokio::test]
async fn the_context_is_written_with_each_entry_and_comes_back() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let state = {
        let store = FileStore::open(directory.path())?;
        let counter = Counter { count: Mutex::new(7) };
        let executor = SagaExecutor::new("x", counting(0)?, counter, store).await?;
        assert_eq!(executor.execute().await?, 10);
        executor.state().await?.ok_or("lost")?
    };
    assert_eq!(state.context, serde_json::json!({ "count": 10 }));
    let store = FileStore::open(directory.path())?;
    let later = SagaExecutor::from_state(&state, counting(0)?.dag().clone(), store).await?;
    later.rollback().await?;
    let state = later.state().await?.ok_or("lost")?;
    assert_eq!(state.context, serde_json::json!({ "count": 310 }), "undos count too");
    assert!(state.completed_actions.is_empty());
    Ok(())
}

/// A context that cannot be written down at some point.
#[derive(Deserialize)]
struct Fragile {
    broken: Mutex<bool>,
}

impl Serialize for Fragile {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match *self.broken.lock().unwrap() {
            true => Err(serde::ser::Error::custom("it is broken")),
            false => serde_json::json!({ "broken": false }).serialize(to),
        }
    }
}

#[tokio::test]
async fn a_context_that_cannot_be_written_stops_the_saga() -> Result<(), Any> {
    let breaks = |cx: ActionContext<Fragile>| async move {
        *cx.broken.lock().map_err(|e| e.to_string())? = true;
        Ok::<_, BoxError>(1)
    };
    let mut dag = DagBuilder::new("Breaks")?;
    dag.append(Node::action("A", ActionFunc::new_noop_undo("breaks", breaks)?)?)?;
    let (saga, store) = (SagaDag::new(dag.build()?, &())?, MemoryStore::new());
    let context = Fragile { broken: Mutex::new(false) };
    let executor = SagaExecutor::new("x", saga, context, store.clone()).await?;
    let error = executor.execute().await.unwrap_err();
    assert!(error.to_string().contains("serialize failed: it is broken"), "{error}");
    let kinds = stored(&store, "x").await?.entries;
    assert_eq!(kinds.iter().map(|e| e.kind.name()).collect::<Vec<_>>(), ["created", "started"]);
    Ok(())
}

#[tokio::test]
async fn executors_leave_the_sagas_of_others_alone() -> Result<(), Any> {
    let (store, shape) = (MemoryStore::new(), saga("A | B")?);
    let done = SagaExecutor::new("done", shape.clone(), Journal::default(), store.clone()).await?;
    done.execute().await?;
    let half = cut(&stored(&store, "done").await?, 3, &Journal::default()).await?;
    // a saga of the same shape that nobody runs now
    let mut record = stored(&half, "done").await?.record;
    record.id = "half".parse()?;
    let entries = stored(&half, "done").await?.entries;
    store.create(NewSaga { record, entries: entries.clone() }).await?;
    let other = SagaExecutor::new("other", shape, Journal::default(), store.clone()).await?;
    other.execute().await?;
    assert_eq!(stored(&store, "half").await?.entries, entries);
    Ok(())
}

#[tokio::test]
async fn with_higher_concurrency_nodes_run_in_parallel() -> Result<(), Any> {
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let meet = move |_cx: ActionContext<()>| {
        let barrier = barrier.clone();
        async move {
            barrier.wait().await;
            Ok::<_, BoxError>(1)
        }
    };
    let mut dag = DagBuilder::new("Meet")?;
    dag.append_parallel([
        Node::action("A", ActionFunc::new_noop_undo("meet", meet.clone())?)?,
        Node::action("B", ActionFunc::new_noop_undo("meet", meet)?)?,
    ])?;
    let saga = SagaDag::new(dag.build()?, &())?;
    let executor = SagaExecutor::new("x", saga, (), MemoryStore::new()).await?.max_concurrency(2);
    executor.execute().await?;
    assert_eq!(executor.completed_nodes().await?, ["A", "B"]);
    Ok(())
}
