//! The layer of each node.

use super::{at, list};

/// Each node is one layer below the lowest of those that it waits for. One with more edges down than up is then
/// moved down to those that wait for it, which makes the edges shorter.
pub(super) fn assign(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (mut above, mut below) = (vec![0_usize; count], vec![Vec::new(); count]);
    for &(from, to) in edges {
        if let (Some(above), Some(below)) = (above.get_mut(to), below.get_mut(from)) {
            *above += 1;
            below.push(to);
        }
    }
    let mut layer = vec![0_usize; count];
    let mut waiting = above.clone();
    let mut order = (0..count).filter(|node| at(&above, *node) == 0).collect::<Vec<_>>();
    let mut next = 0;
    while let Some(&node) = order.get(next) {
        next += 1;
        for &to in list(&below, node) {
            let lowest = at(&layer, node) + 1;
            if let Some(layer) = layer.get_mut(to) {
                *layer = lowest.max(*layer);
            }
            if let Some(waiting) = waiting.get_mut(to) {
                *waiting -= 1;
                if *waiting == 0 {
                    order.push(to);
                }
            }
        }
    }
    for &node in order.iter().rev() {
        let below = list(&below, node);
        let highest = below.iter().map(|to| at(&layer, *to)).min();
        if let (Some(highest), Some(layer)) = (highest, layer.get_mut(node))
            && below.len() > at(&above, node)
        {
            *layer = highest.saturating_sub(1).max(*layer);
        }
    }
    layer
}
