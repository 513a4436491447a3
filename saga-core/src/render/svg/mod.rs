//! The DAG as an SVG picture.

mod boxes;
mod look;
mod sketch;
mod text;
mod write;

use std::fmt;

use super::{Graph, NodeStates};
use crate::dag::AnyDag;

pub(in crate::render) use write::write;

type Link<'l> = dyn Fn(&str) -> Option<String> + 'l;

/// How a picture is used: see [`AnyDag::to_svg_with`].
///
/// ```
/// use saga_core::dag::{DagBuilder, Node};
/// use saga_core::render::SvgOptions;
/// let mut dag = DagBuilder::<()>::new("Order")?;
/// dag.append(Node::constant("rate", 3)?)?;
/// let links = |path: &str| Some(format!("/nodes/{path}"));
/// let svg = dag.build()?.to_svg_with(None, &SvgOptions::new().embedded().links(links));
/// assert!(svg.contains("<a href=\"/nodes/rate\""));
/// # Ok::<(), saga_core::dag::DagError>(())
/// ```
#[derive(Default)]
pub struct SvgOptions<'l> {
    embedded: bool,
    link: Option<Box<Link<'l>>>,
}

impl<'l> SvgOptions<'l> {
    /// A picture in a file of its own, without links.
    pub fn new() -> Self {
        Self::default()
    }

    /// A picture within a page: its background is that of the page, and text has the page's `color`. It has no
    /// `style` of any kind, so that it looks the same under a strict content security policy.
    #[must_use]
    pub fn embedded(mut self) -> Self {
        self.embedded = true;
        self
    }

    /// Makes each node a link to the address that is returned for its path, without instance numbers, as in
    /// `machines[]/address`. For `None`, it is no link. The address is escaped, but otherwise used as it is: a
    /// name in a path may contain spaces and `?`, which an address must encode.
    #[must_use]
    pub fn links(mut self, link: impl Fn(&str) -> Option<String> + 'l) -> Self {
        self.link = Some(Box::new(link));
        self
    }
}

impl fmt::Debug for SvgOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = self.link.is_some();
        f.debug_struct("SvgOptions")
            .field("embedded", &self.embedded)
            .field("links", &links)
            .finish()
    }
}

impl AnyDag {
    /// The DAG as an SVG picture, a file that needs nothing else: no script, no font, no program that lays it
    /// out. It has light and dark colours.
    ///
    /// What a composite node contains is drawn within it, and the instances of one body are counted together.
    /// An edge that follows from others is left out, many nodes between the same others are drawn as a block,
    /// and the edges between two stages meet in a point. If states are given, each node has a colour, a sign and
    /// a word for its own, and the edges that a rollback has come to are dashed and lead back.
    ///
    /// ```
    /// use saga_core::dag::{DagBuilder, Node};
    /// let mut dag = DagBuilder::<()>::new("Order")?;
    /// dag.append(Node::constant("rate", 3)?)?.append(Node::constant("fee", 5)?)?;
    /// let svg = dag.build()?.to_svg(None);
    /// assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
    /// assert!(svg.contains("data-node=\"rate\""));
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    pub fn to_svg(&self, states: Option<&NodeStates>) -> String {
        self.to_svg_with(states, &SvgOptions::new())
    }

    /// The DAG as an SVG picture for a page, or with links.
    ///
    /// For styles and scripts of the page, each node is a `g` with the classes `saga-node` and the word of its
    /// most important state, such as `saga-undo_failed`, with its path in `data-node`. Whatever the picture
    /// says about looks is in presentation attributes, which any style sheet overrides. For screen readers, each
    /// node says its name, what it runs, its state, and what it waits for.
    ///
    /// ```
    /// use saga_core::dag::{DagBuilder, Node};
    /// use saga_core::render::{NodeStates, SvgOptions};
    /// use saga_core::ActionState;
    /// let mut dag = DagBuilder::<()>::new("Order")?;
    /// dag.append(Node::constant("rate", 3)?)?;
    /// let states = NodeStates::from([("rate".into(), ActionState::Completed)]);
    /// let svg = dag.build()?.to_svg_with(Some(&states), &SvgOptions::new().embedded());
    /// assert!(svg.contains("class=\"saga-node saga-completed\""));
    /// assert!(!svg.contains("style"));
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    pub fn to_svg_with(&self, states: Option<&NodeStates>, options: &SvgOptions<'_>) -> String {
        Graph::of(self).to_svg_with(states, options)
    }
}
