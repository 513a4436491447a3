//! What is drawn of a DAG: the same order of the nodes, with as few lines as possible.
//!
//! An edge that follows from others is left out. Many nodes that wait for the same ones, and that the same ones wait
//! for, are one block. And where each of several nodes waits for each of several others, the edges meet in one
//! point: a stage of 100 nodes after another has 200 edges, not 10 000.

use std::collections::BTreeMap;

/// From this number on, nodes between the same others are drawn as a block.
const BLOCK: usize = 9;

/// In larger DAGs, which no one reads as a picture, the search for edges that follow from others takes too much
/// memory: a bit for each pair of nodes.
const MOST_REDUCED: usize = 10_000;

pub(super) struct Sketch {
    pub(super) vertices: Vec<Vertex>,
    /// From vertex to vertex.
    pub(super) edges: Vec<(usize, usize)>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Vertex {
    Node(usize),
    /// These nodes, in no order.
    Block(Vec<usize>),
    /// The vertices after this point wait for all before it.
    Meeting,
}

impl Vertex {
    fn add(&mut self, node: usize) {
        match self {
            Self::Node(first) => *self = Self::Block(vec![*first, node]),
            Self::Block(members) => members.push(node),
            Self::Meeting => {}
        }
    }
}

impl Sketch {
    /// `plain` tells of each node whether it may be in a block. The edges have no cycle.
    pub(super) fn new(plain: &[bool], edges: &[(usize, usize)]) -> Self {
        let mut above = vec![Vec::new(); plain.len()];
        for &(from, to) in edges {
            if let Some(above) = above.get_mut(to) {
                above.push(from);
            }
        }
        above.iter_mut().for_each(|above| {
            above.sort_unstable();
            above.dedup();
        });
        if plain.len() <= MOST_REDUCED {
            reduce(&mut above);
        }
        let (vertices, above) = blocks(plain, above);
        meet(vertices, above)
    }
}

/// Leaves out the edges that follow from others.
fn reduce(above: &mut [Vec<usize>]) {
    let order = order(above);
    let mut rank = vec![0; above.len()];
    for (place, node) in order.iter().enumerate() {
        if let Some(rank) = rank.get_mut(*node) {
            *rank = place;
        }
    }
    let words = above.len().div_ceil(64);
    let mut ancestors = vec![Vec::<u64>::new(); above.len()];
    for node in order {
        let mut all = vec![0; words];
        let Some(preds) = above.get_mut(node) else { continue };
        // The last one first: it may have all others before it.
        preds.sort_by_key(|pred| std::cmp::Reverse(rank.get(*pred).copied().unwrap_or_default()));
        preds.retain(|pred| {
            let (word, bit) = (*pred / 64, 1 << (*pred % 64));
            match all.get_mut(word) {
                Some(word) if *word & bit == 0 => *word |= bit,
                Some(_) | None => return false,
            }
            for (all, its) in all.iter_mut().zip(ancestors.get(*pred).into_iter().flatten()) {
                *all |= its;
            }
            true
        });
        preds.sort_unstable();
        if let Some(ancestors) = ancestors.get_mut(node) {
            *ancestors = all;
        }
    }
}

/// The nodes, each after those that it waits for.
fn order(above: &[Vec<usize>]) -> Vec<usize> {
    let below = inverse(above);
    let mut waiting = above.iter().map(Vec::len).collect::<Vec<_>>();
    let mut order = (0..above.len()).filter(|n| waiting.get(*n) == Some(&0)).collect::<Vec<_>>();
    let mut next = 0;
    while let Some(&node) = order.get(next) {
        next += 1;
        for &to in below.get(node).into_iter().flatten() {
            if let Some(waiting) = waiting.get_mut(to) {
                *waiting -= 1;
                if *waiting == 0 {
                    order.push(to);
                }
            }
        }
    }
    order
}

fn inverse(above: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut below = vec![Vec::new(); above.len()];
    for (to, from) in
        above.iter().enumerate().flat_map(|(to, from)| from.iter().map(move |f| (to, f)))
    {
        if let Some(below) = below.get_mut(*from) {
            below.push(to);
        }
    }
    below
}

/// Joins nodes to blocks. Returns the vertices, and for each of them those that it waits for.
fn blocks(plain: &[bool], above: Vec<Vec<usize>>) -> (Vec<Vertex>, Vec<Vec<usize>>) {
    let below = inverse(&above);
    let mut alike = BTreeMap::<_, Vec<usize>>::new();
    for (node, (above, below)) in above.iter().zip(&below).enumerate() {
        if plain.get(node) == Some(&true) {
            alike.entry((above, below)).or_default().push(node);
        }
    }
    // The vertex of each node; a block is where its first node is.
    let mut leader = (0..above.len()).collect::<Vec<_>>();
    for members in alike.values().filter(|members| members.len() >= BLOCK) {
        for member in members {
            if let (Some(leader), Some(first)) = (leader.get_mut(*member), members.first()) {
                *leader = *first;
            }
        }
    }
    let (mut vertices, mut waits) = (Vec::<Vertex>::new(), Vec::new());
    let mut vertex_of = vec![0; above.len()];
    for (node, leader) in leader.iter().enumerate() {
        let own = match vertex_of.get(*leader) {
            Some(vertex) if *leader != node => *vertex,
            Some(_) | None => vertices.len(),
        };
        match vertices.get_mut(own) {
            Some(vertex) => vertex.add(node),
            None => {
                vertices.push(Vertex::Node(node));
                waits.push(above.get(node).cloned().unwrap_or_default());
            }
        }
        if let Some(vertex) = vertex_of.get_mut(node) {
            *vertex = own;
        }
    }
    for above in &mut waits {
        above.iter_mut().for_each(|node| *node = vertex_of.get(*node).copied().unwrap_or_default());
        above.sort_unstable();
        above.dedup();
    }
    (vertices, waits)
}

/// Adds the points where edges meet.
fn meet(mut vertices: Vec<Vertex>, above: Vec<Vec<usize>>) -> Sketch {
    let mut same = BTreeMap::<_, Vec<usize>>::new();
    for (vertex, above) in above.iter().enumerate().filter(|(_, above)| !above.is_empty()) {
        same.entry(above).or_default().push(vertex);
    }
    let mut edges = Vec::new();
    for (above, below) in same {
        if above.len() > 1 && below.len() > 1 {
            let point = vertices.len();
            vertices.push(Vertex::Meeting);
            edges.extend(above.iter().map(|from| (*from, point)));
            edges.extend(below.iter().map(|to| (point, *to)));
        } else {
            edges.extend(below.iter().flat_map(|to| above.iter().map(|from| (*from, *to))));
        }
    }
    Sketch { vertices, edges }
}

#[cfg(test)]
mod tests {
    use super::Vertex::{Block, Meeting, Node};
    use super::*;

    fn sketch(count: usize, edges: &[(usize, usize)]) -> Sketch {
        Sketch::new(&vec![true; count], edges)
    }

    #[test]
    fn an_edge_that_follows_from_others_is_left_out() {
        let sketch = sketch(4, &[(0, 1), (1, 2), (2, 3), (0, 2), (0, 3), (1, 3)]);
        assert_eq!(sketch.edges, [(0, 1), (1, 2), (2, 3)]);
    }

    #[test]
    fn nodes_between_the_same_others_are_a_block() {
        let edges = (1..20).flat_map(|node| [(0, node), (node, 20)]).collect::<Vec<_>>();
        let sketch = sketch(21, &edges);
        assert_eq!(sketch.vertices, [Node(0), Block((1..20).collect()), Node(20)]);
        assert_eq!(sketch.edges, [(0, 1), (1, 2)]);
        let few = (1..BLOCK).flat_map(|node| [(0, node), (node, BLOCK)]).collect::<Vec<_>>();
        assert_eq!(super::Sketch::new(&[true; BLOCK + 1], &few).vertices.len(), BLOCK + 1);
    }

    #[test]
    fn nodes_that_contain_others_are_in_no_block() {
        let mut plain = [true; 20];
        plain[7] = false;
        let sketch = Sketch::new(&plain, &[]);
        assert_eq!(sketch.vertices[1], Node(7));
        assert_eq!(sketch.vertices.len(), 2);
    }

    #[test]
    fn edges_between_stages_meet_in_a_point() {
        let edges = (0..3).flat_map(|from| (3..6).map(move |to| (from, to))).collect::<Vec<_>>();
        let sketch = sketch(6, &edges);
        assert_eq!(sketch.vertices[6], Meeting);
        assert_eq!(sketch.edges, [(0, 6), (1, 6), (2, 6), (6, 3), (6, 4), (6, 5)]);
    }
}
