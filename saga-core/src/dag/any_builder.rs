//! What a [`DagBuilder`](super::DagBuilder) has collected, whatever the type of the context.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use petgraph::graph::DiGraph;
use saga_order::Blocks;

use super::edges::EdgeGraph;
use super::options::Misplaced;
use super::{AnyDag, AnyNode, DagError, NodeBody, pivot, topology};
use crate::names::{BodyId, NodeIndex, NodeName, SagaName, Source};
use crate::plan::{Plan, PlanNode};

/// The default limit on the number of nodes.
pub(crate) const DEFAULT_MAX_NODES: usize = 10_000;

/// The version of a saga that says nothing about it.
pub(super) const FIRST_VERSION: u32 = 1;

/// How deeply DAGs that are built at run time may be nested.
const MAX_DEPTH: usize = 32;

/// The nodes and edges of a DAG that is being built.
pub(crate) struct AnyBuilder {
    pub(crate) name: SagaName,
    pub(crate) version: u32,
    pub(crate) place: &'static str,
    pub(crate) nodes: Vec<AnyNode>,
    pub(crate) by_name: HashMap<NodeName, u32>,
    pub(crate) edges: Vec<(u32, u32)>,
    pub(super) ways: EdgeGraph,
    /// Edges by name: the node, and the name of the node that it waits for.
    pub(crate) named: Vec<(u32, String)>,
    pub(crate) blocks: Blocks,
    pub(super) output: Option<String>,
    /// The errors of typed steps, which `build` reports.
    pub(crate) errors: Vec<DagError>,
    pub(crate) max_nodes: usize,
    /// The enclosing bodies and this one, which is last, each with the sources of its item.
    pub(crate) bodies: Vec<(BodyId, Arc<[Source]>)>,
    /// The number of the next body of the definition.
    pub(crate) next_body: u32,
    /// The nodes of enclosing bodies that this body reads.
    pub(crate) outside: BTreeSet<(BodyId, u32)>,
    /// The sagas that this one is nested in, and itself, which is last.
    pub(crate) within: Vec<SagaName>,
}

impl AnyBuilder {
    pub(crate) fn with_name(name: SagaName) -> Self {
        Self {
            name,
            version: FIRST_VERSION,
            place: "",
            nodes: Vec::new(),
            by_name: HashMap::new(),
            edges: Vec::new(),
            ways: EdgeGraph::default(),
            named: Vec::new(),
            blocks: Blocks::default(),
            output: None,
            errors: Vec::new(),
            max_nodes: DEFAULT_MAX_NODES,
            bodies: vec![(BodyId(0), Arc::default())],
            next_body: 1,
            outside: BTreeSet::new(),
            within: Vec::new(),
        }
    }

    pub(crate) fn version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    /// The body that is being built.
    pub(crate) fn body(&self) -> BodyId {
        self.bodies.last().map_or(BodyId(0), |(body, _)| *body)
    }

    /// Adds a node that waits for everything before it.
    pub(super) fn append(&mut self, node: AnyNode) -> Result<(), DagError> {
        self.check_new(&node.name)?;
        let deps = self.input_of(&node)?;
        self.place(node, &deps);
        Ok(())
    }

    /// Adds nodes that run in parallel and wait for everything before them.
    pub(super) fn append_parallel(&mut self, nodes: Vec<AnyNode>) -> Result<(), DagError> {
        if nodes.is_empty() {
            return Err(DagError::EmptyStage);
        }
        let mut names = BTreeSet::new();
        let mut deps = Vec::with_capacity(nodes.len());
        for node in &nodes {
            self.check_new(&node.name)?;
            deps.push(self.input_of(node)?);
            if !names.insert(node.name.clone()) {
                return Err(DagError::AlreadyExists(node.name.clone()));
            }
        }
        self.blocks.open_parallel(self.nodes.len() as u32);
        for (node, deps) in nodes.into_iter().zip(deps) {
            self.place(node, &deps);
        }
        self.blocks.close();
        Ok(())
    }

    /// Adds a node that waits only for the nodes that it is told to wait for, and for the one that it reads.
    pub(super) fn node(&mut self, node: AnyNode) -> Result<u32, DagError> {
        let deps = self.input_of(&node)?;
        let index = self.node_exactly(node)?;
        self.edges.extend(deps.into_iter().map(|dep| (dep, index)));
        Ok(index)
    }

    /// The same, except that the node does not implicitly wait for the node that it reads: a stored DAG names
    /// everything that its nodes wait for.
    pub(super) fn node_exactly(&mut self, node: AnyNode) -> Result<u32, DagError> {
        self.check_new(&node.name)?;
        self.input_of(&node)?;
        Ok(self.push(node))
    }

    pub(super) fn build(mut self) -> Result<AnyDag, DagError> {
        let output = match self.output.take() {
            Some(name) => Some(NodeIndex(self.resolve(&name)?)),
            None => None,
        };
        let named = output.is_some();
        let mut dag = self.finish(output)?;
        if !named && let &[leaf] = dag.plan.leaves() {
            dag.output = Some(NodeIndex(leaf));
        }
        Ok(dag)
    }

    pub(crate) fn finish(mut self, output: Option<NodeIndex>) -> Result<AnyDag, DagError> {
        if let Some(error) = self.errors.drain(..).next() {
            return Err(error);
        }
        if self.blocks.is_open() {
            return Err(DagError::Unbalanced("`parallel` or `branch` without `end`"));
        }
        let body = self.body();
        // An arm may be empty; a saga may not.
        if self.nodes.is_empty() && body == BodyId(0) {
            return Err(DagError::NoRoots);
        }
        for (node, name) in std::mem::take(&mut self.named) {
            let pred = self.resolve(&name)?;
            self.edges.push((pred, node));
        }
        self.edges.sort_unstable();
        self.edges.dedup();
        let mut graph = DiGraph::with_capacity(self.nodes.len(), self.edges.len());
        for node in std::mem::take(&mut self.nodes) {
            graph.add_node(node);
        }
        for &(from, to) in &self.edges {
            graph.add_edge(from.into(), to.into(), ());
        }
        topology::check_acyclic(&graph).map_err(|cycle| {
            let names = cycle.into_iter().filter_map(|node| graph.node_weight(node));
            DagError::Circular(names.map(|n| n.name.clone()).collect())
        })?;
        let plan = self.plan(&graph)?;
        let depth = depth(&graph)?;
        let dag = AnyDag {
            name: self.name,
            version: self.version,
            graph,
            output,
            place: self.place,
            body,
            depth,
            plan: Arc::new(plan),
            fingerprint: OnceLock::new(),
            json: OnceLock::new(),
        };
        let (count, limit) = (dag.declared(), self.max_nodes);
        if count > limit {
            return Err(DagError::TooManyNodes { saga: dag.name, count, limit });
        }
        Ok(dag)
    }

    /// The plan, if the options of the nodes are consistent with it.
    fn plan(&self, graph: &DiGraph<AnyNode, ()>) -> Result<Plan, DagError> {
        let mut found = None;
        for (i, node) in graph.node_weights().enumerate() {
            if let Some(Misplaced { what, why }) = node.misplaced() {
                return Err(DagError::Misplaced { node: node.name.clone(), what, why });
            }
            for part in node.body.parts() {
                if let Some(pivot) = part.pivot().and_then(|pivot| part.node(pivot)) {
                    let (pivot, inside) = (pivot.name.clone(), node.name.clone());
                    return Err(DagError::PivotInside { pivot, inside });
                }
            }
            if node.is_pivot
                && let Some((_, first)) = found.replace((i as u32, &node.name))
            {
                let (first, second) = (first.clone(), node.name.clone());
                return Err(DagError::TwoPivots { first, second });
            }
        }
        let kinds = graph
            .node_weights()
            .map(|node| PlanNode { name: node.name.clone(), kind: node.kind() });
        let plan = Plan::new(kinds.collect(), &self.edges);
        let Some((found, _)) = found else { return Ok(plan) };
        // In a body, the node that contains the body rejects any pivot.
        if self.body() == BodyId(0) {
            pivot::check(&plan, graph, found)?;
        }
        Ok(plan.with_pivot(found))
    }

    pub(crate) fn check_new(&self, name: &NodeName) -> Result<(), DagError> {
        if self.by_name.contains_key(name) {
            return Err(DagError::AlreadyExists(name.clone()));
        }
        Ok(())
    }

    /// The node whose output decides what this node runs.
    fn input_of(&self, node: &AnyNode) -> Result<Vec<u32>, DagError> {
        let Some(input) = node.body.reads() else { return Ok(Vec::new()) };
        match (self.by_name.get(input), &node.body) {
            (Some(index), _) => Ok(vec![*index]),
            (None, NodeBody::Subsaga { .. }) => Err(DagError::BadSubsagaParams(input.to_string())),
            (None, _) => {
                let (node, input) = (node.name.clone(), input.to_string());
                Err(DagError::NoSuchInput { node, input })
            }
        }
    }

    fn push(&mut self, node: AnyNode) -> u32 {
        let index = self.nodes.len() as u32;
        self.by_name.insert(node.name.clone(), index);
        self.nodes.push(node);
        index
    }

    /// Adds a node at the place that the open blocks give it, after `deps`.
    pub(crate) fn place(&mut self, node: AnyNode, deps: &[u32]) -> NodeIndex {
        let index = self.push(node);
        let preds = self.blocks.place(index, deps);
        self.edges.extend(preds.into_iter().map(|pred| (pred, index)));
        NodeIndex(index)
    }

    pub(crate) fn resolve(&self, name: &str) -> Result<u32, DagError> {
        self.by_name.get(name).copied().ok_or_else(|| {
            let known = self.nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(", ");
            let nearest = crate::names::nearest(name, self.nodes.iter().map(|n| &n.name));
            DagError::NoSuchNode { name: name.to_string(), nearest: nearest.cloned(), known }
        })
    }
}

/// The nesting depth. A DAG that is built at run time must be readable from JSON, whose depth is limited.
fn depth(graph: &DiGraph<AnyNode, ()>) -> Result<usize, DagError> {
    let mut depth = 0;
    for node in graph.node_weights() {
        let inner = node.body.parts().iter().map(|part| part.depth).max().unwrap_or(0);
        if node.body.reads().is_some() && inner >= MAX_DEPTH {
            return Err(DagError::TooDeep { node: node.name.clone(), limit: MAX_DEPTH });
        }
        depth = depth.max(inner);
    }
    Ok(depth + 1)
}
