//! One saga as it is in the store, for people and tools that look into it.

use std::fmt;

use super::{Coordinator, CoordinatorInner};
use crate::dag::DagShape;
use crate::driver::node_reports;
use crate::error::{NodeReport, StartError};
use crate::log::{SagaId, SagaLog, SagaStatus};
use crate::machine::State;
use crate::store::SagaRecord;

/// A saga as it is in the store: its record, how each of its nodes stands, and its log.
///
/// Its `Display` is the status as a tree, a line for each node.
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
    /// What the store knows of it.
    pub record: SagaRecord,
    /// Its nodes in the order of declaration, each before those that it holds. Empty only if the DAG that
    /// was stored with the saga cannot be read.
    pub nodes: Vec<NodeReport>,
    /// All that it did.
    pub log: SagaLog,
}

impl SagaView {
    /// What the saga does, and why it does not go on if it does not: `running (paused)`.
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
        write!(f, "{} {}: {}", self.record.id, self.record.name, self.status())?;
        let failed = matches!(self.record.status, SagaStatus::RolledBack | SagaStatus::Stuck);
        if let (true, Some(error)) = (failed, &self.record.error) {
            write!(f, ": {error}")?;
        }
        writeln!(f)?;
        for node in &self.nodes {
            let depth = node.node.as_str().matches('/').count();
            write!(f, "{:indent$}{} {}", "", node.node, node.state, indent = 2 + 2 * depth)?;
            if node.in_doubt {
                write!(f, ", in doubt")?;
            }
            if node.resolved {
                write!(f, " by hand")?;
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
    /// Looks at a saga, running or not; none if there is no saga with this id.
    ///
    /// # Errors
    /// [`StartError::InvalidId`], [`StartError::Store`], or [`StartError::Corrupt`] if its log does not
    /// fit its definition.
    pub async fn inspect(&self, id: &str) -> Result<Option<SagaView>, StartError> {
        let id: SagaId = id.parse()?;
        self.inner.tasks.at_home(self.inner.view(&id)).await
    }
}

impl<C: Send + Sync + 'static> CoordinatorInner<C> {
    async fn view(&self, id: &SagaId) -> Result<Option<SagaView>, StartError> {
        let Some(stored) = self.env.store.load(id).await? else { return Ok(None) };
        let plan = self.definition_of(&stored.record).map(|known| known.dag.plan().clone());
        let plan = plan.or_else(|| Some(DagShape::read(stored.record.dag.as_bytes())?.plan));
        let (mut nodes, mut names) = (Vec::new(), Vec::new());
        if let Some(plan) = plan {
            names = plan.nodes().iter().map(|node| node.name.to_string()).collect();
            let state = State::fold(plan, &stored.entries).map_err(|e| StartError::Corrupt {
                saga: id.clone(),
                why: format!("its log is corrupt: {e}"),
            })?;
            nodes = node_reports(&state);
        }
        let log = SagaLog::of(id.clone(), stored.entries, names);
        Ok(Some(SagaView { record: stored.record, nodes, log }))
    }
}
