//! One node of a DAG, and what it runs.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use super::node_body::NodeBody;
use super::{AnyNode, Dag};
use crate::action::{Action, any_action};
use crate::names::{InvalidName, NodeName};
use crate::value::ActionData;

/// A node of a [`Dag`](super::Dag): an action, a constant, a computed value, or a composite of other nodes.
///
/// ```
/// use saga_core::action::ActionFunc;
/// use saga_core::dag::{DagBuilder, Node};
/// use saga_core::{ActionContext, BoxError};
/// let pay = ActionFunc::new_noop_undo("pay", |cx: ActionContext<()>| async move {
///     Ok::<_, BoxError>(*cx.lookup::<u64>("cents")?)
/// })?;
/// let mut dag = DagBuilder::new("Order")?;
/// dag.append(Node::constant("cents", 4200_u64)?)?;
/// dag.append(Node::action("payment", pay)?.label("charge the card"))?;
/// let dag = dag.build()?;
/// let names = dag.nodes().map(|node| node.name().as_str()).collect::<Vec<_>>();
/// assert_eq!(names, ["cents", "payment"]);
/// # Ok::<(), saga_core::dag::DagError>(())
/// ```
pub struct Node<C> {
    any: AnyNode,
    context: PhantomData<fn(C) -> C>,
}

impl<C> Node<C> {
    /// The context of its actions must be a `C`.
    pub(crate) fn of_any(any: AnyNode) -> Self {
        Self { any, context: PhantomData }
    }

    pub(crate) fn into_any(self) -> AnyNode {
        self.any
    }

    /// Changes its options.
    pub(super) fn with(mut self, change: impl FnOnce(&mut AnyNode)) -> Self {
        change(&mut self.any);
        self
    }
}

impl<C> Clone for Node<C> {
    fn clone(&self) -> Self {
        Self::of_any(self.any.clone())
    }
}

impl<C> Deref for Node<C> {
    type Target = AnyNode;
    fn deref(&self) -> &AnyNode {
        &self.any
    }
}

impl<C> fmt::Debug for Node<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any.fmt(f)
    }
}

impl<C: Send + Sync + 'static> Node<C> {
    /// A node that runs an action. The action looks up its inputs by name, with `cx.lookup`.
    ///
    /// # Errors
    /// [`InvalidName`] if the name cannot be a node's.
    pub fn action(name: impl AsRef<str>, action: impl Action<C>) -> Result<Self, InvalidName> {
        Self::shared_action(name, Arc::new(action))
    }

    /// A node that runs an action of a registry, or one that several nodes share.
    ///
    /// # Errors
    /// [`InvalidName`] if the name cannot be a node's.
    pub fn shared_action(
        name: impl AsRef<str>,
        action: Arc<dyn Action<C>>,
    ) -> Result<Self, InvalidName> {
        let name = NodeName::new(name)?;
        Ok(Self::of_any(AnyNode::with(name, NodeBody::Action(any_action(action)))))
    }

    /// A node that has a constant value.
    ///
    /// # Errors
    /// [`DagError::InvalidName`](super::DagError::InvalidName) if the name cannot be a node's,
    /// [`DagError::Constant`](super::DagError::Constant) if the value cannot be encoded.
    pub fn constant<T: ActionData>(
        name: impl AsRef<str>,
        value: T,
    ) -> Result<Self, super::DagError> {
        Ok(Self::of_any(AnyNode::constant(NodeName::new(name)?, value)?))
    }

    /// A node that runs another DAG, whose parameters are the output of an earlier node. The names inside that
    /// DAG are separate, and its output is the output of this node.
    ///
    /// ```
    /// use saga_core::dag::{DagBuilder, Node};
    /// let mut disk = DagBuilder::<()>::new("Disk")?;
    /// disk.append(Node::constant("size", 10)?)?;
    /// let mut machine = DagBuilder::new("Machine")?;
    /// machine.append(Node::constant("request", "fast".to_string())?)?;
    /// machine.append(Node::subsaga("disk", disk.build()?, "request")?)?;
    /// assert_eq!(machine.build()?.len(), 2);
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidName`] if a name cannot be a node's.
    pub fn subsaga(
        name: impl AsRef<str>,
        dag: impl Into<Arc<Dag<C>>>,
        params: impl AsRef<str>,
    ) -> Result<Self, InvalidName> {
        let (params, name) = (NodeName::new(params)?, NodeName::new(name)?);
        Ok(Self::of_any(AnyNode::subsaga(name, dag.into().any().clone(), params)))
    }

    /// A node that runs a DAG once for each item of a list, which is the output of an earlier node. An instance
    /// reads its item with [`cx.saga_params`](crate::ActionContext::saga_params), and can look up its own nodes and
    /// those before this node. The output is the list of the outputs of the instances.
    ///
    /// ```
    /// use saga_core::action::ActionFunc;
    /// use saga_core::dag::{DagBuilder, Node};
    /// use saga_core::{ActionContext, BoxError};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let greet = ActionFunc::new_noop_undo("greet", |cx: ActionContext<()>| async move {
    ///     Ok::<_, BoxError>(format!("hello {}", cx.saga_params::<String>()?))
    /// })?;
    /// let mut actions = saga_core::action::ActionRegistry::new();
    /// let mut body = DagBuilder::new("Greeting")?;
    /// body.append(Node::shared_action("greet", actions.register(greet)?)?)?;
    ///
    /// let mut dag = DagBuilder::new("Greetings")?;
    /// dag.append(Node::constant("names", ["Ada", "Emmy"].map(String::from).to_vec())?)?;
    /// dag.append(Node::for_each("greetings", body.build()?, "names")?)?;
    ///
    /// let sec = saga_core::Coordinator::builder(()).actions(actions).build().await?;
    /// let saga = saga_core::dag::SagaDag::new(dag.build()?, &())?;
    /// let greetings = sec.saga_dag(saga).start().await?.await?;
    /// assert_eq!(greetings, serde_json::json!(["hello Ada", "hello Emmy"]));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`InvalidName`] if a name cannot be a node's.
    pub fn for_each(
        name: impl AsRef<str>,
        body: impl Into<Arc<Dag<C>>>,
        items: impl AsRef<str>,
    ) -> Result<Self, InvalidName> {
        let (items, name) = (NodeName::new(items)?, NodeName::new(name)?);
        Ok(Self::of_any(AnyNode::for_each(name, body.into().any().clone(), items)))
    }

    /// A node that runs one of several DAGs: the output of an earlier node is the number of the arm, from 0, or
    /// null for none. The arm has the parameters of the surrounding saga, and can look up its own nodes and
    /// those before this node. The output is the output of the arm, or null.
    ///
    /// ```
    /// # use saga_core::action::ActionFunc;
    /// # use saga_core::dag::{DagBuilder, Node};
    /// # use saga_core::{ActionContext, BoxError};
    /// # fn say(word: &'static str) -> Result<DagBuilder<()>, Box<dyn std::error::Error>> {
    /// #     let say = move |_cx: ActionContext<()>| async move { Ok::<_, BoxError>(word.to_string()) };
    /// #     let mut arm = DagBuilder::new("Say")?;
    /// #     arm.append(Node::action("say", ActionFunc::new_noop_undo("say", say)?)?)?;
    /// #     Ok(arm)
    /// # }
    /// let (yes, no) = (say("yes")?.build()?, say("no")?.build()?);
    /// let mut dag = DagBuilder::new("Answer")?;
    /// dag.append(Node::constant("which", 1)?)?;
    /// dag.append(Node::choose("answer", [yes, no], "which")?)?;
    /// assert_eq!(dag.build()?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidName`] if a name cannot be a node's.
    pub fn choose<D: Into<Arc<Dag<C>>>>(
        name: impl AsRef<str>,
        arms: impl IntoIterator<Item = D>,
        by: impl AsRef<str>,
    ) -> Result<Self, InvalidName> {
        let arms = arms.into_iter().map(|arm| arm.into().any().clone()).collect();
        let (by, name) = (NodeName::new(by)?, NodeName::new(name)?);
        Ok(Self::of_any(AnyNode::choose(name, arms, by)))
    }

    /// A node that runs a DAG, and another one if a node of the first fails for good: before the other one begins, all that
    /// the first has done is undone. Both have the parameters of the surrounding saga, and can look up their own nodes and
    /// those before this node. The output is that of the DAG which ran to its end. Without another one it is `{"Ok": OUTPUT}`,
    /// or `{"Err": FAILURE}` with a [`TryFailure`](crate::TryFailure).
    ///
    /// ```
    /// use saga_core::action::ActionFunc;
    /// use saga_core::dag::{DagBuilder, Node, SagaDag};
    /// use saga_core::{ActionContext, BoxError};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let taxi = ActionFunc::new_noop_undo("taxi", |_: ActionContext<()>| async move {
    ///     Err::<String, BoxError>("no taxi is free".into())
    /// })?;
    /// let train = ActionFunc::new_noop_undo("train", |_: ActionContext<()>| async move {
    ///     Ok::<_, BoxError>("seat 12".to_string())
    /// })?;
    /// let mut actions = saga_core::action::ActionRegistry::new();
    /// let mut by_taxi = DagBuilder::new("Taxi")?;
    /// by_taxi.append(Node::shared_action("taxi", actions.register(taxi)?)?)?;
    /// let mut by_train = DagBuilder::new("Train")?;
    /// by_train.append(Node::shared_action("train", actions.register(train)?)?)?;
    ///
    /// let mut dag = DagBuilder::new("Ride")?;
    /// dag.append(Node::attempt("ride", by_taxi.build()?, Some(by_train.build()?))?)?;
    ///
    /// let sec = saga_core::Coordinator::builder(()).actions(actions).build().await?;
    /// let ride = sec.saga_dag(SagaDag::new(dag.build()?, &())?).start().await?.await?;
    /// assert_eq!(ride, "seat 12");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`InvalidName`] if the name cannot be a node's.
    pub fn attempt<D: Into<Arc<Dag<C>>>>(
        name: impl AsRef<str>,
        body: D,
        otherwise: Option<D>,
    ) -> Result<Self, InvalidName> {
        let any = |dag: D| dag.into().any().clone();
        let (body, otherwise) = (any(body), otherwise.map(any));
        Ok(Self::of_any(AnyNode::attempt(NodeName::new(name)?, body, otherwise)))
    }
}
