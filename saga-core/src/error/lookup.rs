//! Why a lookup of an output or of the parameters fails.

use super::ActionError;

/// Why a lookup failed.
///
/// ```
/// use saga_core::action::ActionFunc;
/// use saga_core::dag::{DagBuilder, Node, SagaDag};
/// use saga_core::executor::SagaExecutor;
/// use saga_core::store::MemoryStore;
/// use saga_core::{ActionContext, BoxError, LookupError};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pay = ActionFunc::new_noop_undo("pay", |cx: ActionContext<()>| async move {
///     Ok::<_, BoxError>([
///         matches!(cx.lookup::<u64>("curency"), Err(LookupError::NoSuchNode { .. })),
///         // it runs beside this one
///         matches!(cx.lookup::<u64>("tip"), Err(LookupError::NotAnAncestor { .. })),
///         matches!(cx.lookup::<u64>("currency"), Err(LookupError::Deserialize { .. })),
///     ])
/// })?;
/// let mut dag = DagBuilder::new("Order")?;
/// dag.append(Node::constant("currency", "EUR".to_string())?)?;
/// dag.append_parallel([Node::constant("tip", 100_u64)?, Node::action("payment", pay)?])?;
/// dag.output("payment");
/// let saga = SagaDag::new(dag.build()?, &())?;
/// let executor = SagaExecutor::new("order-42", saga, (), MemoryStore::new()).await?;
/// assert_eq!(executor.execute().await?, serde_json::json!([true, true, true]));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No node has this name.
    #[error("saga `{saga}` has no node named \"{node}\"")]
    NoSuchNode {
        /// The name.
        node: String,
        /// The saga.
        saga: String,
    },
    /// The node exists, but does not always run before this one.
    #[error(
        "node `{from}` cannot look up `{node}`, which is not one of its ancestors; put `{node}` before it"
    )]
    NotAnAncestor {
        /// The name.
        node: String,
        /// The node that asked.
        from: String,
    },
    /// The node has no output: an undo looked up its own node, whose outcome is unknown.
    #[error("node `{from}` looks up `{node}`, which has no output")]
    NotThere {
        /// The name.
        node: String,
        /// The node that asked.
        from: String,
    },
    /// The output is of another type.
    #[error("the output of `{node}` is of another type: {why}")]
    Deserialize {
        /// The name.
        node: String,
        /// What the decoder said.
        why: String,
    },
}

impl From<LookupError> for ActionError {
    fn from(e: LookupError) -> Self {
        let message = e.to_string();
        match e {
            LookupError::Deserialize { .. } => Self::DeserializeFailed { message },
            LookupError::NoSuchNode { .. }
            | LookupError::NotAnAncestor { .. }
            | LookupError::NotThere { .. } => Self::NotAnAncestor { message },
        }
    }
}
