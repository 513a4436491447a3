//! Running a single saga by hand: a [`SagaExecutor`] runs one DAG with a context that is
//! saved in the log.
//!
//! An executor works like a [`Coordinator`]: the same machine decides, the same log is written, and everything
//! that it reports is read from that log. It adds the context: a value that the actions change, which is
//! stored with each entry of the log and comes back with it.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use saga_core::action::ActionFunc;
//! use saga_core::dag::{DagBuilder, Node, SagaDag};
//! use saga_core::executor::{SagaExecutor, SagaSnapshot};
//! use saga_core::store::MemoryStore;
//! use saga_core::{ActionContext, BoxError};
//!
//! /// Actions share their context, so what they change is behind a lock.
//! #[derive(Default, serde::Serialize, serde::Deserialize)]
//! struct Cart { items: Mutex<Vec<String>> }
//!
//! let add = ActionFunc::new(
//!     "add",
//!     |cx: ActionContext<Cart>| async move {
//!         let mut items = cx.items.lock().map_err(|e| e.to_string())?;
//!         items.push("book".into());
//!         Ok::<_, BoxError>(items.len())
//!     },
//!     |cx: ActionContext<Cart>, _added: Arc<usize>| async move {
//!         cx.items.lock().map_err(|e| e.to_string())?.pop();
//!         Ok::<_, BoxError>(())
//!     },
//! )?;
//! let mut dag = DagBuilder::new("Order")?;
//! dag.append(Node::action("add", add)?)?;
//! let saga = SagaDag::new(dag.build()?, &())?;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn run(saga: SagaDag<Cart>) -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let executor =
//!     SagaExecutor::new("order-42", saga.clone(), Cart::default(), store.clone()).await?;
//! assert_eq!(executor.execute().await?, 1);
//! assert_eq!(executor.execute().await?, 1, "it has run, and does not run again");
//!
//! let state = executor.state().await?.ok_or("it is not there")?;
//! assert_eq!(state.context, serde_json::json!({ "items": ["book"] }));
//! // in another process: the context comes from the store
//! let later = SagaExecutor::from_state(&state, saga.dag().clone(), store).await?;
//! later.rollback().await?;
//! assert!(later.user_context().items.lock().is_ok_and(|items| items.is_empty()));
//! let trace = later.execution_trace().await?;
//! let shown = trace.iter().map(|attempt| format!("{} {}", attempt.node, attempt.state));
//! assert_eq!(shown.collect::<Vec<_>>(), ["add completed", "add undone"]);
//! # Ok(()) }
//! # run(saga)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod snapshot;
mod views;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::context::AnyContext;
use crate::coordinator::{Coordinator, Operator, check_transactions};
use crate::dag::{Dag, SagaDag};
use crate::error::{ActionError, OperateError, SagaError, StartError};
use crate::log::{InvalidSagaId, NodePath, Payload, Refusal, SagaId, SagaLog, SagaStatus};
use crate::names::NodeIndex;
use crate::store::{SagaRecord, Store, StoreError, StoredSaga};
use crate::value::{ActionData, read, write_readable};

pub use crate::coordinator::facts::ExecutionRecord;
use crate::coordinator::facts::trace;
pub use snapshot::{CompletedAction, SagaSnapshot};
pub use views::ExecutionNode;

/// Runs a single saga, by default one node at a time, with a context that is stored with it.
///
/// Dropping it stops nothing: a running saga runs on until it or the runtime ends. See the [module](self) for an
/// example.
///
/// On a store that several processes share, an executor is a worker with a lease, from its first write until it is dropped
/// and its saga does not run any more. If the lease ends, the saga stops with [`SagaError::Store`], and
/// [`execute`](Self::execute) goes on with it once the lease can be renewed, unless a coordinator that knows its actions
/// has taken it over by then ([`SagaError::LostOwnership`]).
pub struct SagaExecutor<C> {
    id: SagaId,
    saga: SagaDag<C>,
    store: Arc<dyn Store>,
    sec: Coordinator<C>,
}

/// Why an executor failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutorError {
    /// The saga was not started, or the id belongs to another saga or version.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The saga did not complete, or was not rolled back.
    #[error(transparent)]
    Ended(#[from] SagaError),
    /// The saga cannot be rolled back now.
    #[error(transparent)]
    Operate(#[from] OperateError),
    /// The stored context is not of this type.
    #[error("the stored context of saga {saga} does not decode: {why}")]
    Context {
        /// Which saga.
        saga: SagaId,
        /// What the decoder said.
        why: String,
    },
}

impl From<StoreError> for ExecutorError {
    fn from(error: StoreError) -> Self {
        Self::Start(error.into())
    }
}

impl From<InvalidSagaId> for ExecutorError {
    fn from(error: InvalidSagaId) -> Self {
        Self::Start(error.into())
    }
}

impl<C: Send + Sync + 'static> SagaExecutor<C> {
    /// An executor of the saga with this id. Nothing is written before [`execute`](Self::execute).
    ///
    /// A new saga begins with `context`. A saga that is already in the store comes back with its stored context.
    ///
    /// # Errors
    /// [`ExecutorError::Start`] if the id is invalid or belongs to another saga or version, or the store fails;
    /// [`ExecutorError::Context`].
    pub fn new(
        id: &str,
        saga: SagaDag<C>,
        context: C,
        store: impl Store,
    ) -> BoxFuture<'_, Result<Self, ExecutorError>>
    where
        C: ActionData,
    {
        // not an `async fn`, which would report a context that cannot be encoded twice
        Box::pin(async move {
            let (id, store): (SagaId, Arc<dyn Store>) = (id.parse()?, Arc::new(store));
            let context = match store.load(&id).await? {
                Some(stored) => restore(&stored.record, saga.dag())?.unwrap_or(context),
                None => context,
            };
            Self::with(id, saga, context, store)
        })
    }

    /// An executor of a saga that is in the store. `state` only says which saga it is: what the saga has done and
    /// its context are read from the store, so an old snapshot does no harm.
    ///
    /// # Errors
    /// [`ExecutorError::Start`] if the store has no such saga, or the saga was run with another DAG;
    /// [`ExecutorError::Context`].
    pub fn from_state(
        state: &SagaSnapshot,
        dag: impl Into<Arc<Dag<C>>>,
        store: impl Store,
    ) -> BoxFuture<'static, Result<Self, ExecutorError>>
    where
        C: ActionData,
    {
        let (id, dag): (_, Arc<Dag<C>>) = (state.saga_id.clone(), dag.into());
        Box::pin(async move {
            let store: Arc<dyn Store> = Arc::new(store);
            let stored = store.load(&id).await?;
            let record = stored.ok_or_else(|| StoreError::NotFound { saga: id.clone() })?.record;
            let saga = SagaDag { dag, params: record.params.clone() };
            let missing = || ExecutorError::Context {
                saga: id.clone(),
                why: "it has none; it was not run by an executor".to_string(),
            };
            let context = restore(&record, saga.dag())?.ok_or_else(missing)?;
            Self::with(id.clone(), saga, context, store)
        })
    }

    fn with(
        id: SagaId,
        saga: SagaDag<C>,
        context: C,
        store: Arc<dyn Store>,
    ) -> Result<Self, ExecutorError>
    where
        C: ActionData,
    {
        check_transactions(saga.dag.any(), &*store).map_err(StartError::from)?;
        let sec = Coordinator::for_single_saga(&saga, context, store.clone(), snapshot::<C>);
        let sec = sec.map_err(StartError::from)?;
        Ok(Self { id, saga, store, sec })
    }

    /// How many nodes may run at once; by default one. With more, a stored context may contain half of the changes
    /// of an action that was still running when another one ended.
    pub fn max_concurrency(self, calls: usize) -> Self {
        Self { sec: self.sec.with_max_concurrency(&self.saga, calls), ..self }
    }

    /// Runs the saga to its end and returns its output. A saga that is in the store resumes: nodes that have ended
    /// are not run again. A saga that has ended returns the same result again.
    ///
    /// # Errors
    /// [`SagaError`] says how it ended.
    pub async fn execute(&self) -> Result<serde_json::Value, SagaError> {
        self.sec.start_or_resume(&self.id, &self.saga).await?.await
    }

    /// Undoes everything: a completed saga is rolled back, and a running one is cancelled. Returns when all of it
    /// is undone. Nothing is undone twice, and a saga that was never executed has nothing to undo.
    ///
    /// # Errors
    /// [`ExecutorError::Ended`] with [`SagaError::Stuck`] if an undo failed for good, now or earlier (see
    /// [`Operator::retry_undo`]); [`ExecutorError::Operate`] past the point of no return.
    pub async fn rollback(&self) -> Result<(), ExecutorError> {
        let operator = self.sec.operator("executor");
        while let Some(stored) = self.load().await? {
            let asked = match stored.record.status {
                SagaStatus::Completed => operator.rollback(self.id.as_str(), "rollback").await,
                SagaStatus::Running => operator.cancel(self.id.as_str(), "rollback").await,
                SagaStatus::RolledBack => return Ok(()),
                SagaStatus::Failed | SagaStatus::RollingBack | SagaStatus::Stuck => {
                    return undone(self.execute().await);
                }
            };
            match asked {
                // it has just ended: look again
                Err(OperateError::Refused { refusal: Refusal::AlreadyEnded { .. }, .. }) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => match self.execute().await {
                    // the request was held for the pivot, which then succeeded
                    Ok(_) => {}
                    ended => return undone(ended),
                },
            }
        }
        Ok(())
    }

    /// An operator of the saga, who retries a failed undo, pauses the saga, and so on. `by` is the name that is
    /// recorded in the log.
    pub fn operator(&self, by: impl Into<String>) -> Operator {
        self.sec.operator(by)
    }

    /// The saga's id.
    pub fn saga_id(&self) -> &SagaId {
        &self.id
    }

    /// The DAG and the parameters.
    pub fn saga_dag(&self) -> &SagaDag<C> {
        &self.saga
    }

    /// The context that the actions share.
    pub fn user_context(&self) -> &Arc<C> {
        self.sec.context()
    }

    /// The order in which the nodes run one by one: each after all nodes that it waits for, ties in order of
    /// declaration.
    pub fn execution_order(&self) -> Vec<NodeIndex> {
        self.saga.dag().order()
    }

    /// A snapshot of the saga; `None` before it was first executed.
    ///
    /// # Errors
    /// The store's error.
    pub async fn state(&self) -> Result<Option<SagaSnapshot>, StoreError> {
        Ok(self.load().await?.as_ref().map(SagaSnapshot::from))
    }

    /// The state of every node, in the order of declaration.
    ///
    /// # Errors
    /// [`StartError::Store`], or [`StartError::Corrupt`] if the log makes no sense.
    pub async fn execution_state(&self) -> Result<Vec<ExecutionNode>, StartError> {
        let view = self.sec.inspect(self.id.as_str()).await?;
        Ok(views::nodes(self.saga.dag(), view.as_ref().map_or(&[], |view| &view.nodes)))
    }

    /// The nodes that have completed and are not undone, in the order of declaration.
    ///
    /// # Errors
    /// As [`execution_state`](Self::execution_state).
    pub async fn completed_nodes(&self) -> Result<Vec<NodePath>, StartError> {
        let nodes = self.execution_state().await?.into_iter();
        let completed = nodes.filter(|node| node.state == crate::log::ActionState::Completed);
        Ok(completed.map(|node| node.node).collect())
    }

    /// The nodes whose action failed, in the order of declaration, including nodes that have been undone since.
    ///
    /// # Errors
    /// As [`execution_state`](Self::execution_state).
    pub async fn failed_nodes(&self) -> Result<Vec<NodePath>, StartError> {
        let nodes = self.execution_state().await?.into_iter();
        Ok(nodes.filter(|node| node.error.is_some()).map(|node| node.node).collect())
    }

    /// Every attempt of an action or an undo, in the order in which they began.
    ///
    /// # Errors
    /// The store's error.
    pub async fn execution_trace(&self) -> Result<Vec<ExecutionRecord>, StoreError> {
        let stored = self.load().await?;
        Ok(stored.map(|stored| trace(&stored.record, &stored.entries)).unwrap_or_default())
    }

    /// The saga's log so far.
    ///
    /// # Errors
    /// The store's error.
    pub async fn log(&self) -> Result<SagaLog, StoreError> {
        let entries = self.load().await?.map(|stored| stored.entries).unwrap_or_default();
        let nodes = self.saga.nodes().map(|node| node.name().to_string()).collect();
        Ok(SagaLog::of(self.id.clone(), entries, nodes))
    }

    async fn load(&self) -> Result<Option<StoredSaga>, StoreError> {
        self.store.load(&self.id).await
    }
}

impl<C> fmt::Debug for SagaExecutor<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SagaExecutor").field("saga", &self.id).finish_non_exhaustive()
    }
}

/// The context that was stored with a saga of this DAG.
fn restore<C: ActionData>(record: &SagaRecord, dag: &Dag<C>) -> Result<Option<C>, ExecutorError> {
    let saga = record.id.clone();
    if *record.fingerprint != *dag.fingerprint() {
        let (name, status) = (record.name.to_string(), record.status);
        return Err(StartError::UnknownVersion { saga, name, status }.into());
    }
    let Some(context) = &record.context else { return Ok(None) };
    read(context).map(Some).map_err(|why| ExecutorError::Context { saga, why })
}

/// Encodes a context of this type.
fn snapshot<C: ActionData>(context: &AnyContext) -> Result<Payload, ActionError> {
    let other = || ActionError::from_error("the context is of another type");
    write_readable(context.get::<C>().ok_or_else(other)?)
}

fn undone(ended: Result<serde_json::Value, SagaError>) -> Result<(), ExecutorError> {
    match ended {
        Ok(_) | Err(SagaError::RolledBack(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
