//! Where to draw the nodes and edges of a DAG: in layers, so that every edge leads down.
//!
//! The steps are those of Sugiyama's method. `layers` gives each node a layer, `bends` adds a bend to each layer
//! that a long edge passes, `order` orders each layer so that few edges cross, `columns` moves everything
//! sideways until edges are as straight as they can be, and `routes` says where the edges run. The result
//! depends on nothing but the input, and the time is bounded: see [`MAX_BENDS`] and `order`.

mod bends;
mod columns;
mod layers;
mod order;
mod routes;
#[cfg(test)]
mod tests;

/// A long edge has a bend in each layer that it passes. Edges beyond this number run straight, and may cross
/// nodes: it takes a DAG with thousands of nodes to get there.
const MAX_BENDS: usize = 40_000;

/// The space between two nodes of a layer, between two edges, and between a node and an edge.
const GAP: f64 = 24.0;
const EDGE_GAP: f64 = 10.0;

/// The least and the largest space between two layers. It grows with how far the edges run sideways.
const LAYER_GAP: f64 = 34.0;
const MAX_LAYER_GAP: f64 = 120.0;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where everything is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Layout {
    pub(super) size: Size,
    /// The upper left corner of each node.
    pub(super) places: Vec<Point>,
    /// The way of each edge: to the second point straight down, from there to the third along a curve, then
    /// straight down again, and so on.
    pub(super) routes: Vec<Vec<Point>>,
}

/// Lays out nodes of these sizes. The edges are pairs of indices and contain no cycle.
pub(super) fn layout(sizes: &[Size], edges: &[(usize, usize)]) -> Layout {
    let layer = layers::assign(sizes.len(), edges);
    let net = bends::Net::new(sizes, edges, layer);
    let layers = order::order(&net);
    let centers = columns::centers(&net, &layers);
    routes::lay_out(sizes, edges, &net, &layers, &centers)
}

/// The element at this index, or the default: every index here is one of our own.
fn at<T: Copy + Default>(list: &[T], index: usize) -> T {
    list.get(index).copied().unwrap_or_default()
}

/// The list at this index.
fn list(lists: &[Vec<usize>], index: usize) -> &[usize] {
    lists.get(index).map(Vec::as_slice).unwrap_or_default()
}
