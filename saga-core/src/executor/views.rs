//! What an executor says about its nodes: snapshots, made of the log.

use std::collections::HashMap;

use serde::Serialize;

use crate::dag::Dag;
use crate::error::NodeReport;
use crate::log::{ActionState, Entry, EntryKind, NodePath, Timestamp};
use crate::names::{ActionName, NodeName};

/// How one node stands.
///
/// ```
/// use saga_core::action::{ActionFunc, ActionInjectError};
/// use saga_core::dag::{DagBuilder, Node, SagaDag};
/// use saga_core::executor::SagaExecutor;
/// use saga_core::store::MemoryStore;
/// use saga_core::{ActionContext, ActionState, BoxError};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let reserve = ActionFunc::new(
///     "reserve",
///     |_cx: ActionContext<()>| async { Ok::<_, BoxError>(7) },
///     |_cx, _seat| async { Ok::<_, BoxError>(()) },
/// )?;
/// let mut dag = DagBuilder::new("Order")?;
/// dag.append(Node::action("seat", reserve)?)?;
/// dag.append(Node::action("payment", ActionInjectError::new("pay")?)?)?;
/// let saga = SagaDag::new(dag.build()?, &())?;
/// let executor = SagaExecutor::new("order-42", saga, (), MemoryStore::new()).await?;
/// assert!(executor.execute().await.is_err());
/// let nodes = executor.execution_state().await?;
/// assert_eq!((nodes[0].state, nodes[0].level), (ActionState::Undone, 0));
/// assert_eq!((nodes[1].state, nodes[1].level), (ActionState::Failed, 1));
/// assert_eq!(nodes[1].after, ["seat"]);
/// assert_eq!(nodes[1].error.as_deref(), Some("error injected"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExecutionNode {
    /// Which node.
    pub node: NodePath,
    /// The action that it runs, if it runs one and stands in the saga itself.
    pub action: Option<ActionName>,
    /// How many nodes stand in a line before it: those of one level could run side by side. A node of a
    /// subsaga, an instance or an arm has the level of the node that holds it.
    pub level: usize,
    /// The nodes that it waits for.
    pub after: Vec<NodeName>,
    /// What it does.
    pub state: ActionState,
    /// True if nobody knows whether its effect is there.
    pub in_doubt: bool,
    /// How often its action was started.
    pub attempts: u32,
    /// How its last attempt ended, if not well.
    pub error: Option<String>,
    /// How its last undo ended, if not well.
    pub undo_error: Option<String>,
}

/// One attempt of an action or of an undo.
///
/// ```
/// use saga_core::action::{ActionFunc, ActionInjectError};
/// use saga_core::dag::{DagBuilder, Node, SagaDag};
/// use saga_core::executor::SagaExecutor;
/// use saga_core::store::MemoryStore;
/// use saga_core::{ActionContext, ActionState, BoxError};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let reserve = ActionFunc::new(
///     "reserve",
///     |_cx: ActionContext<()>| async { Ok::<_, BoxError>(7) },
///     |_cx, _seat| async { Ok::<_, BoxError>(()) },
/// )?;
/// let mut dag = DagBuilder::new("Order")?;
/// dag.append(Node::action("seat", reserve)?)?;
/// dag.append(Node::action("payment", ActionInjectError::new("pay")?)?)?;
/// let saga = SagaDag::new(dag.build()?, &())?;
/// let executor = SagaExecutor::new("order-42", saga, (), MemoryStore::new()).await?;
/// assert!(executor.execute().await.is_err());
/// let trace = executor.execution_trace().await?;
/// let states = trace.iter().map(|attempt| (attempt.node.as_str(), attempt.undo, attempt.state));
/// let expected = [
///     ("seat", false, ActionState::Completed),
///     ("payment", false, ActionState::Failed),
///     ("seat", true, ActionState::Undone),
/// ];
/// assert_eq!(states.collect::<Vec<_>>(), expected);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExecutionRecord {
    /// Which node.
    pub node: NodePath,
    /// True for an attempt of the undo.
    pub undo: bool,
    /// Which attempt of the action or of the undo, from 1.
    pub attempt: u32,
    /// How far it came: `running`, `completed`, `failed`, or `undoing`, `undone`, `undo_failed`.
    pub state: ActionState,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; none while it runs, and for good if its process died.
    pub ended_at: Option<Timestamp>,
    /// Its error's message, if it failed.
    pub error: Option<String>,
}

/// All nodes with what the log says about them; before there is a log, all are pending.
pub(super) fn nodes<C: 'static>(dag: &Dag<C>, reports: &[NodeReport]) -> Vec<ExecutionNode> {
    let levels = dag.levels();
    let node = |path: NodePath| {
        let name = path.as_str().split(['/', '[', '#']).next().unwrap_or_default();
        let top = dag.node_index(name);
        let own = top.filter(|_| name == path.as_str());
        let after = own.into_iter().flat_map(|own| dag.predecessors(own));
        ExecutionNode {
            action: own.and_then(|own| dag.node(own)?.action_name().cloned()),
            level: top.and_then(|top| levels.get(top.index()).copied()).unwrap_or_default(),
            after: after.filter_map(|pred| Some(dag.node(pred)?.name().clone())).collect(),
            state: ActionState::Pending,
            in_doubt: false,
            attempts: 0,
            error: None,
            undo_error: None,
            node: path,
        }
    };
    if reports.is_empty() {
        return dag.nodes().map(|declared| node(declared.name().as_str().into())).collect();
    }
    let reports = reports.iter().map(|report| ExecutionNode {
        state: report.state,
        in_doubt: report.in_doubt,
        attempts: report.attempts,
        error: report.error.as_ref().map(ToString::to_string),
        undo_error: report.undo_error.as_ref().map(ToString::to_string),
        ..node(report.node.clone())
    });
    reports.collect()
}

/// The attempts that a log tells of.
pub(super) fn trace(log: &[Entry]) -> Vec<ExecutionRecord> {
    let mut records = Vec::<ExecutionRecord>::new();
    // the attempt under way at each node, by its place in the trace
    let mut open = HashMap::<&NodePath, usize>::new();
    for entry in log {
        let EntryKind::Node { node, attempt, entry: recorded } = &entry.kind else { continue };
        let Some(state) = recorded.attempt_state() else { continue };
        if recorded.is_start() {
            open.insert(node, records.len());
            records.push(ExecutionRecord {
                node: node.clone(),
                undo: recorded.is_of_undo(),
                attempt: *attempt,
                state,
                started_at: entry.at,
                ended_at: None,
                error: None,
            });
            continue;
        }
        // values that are there from the start were never attempted
        let record = open.remove(node).and_then(|at| records.get_mut(at));
        if let Some(record) = record {
            record.state = state;
            record.ended_at = Some(entry.at);
            record.error = recorded.failure().map(|failure| failure.message.clone());
        }
    }
    records
}
