//! What an action can ask its context: keys, tokens, attempts, cancellation, lookups.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::prelude::*;
use saga_core::{BoxError, FencingToken, LookupError};

type Any = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Clone, PartialEq)]
struct Seen {
    node: String,
    undo: bool,
    attempt: u32,
    key: String,
    action_key: String,
    token: FencingToken,
}

#[derive(Default)]
struct Notes(Mutex<Vec<Seen>>);

type Cx = ActionContext<Arc<Notes>>;

fn note(cx: &Cx, undo: bool) {
    cx.0.lock().unwrap().push(Seen {
        node: cx.node_path().to_string(),
        undo,
        attempt: cx.attempt(),
        key: cx.idempotency_key().to_string(),
        action_key: cx.action_key().to_string(),
        token: cx.token(),
    });
}

#[saga_action(undo = unnote(), undo_on_failure, retry(max = 2, base = "1ms"))]
async fn noted(cx: &ActionContext<Arc<Notes>>, fails: u32) -> Result<u32, String> {
    note(cx, false);
    if cx.attempt() <= fails { Err("not yet".to_string()) } else { Ok(fails) }
}
async fn unnote(cx: &Cx) -> Result<(), String> {
    note(cx, true);
    // the saga's cancellation does not reach an undo
    assert!(!cx.is_cancelled());
    Ok(())
}

#[saga_action(no_undo)]
async fn patient(cx: &ActionContext<Arc<Notes>>) -> Result<(), String> {
    cx.cancelled().await;
    note(cx, false);
    Err("stopped early".to_string())
}

saga! {
    Keys<Arc<Notes>>() {
        parallel {
            let _patient = patient {};
            {
                let _one = noted { fails: 1 };
                let _two = noted { fails: 5 };
            }
        }
    }
}

#[tokio::test]
async fn keys_are_stable_per_node_and_direction_and_tokens_grow() -> Result<(), Any> {
    let notes = Arc::new(Notes::default());
    let sec = Coordinator::builder(notes.clone()).saga::<Keys>().build().await?;
    let run = tokio::time::timeout(Duration::from_secs(10), sec.run(Keys {}));
    let error = run.await?.unwrap_err();
    assert_eq!(error.failed_node().map(ToString::to_string).as_deref(), Some("_two"));
    let first = notes.0.lock().unwrap().clone();
    let of = |node: &str, undo: bool| {
        let all = first.iter().filter(|s| s.node == node && s.undo == undo);
        all.cloned().collect::<Vec<_>>()
    };
    for node in ["_one", "_two"] {
        let (done, undone) = (of(node, false), of(node, true));
        assert_eq!(done.iter().map(|s| s.attempt).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(done[0].key, done[1].key, "the same for every attempt");
        assert!(done[0].token < done[1].token && done[1].token < undone[0].token);
        assert_ne!(undone[0].key, done[0].key, "an undo has a key of its own");
        assert_eq!(undone[0].action_key, done[0].key, "and can read the action's");
    }
    assert_eq!(of("_patient", false).len(), 1, "cancellation was heard");

    let error = sec.run(Keys {}).await;
    assert!(error.is_err());
    let all = notes.0.lock().unwrap().clone();
    let keys = all.iter().map(|s| (&s.key, &s.node)).collect::<BTreeSet<_>>();
    assert_eq!(keys.len(), 2 * 5, "other nodes, directions and runs have other keys");
    Ok(())
}

#[tokio::test]
async fn lookups_find_ancestors_and_say_what_is_wrong() -> Result<(), Any> {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let mut registry = ActionRegistry::<()>::new();
    let give = ActionFunc::new_noop_undo("give", |_cx| async { Ok::<_, BoxError>(7_u32) })?;
    let give = registry.register(give)?;
    let told = answers.clone();
    let ask = ActionFunc::new_noop_undo("ask", move |cx: ActionContext<()>| {
        let told = told.clone();
        async move {
            let mut told = told.lock().unwrap();
            told.push(cx.lookup::<u32>("first").map(|n| n.to_string()));
            told.push(cx.lookup::<u64>("first").map(|n| n.to_string()));
            told.push(cx.lookup::<String>("first").map(|n| n.to_string()));
            told.push(cx.lookup::<u32>("frist").map(|n| n.to_string()));
            told.push(cx.lookup::<u32>("beside").map(|n| n.to_string()));
            told.push(cx.saga_params::<Vec<u8>>().map(|n| format!("{n:?}")));
            Ok::<_, BoxError>(())
        }
    })?;
    let ask = registry.register(ask)?;
    let mut dag = DagBuilder::new("Lookups")?;
    dag.append(Node::shared_action("first", give.clone())?)?;
    let stage = [Node::shared_action("beside", give)?, Node::shared_action("asks", ask)?];
    dag.append_parallel(stage)?;
    let sec = Coordinator::builder(()).actions(registry).build().await?;
    sec.saga_dag(SagaDag::new(dag.build()?, &[1_u8, 2])?).start().await?.await?;
    let answers = answers.lock().unwrap().clone();
    assert_eq!(answers[0].as_deref(), Ok("7"));
    assert_eq!(answers[1].as_deref(), Ok("7"), "read from the log as another type that fits");
    assert!(matches!(answers[2], Err(LookupError::Deserialize { .. })));
    assert!(matches!(answers[3], Err(LookupError::NoSuchNode { .. })));
    assert!(matches!(answers[4], Err(LookupError::NotAnAncestor { .. })));
    assert_eq!(answers[5].as_deref(), Ok("[1, 2]"));
    Ok(())
}

/// Never answers in its first life.
#[saga_action(no_undo)]
async fn late(cx: &ActionContext<Arc<Notes>>) -> Result<u32, String> {
    note(cx, false);
    if cx.attempt() == 1 {
        std::future::pending::<()>().await;
    }
    Ok(1)
}

saga! { Late<Arc<Notes>>() -> u32 { late {} } }

/// A receiver tells by it which of two calls under one key comes from the process that was replaced.
#[tokio::test]
async fn a_token_tells_the_epoch_of_its_call() -> Result<(), Any> {
    let (notes, store) = (Arc::new(Notes::default()), saga_core::store::MemoryStore::new());
    let build = async || {
        let builder = Coordinator::builder(notes.clone()).store(store.clone());
        builder.saga::<Late>().build().await
    };
    let sec = build().await?;
    sec.saga(Late {}).id("x").start().await?;
    while notes.0.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    sec.shutdown(Duration::ZERO).await?;
    let sec = build().await?;
    assert_eq!(sec.get::<Late>("x").await?.ok_or("it is lost")?.await?, 1);
    let seen = notes.0.lock().unwrap().clone();
    let tokens = seen.iter().map(|seen| seen.token.epoch).collect::<Vec<_>>();
    assert_eq!(tokens, [1, 2]);
    assert_eq!(seen[0].key, seen[1].key, "under one key");
    assert!(seen[0].token < seen[1].token);
    Ok(())
}
