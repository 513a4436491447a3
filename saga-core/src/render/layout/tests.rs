use proptest::prelude::*;

use super::*;

/// Sizes, and edges from lower to higher indices.
fn graphs(most: usize) -> impl Strategy<Value = (Vec<Size>, Vec<(usize, usize)>)> {
    let size = (8..300_u32, 8..200_u32);
    let size = size.prop_map(|(width, height)| Size { width: width.into(), height: height.into() });
    let sizes = prop::collection::vec(size, 0..most);
    let edges = prop::collection::vec(
        (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        0..most * 2,
    );
    (sizes, edges).prop_map(|(sizes, edges)| {
        if sizes.is_empty() {
            return (sizes, Vec::new());
        }
        let ends = edges.iter().map(|(a, b)| (a.index(sizes.len()), b.index(sizes.len())));
        let mut edges = ends.filter(|(a, b)| a < b).collect::<Vec<_>>();
        edges.sort_unstable();
        edges.dedup();
        (sizes, edges)
    })
}

fn overlap(a: Point, size: Size, b: Point, other: Size) -> bool {
    let apart = a.x + size.width <= b.x + 0.01 || b.x + other.width <= a.x + 0.01;
    !(apart || a.y + size.height <= b.y + 0.01 || b.y + other.height <= a.y + 0.01)
}

fn check(sizes: &[Size], edges: &[(usize, usize)]) {
    let layout = layout(sizes, edges);
    assert_eq!((layout.places.len(), layout.routes.len()), (sizes.len(), edges.len()));
    let nodes = layout.places.iter().zip(sizes).collect::<Vec<_>>();
    for (i, (place, size)) in nodes.iter().enumerate() {
        assert!(place.x > -0.01 && place.x + size.width < layout.size.width + 0.01);
        assert!(place.y > -0.01 && place.y + size.height < layout.size.height + 0.01);
        for (other, its) in &nodes[..i] {
            assert!(!overlap(**place, **size, **other, **its), "{place:?} {other:?}");
        }
    }
    for (&(from, to), route) in edges.iter().zip(&layout.routes) {
        let (start, end) = (route[0], route[route.len() - 1]);
        let (upper, lower) = (layout.places[from], layout.places[to]);
        assert!((start.y - upper.y - sizes[from].height).abs() < 0.01);
        assert!((end.y - lower.y).abs() < 0.01 && start.y < end.y);
        assert!((start.x - upper.x - sizes[from].width / 2.0).abs() < 0.01);
        assert!((end.x - lower.x - sizes[to].width / 2.0).abs() < 0.01);
        assert!(route.windows(2).all(|pair| pair[0].y <= pair[1].y), "{route:?}");
        // between the layers there are no nodes; inside of a layer, an edge runs straight down between them
        for down in route.chunks_exact(2) {
            assert_eq!(down[0].x, down[1].x);
            let edge = Size { width: 0.0, height: down[1].y - down[0].y };
            let crossed = |(place, size): &(&Point, &Size)| overlap(down[0], edge, **place, **size);
            assert!(!nodes.iter().any(crossed), "{route:?}");
        }
    }
}

proptest! {
    #[test]
    fn nodes_do_not_overlap_and_edges_lead_down_past_them((sizes, edges) in graphs(40)) {
        check(&sizes, &edges);
        prop_assert_eq!(layout(&sizes, &edges), layout(&sizes, &edges));
    }
}

const SIZE: Size = Size { width: 120.0, height: 50.0 };

#[test]
fn a_chain_is_one_straight_line() {
    let edges = (1..50).map(|node| (node - 1, node)).collect::<Vec<_>>();
    let layout = layout(&[SIZE; 50], &edges);
    assert!(layout.places.iter().all(|place| place.x == 0.0), "{:?}", layout.places);
}

#[test]
fn a_node_that_few_wait_for_is_near_them() {
    // 4 waits only for 5, which is read by 3, the last of a chain
    let edges = [(0, 1), (1, 2), (2, 3), (4, 3)];
    let layers = layers::assign(5, &edges);
    assert_eq!(layers, [0, 1, 2, 3, 2]);
}

#[test]
fn a_tree_has_no_crossings() {
    // declared layer by layer, the children of the last node first
    let edges = [(0, 1), (0, 2), (0, 3), (3, 4), (3, 5), (2, 6), (1, 7), (1, 8)];
    let layout = layout(&[SIZE; 9], &edges);
    let x = |node: usize| layout.places[node].x;
    let mut lines = edges.iter().skip(3).map(|(a, b)| (x(*a), x(*b))).collect::<Vec<_>>();
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(
        lines.windows(2).all(|pair| pair[0].0 == pair[1].0 || pair[0].1 < pair[1].1),
        "{lines:?}"
    );
}

#[test]
fn large_graphs_are_laid_out_like_small_ones() {
    let steps = |node: usize, k: usize| (node * 7919 + k * 104_729) % 19 + 1;
    let edges = (1..1_000).flat_map(|node: usize| {
        let from = (0..2).map(move |k| node.saturating_sub(steps(node, k)));
        from.map(move |from| (from, node))
    });
    let mut edges = edges.collect::<Vec<_>>();
    edges.sort_unstable();
    edges.dedup();
    check(&[SIZE; 1_000], &edges);
}

#[test]
fn edges_run_straight_where_there_would_be_too_many_bends() {
    // a chain, and as many nodes that wait for its beginning and that its end waits for
    let chain = (1..400).map(|node| (node - 1, node));
    let long = (400..700).flat_map(|node| [(0, node), (node, 399), (node, 398)]);
    let edges = chain.chain(long).collect::<Vec<_>>();
    let sizes = [SIZE; 700];
    let layout = layout(&sizes, &edges);
    assert_eq!(layout.routes.len(), edges.len());
    let bends = layout.routes.iter().map(|route| route.len().saturating_sub(3) / 2).sum::<usize>();
    assert!(bends > 0);
}
