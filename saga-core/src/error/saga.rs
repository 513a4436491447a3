//! Why a saga did not complete, and the state of its nodes.

use super::{ActionError, StartError};
use crate::causes::with_causes;
use crate::log::{ActionState, Cause, NodePath, SagaId};
use crate::store::StoreError;

/// The state of one node of a saga, with its attempts and errors.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeReport {
    /// The node's path.
    pub node: NodePath,
    /// Its state.
    pub state: ActionState,
    /// True if its action declares an undo.
    pub has_undo: bool,
    /// True if its action may have taken effect without an output being recorded.
    pub in_doubt: bool,
    /// How often its action was started.
    pub attempts: u32,
    /// How its last attempt failed, if it did.
    pub error: Option<ActionError>,
    /// How its last undo failed, if it did.
    pub undo_error: Option<ActionError>,
}

/// The report of a saga that ended without completing.
///
/// ```
/// use saga_core::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #[saga_action(undo = put_back(output))]
/// async fn take(what: &str) -> Result<String, String> { Ok(what.to_string()) }
/// async fn put_back(_taken: &String) -> Result<(), String> { Ok(()) }
///
/// saga! {
///     Order<()>(what: String) {
///         let _taken = take { what };
///         let _check = fail_if { condition: true, message: "it is reserved" };
///     }
/// }
/// let sec = Coordinator::builder(()).saga::<Order>().build().await?;
/// match sec.run(Order { what: "book".into() }).await {
///     Err(SagaError::RolledBack(report)) => {
///         assert_eq!(report.failed_node().map(|node| node.as_str()), Some("_check"));
///         assert_eq!(report.undone().map(|node| node.as_str()).collect::<Vec<_>>(), ["_taken"]);
///         assert_eq!((report.remaining_effects().count(), report.possible_effects().count()), (0, 0));
///     }
///     other => return Err(format!("not rolled back: {other:?}").into()),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SagaReport {
    /// The saga's id.
    pub saga: SagaId,
    /// Its durable name.
    pub name: String,
    /// Why it was rolled back; of a saga that is stuck after its pivot and did not roll back, which node failed.
    pub cause: Cause,
    /// The error of the node that failed first, if one did.
    pub error: Option<ActionError>,
    /// All of its nodes, in the order of declaration.
    pub nodes: Vec<NodeReport>,
    /// Nodes of an earlier version whose effects remain, because a [migration](crate::Migration) said so.
    pub kept: Vec<NodePath>,
}

impl SagaReport {
    /// The node whose failure made the saga roll back, if one did.
    pub fn failed_node(&self) -> Option<&NodePath> {
        match &self.cause {
            Cause::Failed { node } => Some(node),
            Cause::Cancelled { .. } | Cause::DeadlineExceeded | Cause::Rollback { .. } => None,
        }
    }

    /// The nodes in this state.
    pub fn nodes_in(&self, state: ActionState) -> impl Iterator<Item = &NodeReport> {
        self.nodes.iter().filter(move |n| n.state == state)
    }

    /// The nodes whose undo ran and finished.
    pub fn undone(&self) -> impl Iterator<Item = &NodePath> {
        self.nodes_in(ActionState::Undone).map(|n| &n.node)
    }

    /// Nodes whose effects remain because they could not be undone, and those that a migration [kept](Self::kept). Effects of actions that declare `no_undo` are
    /// not among them: there is nothing to undo about them, and they stay.
    pub fn remaining_effects(&self) -> impl Iterator<Item = &NodePath> {
        // nodes before a failed undo were not undone either
        let remains = |n: &&NodeReport| match n.state {
            ActionState::UndoFailed => !n.in_doubt,
            ActionState::Completed => n.has_undo,
            ActionState::Pending
            | ActionState::Running
            | ActionState::Waiting
            | ActionState::Failed
            | ActionState::InDoubt
            | ActionState::Undoing
            | ActionState::Undone
            | ActionState::Resolved
            | ActionState::Skipped => false,
        };
        self.nodes.iter().filter(remains).map(|n| &n.node).chain(&self.kept)
    }

    /// Nodes whose effects may remain: the outcome of their actions is unknown.
    pub fn possible_effects(&self) -> impl Iterator<Item = &NodePath> {
        self.nodes_in(ActionState::UndoFailed).filter(|n| n.in_doubt).map(|n| &n.node)
    }

    /// Nodes whose effects no undo removed, but an operator has recorded as dealt with.
    pub fn resolved(&self) -> impl Iterator<Item = &NodePath> {
        self.nodes_in(ActionState::Resolved).map(|n| &n.node)
    }

    fn why(&self) -> String {
        cause_and_error(&self.cause, self.error.as_ref())
    }

    /// The errors of all undos that failed.
    fn failed_undos(&self) -> String {
        let failed = self.nodes_in(ActionState::UndoFailed);
        let errors = failed.filter_map(|n| Some((&n.node, n.undo_error.as_ref()?)));
        errors.map(|(node, error)| format!("; undo of `{node}`: {}", with_causes(error))).collect()
    }

    fn names<'a>(what: &str, nodes: impl Iterator<Item = &'a NodePath>) -> String {
        let nodes = nodes.map(|n| format!("`{n}`")).collect::<Vec<_>>();
        if nodes.is_empty() { String::new() } else { format!("; {what}: {}", nodes.join(", ")) }
    }
}

/// Why a saga did not complete, in one line.
pub(crate) fn cause_and_error(cause: &Cause, error: Option<&ActionError>) -> String {
    match (cause, error) {
        (Cause::Failed { node }, Some(error)) => {
            format!("node `{node}`: {}", with_causes(error))
        }
        (cause, _) => cause.to_string(),
    }
}

/// Why a saga did not complete.
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
/// let said = match sec.run(Greet { name: String::new() }).await {
///     Ok(greeting) => greeting,
///     Err(SagaError::RolledBack(report)) => format!("nothing happened: {:?}", report.error),
///     Err(SagaError::Stuck(report)) => format!("call someone about {:?}", report.nodes),
///     Err(error) => error.to_string(),
/// };
/// assert!(said.contains("nobody is there"), "{said}");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SagaError {
    /// The saga ended with all of its effects undone.
    #[error(
        "saga {} rolled back: {}{}{}", .0.saga, .0.why(),
        SagaReport::names("effects that a human took care of", .0.resolved()),
        SagaReport::names("effects that a migration kept", .0.kept.iter())
    )]
    RolledBack(Box<SagaReport>),
    /// The saga ended with effects that remain or may remain; an operator must look at it.
    #[error(
        "saga {} is stuck: {}{}{}{}", .0.saga, .0.why(), .0.failed_undos(),
        SagaReport::names("effects that remain", .0.remaining_effects()),
        SagaReport::names("effects that may remain", .0.possible_effects())
    )]
    Stuck(Box<SagaReport>),
    /// The saga waits for an operator, who can resume it.
    #[error("saga {saga} is parked: {reason}")]
    Parked {
        /// Which saga.
        saga: SagaId,
        /// Why.
        reason: String,
    },
    /// Another worker runs the saga now.
    #[error("saga {saga} is no longer run by this process")]
    LostOwnership {
        /// Which saga.
        saga: SagaId,
    },
    /// No process runs the saga at the moment.
    #[error("saga {saga} is not running: {why}")]
    NotRunning {
        /// Which saga.
        saga: SagaId,
        /// Why, and what will make it resume.
        why: String,
    },
    /// The store accepts no writes until it is opened again. The saga resumes from its log when it is next
    /// recovered. (If a store fails only for a while, the saga waits for it, and so does whoever awaits the saga.)
    #[error("saga {saga} stopped, and resumes when it is recovered: {source}")]
    Store {
        /// Which saga.
        saga: SagaId,
        /// What the store said.
        source: StoreError,
    },
    /// The coordinator was shut down. The saga resumes from its log when it is next recovered.
    #[error("saga {saga} was interrupted by a shutdown, and resumes when it is recovered")]
    ShutDown {
        /// Which saga.
        saga: SagaId,
    },
    /// An action awaits this saga, which cannot end before the action does: the saga waits for a permit that
    /// such calls hold, or for the saga that the action belongs to. Where several calls block each other, one
    /// gets this error and the others proceed. (A wait in a task that the action has spawned is not detected.)
    #[error(
        "node `{node}` of saga {by} waits for saga {saga}, which cannot proceed before that node ends: it waits \
         for a permit that such calls hold (`max_calls`, `max_calls_of`) or for saga {by} itself; raise the limit, \
         or make it a subsaga"
    )]
    WaitsForItself {
        /// The saga that the action awaits.
        saga: SagaId,
        /// The saga that the action belongs to.
        by: SagaId,
        /// The action's node.
        node: NodePath,
    },
    /// The saga's stored log or values do not fit its definition.
    #[error("saga {saga}: {why}")]
    Corrupt {
        /// Which saga.
        saga: SagaId,
        /// What does not fit.
        why: String,
    },
    /// The saga was run by another version of its definition than the current one, and its output is not of the type that
    /// was asked for.
    #[error(
        "saga {saga} was run by version {version} of `{name}`, whose output cannot be read as this type ({why}); ask for it \
         with the type of that version, such as `get::<v{version}::{name}>`, or with `get::<serde_json::Value>`"
    )]
    OtherVersion {
        /// Which saga.
        saga: SagaId,
        /// The durable name of the sagas.
        name: String,
        /// The version that ran it.
        version: u32,
        /// Why its output cannot be read.
        why: String,
    },
    /// The saga was not started.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl SagaError {
    /// The report about its nodes, if the saga has ended.
    pub fn report(&self) -> Option<&SagaReport> {
        match self {
            Self::RolledBack(report) | Self::Stuck(report) => Some(report),
            Self::Parked { .. }
            | Self::LostOwnership { .. }
            | Self::NotRunning { .. }
            | Self::Store { .. }
            | Self::ShutDown { .. }
            | Self::WaitsForItself { .. }
            | Self::Corrupt { .. }
            | Self::OtherVersion { .. }
            | Self::Start(_) => None,
        }
    }

    /// The node that failed first, if one did.
    pub fn failed_node(&self) -> Option<&NodePath> {
        self.report().and_then(SagaReport::failed_node)
    }

    /// The error of that node.
    pub fn action_error(&self) -> Option<&ActionError> {
        self.report().and_then(|report| report.error.as_ref())
    }
}
