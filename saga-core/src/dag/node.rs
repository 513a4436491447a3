//! One node of a DAG, and what it runs.

use std::fmt;
use std::sync::Arc;

use super::Dag;
use super::composite::{Choose, CompositeInput, ForEach, gather_arm, gather_list};
use super::node_body::NodeBody;
use super::options::{Misplaced, NodeOptions};
use crate::action::{Action, Timeouts};
use crate::error::ActionError;
use crate::log::Payload;
use crate::names::{ActionName, InvalidName, NodeName, Source};
use crate::panics;
use crate::plan::{Plan, PlanKind};
use crate::value::{ActionData, ActionOutput};

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
    pub(crate) name: NodeName,
    pub(crate) body: NodeBody<C>,
    /// The sources of each input, for readers and for the fingerprint.
    pub(crate) inputs: Vec<(&'static str, Vec<Source>)>,
    pub(crate) options: NodeOptions,
    /// The point of no return.
    pub(crate) is_pivot: bool,
    /// An option that has no meaning for this kind of node.
    pub(super) misplaced: Option<Misplaced>,
}

impl<C> Clone for Node<C> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            body: self.body.clone(),
            inputs: self.inputs.clone(),
            options: self.options.clone(),
            is_pivot: self.is_pivot,
            misplaced: self.misplaced,
        }
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
        Ok(Self::with(NodeName::new(name)?, NodeBody::Action(action)))
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
        let name = NodeName::new(name)?;
        let output = ActionOutput::new(value).map_err(|e| super::DagError::Constant {
            node: name.to_string(),
            why: e.to_string(),
        })?;
        Ok(Self::with(name, NodeBody::Constant { output, decode: ActionOutput::decode::<T> }))
    }

    /// The same with a JSON value.
    pub(crate) fn stored_constant(
        name: NodeName,
        value: &Payload,
    ) -> Result<Self, super::DagError> {
        let decode = ActionOutput::decode::<serde_json::Value>;
        let output = decode(value).map_err(|e| super::DagError::Constant {
            node: name.to_string(),
            why: e.to_string(),
        })?;
        Ok(Self::with(name, NodeBody::Constant { output, decode }))
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
        let params = CompositeInput::Output(NodeName::new(params)?);
        let body = NodeBody::Subsaga { dag: dag.into(), params };
        Ok(Self::with(NodeName::new(name)?, body))
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
        let items = CompositeInput::Output(NodeName::new(items)?);
        let each = ForEach { body: body.into(), items, gather: gather_list };
        Ok(Self::with(NodeName::new(name)?, NodeBody::ForEach(each)))
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
        let arms = arms.into_iter().map(Into::into).collect();
        let by = CompositeInput::Output(NodeName::new(by)?);
        let choose = Choose { arms, by, gather: gather_arm };
        Ok(Self::with(NodeName::new(name)?, NodeBody::Choose(choose)))
    }

    pub(crate) fn with(name: NodeName, body: NodeBody<C>) -> Self {
        let (inputs, options) = (Vec::new(), NodeOptions::default());
        Self { name, body, inputs, options, is_pivot: false, misplaced: None }
    }

    /// How long an attempt of its action, and of the undo, may take.
    pub(crate) fn timeouts(&self, action: &dyn Action<C>) -> Timeouts {
        self.options.timeouts(action.timeouts())
    }
}

impl<C: 'static> Node<C> {
    /// The node's name.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// The name of its action, if it runs one.
    pub fn action_name(&self) -> Option<&ActionName> {
        self.body.action().map(|action| action.name())
    }

    /// Decodes the stored output of the node; that of a composite node is not stored.
    pub(crate) fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        match &self.body {
            NodeBody::Action(action) => panics::contain(|| action.decode(payload))
                .unwrap_or_else(|message| Err(ActionError::Panicked { message })),
            NodeBody::Constant { decode, .. } => decode(payload),
            NodeBody::Computed(compute) => compute.decode(payload),
            NodeBody::Subsaga { .. } | NodeBody::ForEach(_) | NodeBody::Choose(_) => {
                let message = "this node has no output of its own".to_string();
                Err(ActionError::DeserializeFailed { message })
            }
        }
    }

    pub(crate) fn kind(&self) -> PlanKind {
        match &self.body {
            NodeBody::Action(action) => PlanKind::Action(self.options.policy(action.policy())),
            NodeBody::Constant { .. } | NodeBody::Computed(_) => PlanKind::Value,
            NodeBody::Subsaga { dag, .. } => PlanKind::Subsaga(dag.plan().clone()),
            NodeBody::ForEach(each) => {
                PlanKind::ForEach { body: part(&each.body), concurrency: self.options.concurrency }
            }
            NodeBody::Choose(choose) => {
                PlanKind::Choose(choose.arms.iter().map(|arm| part(arm)).collect())
            }
        }
    }
}

/// The plan of an instance or arm. If it consists of one step, that step has no name of its own in node paths.
fn part<C: 'static>(dag: &Dag<C>) -> Arc<Plan> {
    match dag.plan().nodes() {
        [only] => Arc::new(Plan::inline(only.clone())),
        _ => dag.plan().clone(),
    }
}

impl<C: 'static> fmt::Debug for Node<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name)
            .field("action", &self.action_name())
            .finish_non_exhaustive()
    }
}
