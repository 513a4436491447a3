//! Rows: statuses, action errors and their conversions, undo errors.

use std::error::Error;
use std::sync::Arc;

use saga_core::action::ActionFunc;
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::executor::SagaExecutor;
use saga_core::store::MemoryStore;
use saga_core::{
    ActionContext, ActionError, ActionState, BoxError, Retry, SagaError, SagaStatus, UndoError,
};
use serde::{Deserialize, Serialize};

use crate::journal::Any;

#[test]
fn status_words_are_those_of_the_reference() {
    let words = ["running", "failed", "rolling_back", "completed", "rolled_back", "stuck"];
    for word in words {
        let status: SagaStatus = word.parse().unwrap();
        assert_eq!(status.to_string(), word);
        assert_eq!(serde_json::to_value(status).unwrap(), word);
    }
    let bogus = "bogus".parse::<SagaStatus>().unwrap_err();
    assert_eq!(bogus.to_string(), "invalid SagaStatus: bogus");
    let states = [
        (ActionState::Pending, "pending"),
        (ActionState::Running, "running"),
        (ActionState::Completed, "completed"),
        (ActionState::Failed, "failed"),
        (ActionState::Undoing, "undoing"),
        (ActionState::Undone, "undone"),
        (ActionState::UndoFailed, "undo_failed"),
        (ActionState::Skipped, "skipped"),
    ];
    for (state, word) in states {
        assert_eq!(state.to_string(), word);
        assert_eq!(serde_json::to_value(state).unwrap(), word);
    }
}

#[test]
fn error_messages_are_those_of_the_reference() {
    let cases = [
        (ActionError::from_error("no room"), "action failed: no room"),
        (ActionError::new_serialize("NaN"), "serialize failed: NaN"),
        (ActionError::new_deserialize("no u32"), "deserialize failed: no u32"),
        (ActionError::Injected, "error injected"),
        (ActionError::new_subsaga("no name"), "failed to create subsaga: no name"),
    ];
    for (error, message) in cases {
        assert_eq!(error.to_string(), message);
    }
}

#[derive(Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("declined: {code}")]
struct Declined {
    code: u32,
    #[source]
    #[serde(skip)]
    cause: Option<Cause>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the bank said no")]
struct Cause;

#[test]
fn the_user_error_comes_back_typed_with_its_source() {
    let error = ActionError::from_serializable(Declined { code: 51, cause: Some(Cause) });
    let source = error.source().ok_or("none").unwrap();
    assert!(source.is::<Declined>());
    assert_eq!(source.source().map(ToString::to_string).as_deref(), Some("the bank said no"));
    assert_eq!(error.convert::<Declined>().unwrap(), Declined { code: 51, cause: None });
    // one that is not such an error stays what it was
    let other = ActionError::from_error("no room").convert::<Declined>().unwrap_err();
    assert_eq!(other.to_string(), "action failed: no room");
}

async fn ends(undo: fn(u32) -> Result<(), UndoError>) -> Result<(SagaError, u32), Any> {
    use std::sync::atomic::{AtomicU32, Ordering};
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let undone = ActionFunc::new(
        "undone",
        |_cx: ActionContext<()>| async { Ok::<_, BoxError>(1) },
        move |_cx, _output| {
            let result = undo(counted.fetch_add(1, Ordering::SeqCst));
            async move { result }
        },
    )?;
    let fails = ActionFunc::new_noop_undo("fails", |_cx: ActionContext<()>| async {
        Err::<(), _>(BoxError::from("no"))
    })?;
    let mut dag = DagBuilder::new("Undo")?;
    dag.append(Node::action(
        "a",
        undone.undo_retry(Retry::up_to(3).base(std::time::Duration::ZERO)),
    )?)?;
    dag.append(Node::action("b", fails)?)?;
    let saga = SagaDag::new(dag.build()?, &())?;
    let executor = SagaExecutor::new("x", saga, (), MemoryStore::new()).await?;
    let error = executor.execute().await.err().ok_or("it completed")?;
    Ok((error, tries.load(Ordering::SeqCst)))
}

#[tokio::test(start_paused = true)]
async fn a_permanent_undo_error_is_final_and_a_retryable_one_is_tried_again() -> Result<(), Any> {
    let (error, tries) = ends(|_| Err(UndoError::permanent("gone"))).await?;
    assert!(matches!(&error, SagaError::Stuck(_)), "{error}");
    assert_eq!(tries, 1);
    // an operator must see what stands in the way
    let expected = "saga x is stuck: node `b`: action failed: no; undo of `a`: action failed: gone; \
                    effects that remain: `a`";
    assert_eq!(error.to_string(), expected);
    let (error, tries) = ends(|n| match n {
        2 => Ok(()),
        _ => Err(UndoError::from_error("busy")),
    })
    .await?;
    assert!(matches!(&error, SagaError::RolledBack(_)), "{error}");
    assert_eq!(tries, 3);
    let (error, tries) = ends(|_| Err(UndoError::from_error("busy"))).await?;
    assert!(matches!(&error, SagaError::Stuck(_)), "{error}");
    assert_eq!(tries, 3);
    Ok(())
}
