//! A DAG for drawing, with or without its definition.

use std::fmt;

use super::{Drawing, NodeStates, SvgOptions, dot, mermaid, svg};
use crate::coordinator::SagaView;
use crate::dag::{AnyDag, DagError, Outline};

/// The nodes and edges of a DAG, without what runs. A saga's own is stored with it, so it can be drawn by a program
/// that does not have its definition, such as one for operators: see [`SagaView::graph`].
///
/// ```
/// use saga_core::dag::{DagBuilder, Node};
/// use saga_core::render::Graph;
/// let mut dag = DagBuilder::<()>::new("Order")?;
/// dag.append(Node::constant("rate", 3)?)?.append(Node::constant("fee", 5)?)?;
/// let dag = dag.build()?;
/// let graph = Graph::from_json(dag.to_json_text().as_bytes())?;
/// assert_eq!(graph.to_dot(None), dag.to_dot(None));
/// # Ok::<(), saga_core::dag::DagError>(())
/// ```
pub struct Graph {
    outline: Outline,
}

impl Graph {
    /// The graph of a DAG of this program.
    ///
    /// ```
    /// use saga_core::dag::{DagBuilder, Node};
    /// use saga_core::render::Graph;
    /// let mut dag = DagBuilder::<()>::new("Order")?;
    /// dag.append(Node::constant("rate", 3)?)?;
    /// assert_eq!(Graph::of(&*dag.build()?).saga_name(), "Order");
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    pub fn of(dag: &AnyDag) -> Self {
        Self { outline: Outline::of(dag) }
    }

    /// The graph of a DAG as it is stored: [`SagaRecord::dag`](crate::store::SagaRecord::dag), or
    /// [`AnyDag::to_json_text`].
    ///
    /// ```
    /// use saga_core::render::Graph;
    /// let error = Graph::from_json(b"{}").err().map(|error| error.to_string());
    /// assert!(error.is_some_and(|error| error.starts_with("the stored DAG does not decode: ")));
    /// ```
    ///
    /// # Errors
    /// [`DagError::BadJson`] if it is no DAG.
    pub fn from_json(json: &[u8]) -> Result<Self, DagError> {
        Ok(Self { outline: Outline::read(json)? })
    }

    /// The durable name of the saga.
    pub fn saga_name(&self) -> &str {
        &self.outline.name
    }

    /// As Graphviz text: see [`AnyDag::to_dot`].
    pub fn to_dot(&self, states: Option<&NodeStates>) -> String {
        dot::write(&Drawing::of(&self.outline, states))
    }

    /// As a Mermaid flowchart: see [`AnyDag::to_mermaid`].
    pub fn to_mermaid(&self, states: Option<&NodeStates>) -> String {
        mermaid::write(&Drawing::of(&self.outline, states))
    }

    /// As an SVG picture in a file of its own: see [`AnyDag::to_svg`].
    pub fn to_svg(&self, states: Option<&NodeStates>) -> String {
        self.to_svg_with(states, &SvgOptions::new())
    }

    /// As an SVG picture for a page, or with links: see [`AnyDag::to_svg_with`].
    pub fn to_svg_with(&self, states: Option<&NodeStates>, options: &SvgOptions<'_>) -> String {
        svg::write(&Drawing::of(&self.outline, states), states.is_some(), options)
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outline { name, nodes } = &self.outline;
        f.debug_struct("Graph").field("saga", name).field("nodes", &nodes.len()).finish()
    }
}

impl SagaView {
    /// The saga's DAG, as it is stored with it.
    ///
    /// ```
    /// # use saga_core::prelude::*;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// # sec.saga(Stamp {}).id("stamp-1").start().await?.await?;
    /// let view = sec.inspect("stamp-1").await?.ok_or("there is one")?;
    /// let svg = view.graph()?.to_svg(Some(&view.node_states()));
    /// assert!(svg.contains("class=\"saga-node saga-completed\""));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`DagError::BadJson`] if what is stored is no DAG.
    pub fn graph(&self) -> Result<Graph, DagError> {
        Graph::from_json(self.record.dag.as_bytes())
    }

    /// The states of its nodes by path, for [`graph`](Self::graph).
    pub fn node_states(&self) -> NodeStates {
        self.nodes.iter().map(|node| (node.node.clone(), node.state)).collect()
    }
}
