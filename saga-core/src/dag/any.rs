//! The nodes of a DAG and its edges, whatever the type of the context.

use std::fmt;
use std::sync::{Arc, OnceLock};

use petgraph::Direction;
use petgraph::graph::DiGraph;

use super::AnyNode;
use crate::action::AnyAction;
use crate::context::Frame;
use crate::error::ActionError;
use crate::log::Payload;
use crate::names::{BodyId, NodeIndex, SagaName};
use crate::plan::Plan;
use crate::value::ActionOutput;

/// What a [`Dag`](super::Dag) is besides the type of the context that its actions take: its nodes, and which of
/// them wait for which. This is all that anybody needs who does not call the actions.
///
/// A `Dag` dereferences to it, and has its methods.
pub struct AnyDag {
    pub(super) name: SagaName,
    pub(super) version: u32,
    pub(super) graph: DiGraph<AnyNode, (), u32>,
    pub(super) output: Option<NodeIndex>,
    pub(super) place: &'static str,
    /// The body of a typed definition that this is.
    pub(super) body: BodyId,
    /// The nesting depth of DAGs, including this one.
    pub(super) depth: usize,
    pub(super) plan: Arc<Plan>,
    pub(super) fingerprint: OnceLock<Arc<str>>,
    /// What a store keeps of it.
    pub(super) json: OnceLock<Payload>,
}

impl AnyDag {
    /// The saga's durable name.
    pub fn name(&self) -> &SagaName {
        &self.name
    }

    /// The version of the saga, which is 1 unless it says otherwise.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// True for a DAG without nodes. Only the DAG of an arm can be empty.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// The nodes, in the order of declaration.
    pub fn nodes(&self) -> impl Iterator<Item = &AnyNode> {
        self.graph.node_weights()
    }

    /// The node at this index.
    pub fn node(&self, index: NodeIndex) -> Option<&AnyNode> {
        self.graph.node_weight(index.0.into())
    }

    /// The index of the node with this name.
    pub fn node_index(&self, name: &str) -> Option<NodeIndex> {
        self.plan.find(name).map(NodeIndex)
    }

    /// The node whose output is the output of the saga, if it has one.
    pub fn output(&self) -> Option<NodeIndex> {
        self.output
    }

    /// The nodes that this one waits for.
    pub fn predecessors(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        self.neighbors(node, Direction::Incoming)
    }

    /// The nodes that wait for this one.
    pub fn successors(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        self.neighbors(node, Direction::Outgoing)
    }

    fn neighbors(&self, node: NodeIndex, way: Direction) -> impl Iterator<Item = NodeIndex> {
        let mut all = self
            .graph
            .neighbors_directed(node.0.into(), way)
            .map(|n| NodeIndex(n.index() as u32))
            .collect::<Vec<_>>();
        all.sort_unstable();
        all.into_iter()
    }

    /// True if `ancestor` has always completed before `node` starts.
    pub fn is_ancestor(&self, ancestor: NodeIndex, node: NodeIndex) -> bool {
        self.plan.is_ancestor(ancestor, node)
    }

    /// The plan: the shape of this DAG, as the machine sees it.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The point of no return, if there is one.
    pub fn pivot(&self) -> Option<NodeIndex> {
        self.plan.pivot().map(NodeIndex)
    }

    /// A frame for one run of this DAG with these parameters.
    pub(crate) fn frame(&self, params: ActionOutput) -> Frame {
        Frame::new(self.name.clone(), self.body, self.plan.clone(), params)
    }

    /// A frame for a run without parameters, and the reason for their absence.
    pub(crate) fn refused_frame(&self, why: ActionError) -> Frame {
        let frame = self.frame(ActionOutput::of((), Payload::default()));
        Frame { refused: Some(Box::new(why)), ..frame }
    }

    /// This DAG and all DAGs that it contains: bodies, arms and subsagas.
    fn all(&self) -> impl Iterator<Item = &Self> {
        let mut dags = vec![self];
        std::iter::from_fn(move || {
            let dag = dags.pop()?;
            dags.extend(dag.nodes().flat_map(|node| node.body.parts()).map(|part| &**part));
            Some(dag)
        })
    }

    /// The number of declared nodes, including those of bodies, arms and subsagas.
    pub(crate) fn declared(&self) -> usize {
        self.all().map(Self::len).sum()
    }

    /// The actions of all nodes, including those of bodies, arms and subsagas.
    pub(crate) fn actions(&self) -> Vec<&Arc<AnyAction>> {
        let nodes = self.all().flat_map(Self::nodes);
        nodes.filter_map(|node| node.body.action()).collect()
    }

    /// Where the saga is defined, as `file:line`; empty for a DAG that was built at run time.
    pub fn place(&self) -> &'static str {
        self.place
    }
}

impl fmt::Debug for AnyDag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.nodes().map(AnyNode::name).collect::<Vec<_>>();
        f.debug_struct("Dag")
            .field("name", &self.name)
            .field("nodes", &names)
            .finish_non_exhaustive()
    }
}
