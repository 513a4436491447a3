//! What an executor reports about its nodes, from the log.

use serde::Serialize;

use crate::dag::AnyDag;
use crate::error::NodeReport;
use crate::log::{ActionState, NodePath};
use crate::names::{ActionName, NodeName};

/// The state of one node.
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
    /// The node's path.
    pub node: NodePath,
    /// The action that it runs, if it runs one and is not inside another node.
    pub action: Option<ActionName>,
    /// The length of the longest chain of nodes before it: nodes of one level could run side by side. A node in a
    /// subsaga, an instance or an arm has the level of the node around it.
    pub level: usize,
    /// The nodes that it waits for.
    pub after: Vec<NodeName>,
    /// Its state.
    pub state: ActionState,
    /// True if it is not known whether its action took effect.
    pub in_doubt: bool,
    /// How often its action was started.
    pub attempts: u32,
    /// How its last attempt failed, if it did.
    pub error: Option<String>,
    /// How its last undo failed, if it did.
    pub undo_error: Option<String>,
}

/// All nodes with what the log says about them. Before there is a log, all of them are pending.
pub(super) fn nodes(dag: &AnyDag, reports: &[NodeReport]) -> Vec<ExecutionNode> {
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
