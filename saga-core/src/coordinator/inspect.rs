//! Inspecting a saga: its record, its nodes and its log, for people and tools.

use std::fmt;

use futures_util::future::BoxFuture;

use super::stored::StoredError;
use super::{Coordinator, CoordinatorInner};
use crate::driver::node_reports;
use crate::error::{NodeReport, StartError};
use crate::log::{ActionState, SagaId, SagaLog};
use crate::store::{SagaRecord, StoreError, export};

/// A saga as it is in the store: its record, the state of each of its nodes, and its log.
///
/// `Display` shows the status as a tree, with a line for each node.
///
/// ```
/// use saga_core::prelude::*;
/// # #[saga_action(no_undo)]
/// # async fn greet(name: &str) -> Result<String, String> {
/// #     if name.is_empty() { Err("nobody is there".into()) } else { Ok(format!("hello {name}")) }
/// # }
/// # saga! { Greet<()>(name: String) -> String { greet { name } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Greet>().build().await?;
/// sec.saga(Greet { name: "Ada".into() }).id("greet-1").start().await?.await?;
/// let view = sec.inspect("greet-1").await?.ok_or("there is one")?;
/// assert_eq!(view.to_string(), "greet-1 Greet: completed\n  greet completed\n");
/// let kinds = view.log.entries().iter().map(|entry| entry.kind.name()).collect::<Vec<_>>();
/// assert_eq!(kinds, ["created", "started", "succeeded", "ended"]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SagaView {
    /// Its record.
    pub record: SagaRecord,
    /// Its nodes in the order of declaration, each before the nodes inside it. Empty only if the DAG that was
    /// stored with the saga cannot be read.
    pub nodes: Vec<NodeReport>,
    /// Everything that it did.
    pub log: SagaLog,
}

impl SagaView {
    /// The saga as JSON: see [`StoredSaga::to_json`](crate::store::StoredSaga::to_json).
    ///
    /// ```
    /// # use saga_core::prelude::*;
    /// # use saga_core::store::StoredSaga;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// # sec.saga(Stamp {}).id("stamp-1").start().await?.await?;
    /// let view = sec.inspect("stamp-1").await?.ok_or("there is one")?;
    /// let saga = StoredSaga::from_json(view.to_json().as_bytes())?;
    /// assert_eq!(saga.entries, view.log.entries());
    /// # Ok(()) }
    /// ```
    pub fn to_json(&self) -> String {
        export(&self.record, self.log.entries())
    }

    /// The saga as text in which nothing changes from run to run: its status, its nodes and its log, without ids, times,
    /// keys and values. It is for tests that compare it with a snapshot. Nodes that run concurrently may end in another
    /// order in each run, except in a [`SagaTest`](crate::testing).
    ///
    /// ```
    /// # use saga_core::prelude::*;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// # sec.saga(Stamp {}).id("stamp-1").start().await?.await?;
    /// let view = sec.inspect("stamp-1").await?.ok_or("there is one")?;
    /// assert_eq!(view.pretty(), "\
    /// Stamp: completed
    ///   at completed
    /// log:
    ///   created
    ///   started at
    ///   succeeded at
    ///   ended: completed
    /// ");
    /// # Ok(()) }
    /// ```
    pub fn pretty(&self) -> String {
        format!("{}log:\n{}", Tree { view: self, with_id: false }, self.log.lines())
    }

    /// The first part of [`pretty`](Self::pretty): the status and the nodes.
    #[cfg(feature = "testing")]
    pub(crate) fn tree(&self) -> String {
        Tree { view: self, with_id: false }.to_string()
    }

    /// The status, and why the saga does not proceed: `running, paused`.
    fn status(&self) -> String {
        let status = self.record.status;
        match (&self.record.parked_reason, self.record.paused) {
            (Some(reason), _) => format!("{status}, parked: {reason}"),
            (None, true) => format!("{status}, paused"),
            (None, false) => status.to_string(),
        }
    }
}

impl fmt::Display for SagaView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Tree { view: self, with_id: true }.fmt(f)
    }
}

/// The status of a saga and of its nodes.
struct Tree<'a> {
    view: &'a SagaView,
    with_id: bool,
}

impl fmt::Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SagaView { record, nodes, .. } = self.view;
        if self.with_id {
            write!(f, "{} ", record.id)?;
        }
        write!(f, "{}: {}", record.name, self.view.status())?;
        let failed = record.status.ended_without_completing();
        if let (true, Some(error)) = (failed, &record.error) {
            write!(f, ": {error}")?;
        }
        writeln!(f)?;
        for node in nodes {
            let depth = node.node.as_str().matches('/').count();
            write!(f, "{:indent$}{} {}", "", node.node, node.state, indent = 2 + 2 * depth)?;
            if node.in_doubt && node.state != ActionState::InDoubt {
                write!(f, ", in doubt")?;
            }
            if node.attempts > 1 {
                write!(f, ", {} attempts", node.attempts)?;
            }
            if let Some(error) = &node.error {
                write!(f, ": {error}")?;
            }
            if let Some(error) = &node.undo_error {
                write!(f, "; undo: {error}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl<C: Send + Sync + 'static> Coordinator<C> {
    /// Looks at a saga, whether it is running or not. `None` if there is no saga with this id.
    ///
    /// # Errors
    /// [`StartError::InvalidId`], [`StartError::Store`], or [`StartError::Corrupt`] if the log does not fit the
    /// saga's definition.
    pub async fn inspect(&self, id: &str) -> Result<Option<SagaView>, StartError> {
        self.inner.inspect(id).await
    }
}

impl CoordinatorInner {
    /// The future is boxed here, so that its code is part of this crate, and not of each program.
    fn inspect<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<SagaView>, StartError>> {
        Box::pin(async move {
            let id: SagaId = id.parse()?;
            self.tasks.at_home(self.view(&id)).await
        })
    }

    async fn view(&self, id: &SagaId) -> Result<Option<SagaView>, StartError> {
        let stored = match self.stored(id).await {
            Ok(stored) => stored,
            Err(StoredError::Store(StoreError::NotFound { .. })) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (mut nodes, mut names) = (Vec::new(), Vec::new());
        if let Some((state, plan)) = stored.state_by_shape()? {
            nodes = node_reports(&state);
            names = plan.nodes().iter().map(|node| node.name.to_string()).collect();
        }
        let log = SagaLog::of(id.clone(), stored.saga.entries, names);
        Ok(Some(SagaView { record: stored.saga.record, nodes, log }))
    }
}
