//! A topological order, or why there is none.

use std::collections::HashMap;

/// The place of each node in a topological order; or a cycle, its first node also at the end.
pub(super) fn ranks(nodes: usize, edges: &[(u32, u32)]) -> Result<Vec<u32>, Vec<u32>> {
    let mut succs = vec![Vec::new(); nodes];
    let mut preds = vec![Vec::new(); nodes];
    for &(from, to) in edges {
        if let (Some(succs), Some(preds)) =
            (succs.get_mut(from as usize), preds.get_mut(to as usize))
        {
            succs.push(to);
            preds.push(from);
        }
    }
    let mut missing = preds.iter().map(Vec::len).collect::<Vec<_>>();
    let mut ranks = vec![None; nodes];
    let mut ready =
        (0..nodes as u32).filter(|v| missing.get(*v as usize) == Some(&0)).collect::<Vec<_>>();
    let mut next = 0;
    while let Some(v) = ready.pop() {
        if let Some(rank) = ranks.get_mut(v as usize) {
            *rank = Some(next);
            next += 1;
        }
        for &succ in succs.get(v as usize).into_iter().flatten() {
            let Some(count) = missing.get_mut(succ as usize) else { continue };
            *count -= 1;
            if *count == 0 {
                ready.push(succ);
            }
        }
    }
    let Some(start) = ranks.iter().position(Option::is_none) else {
        return Ok(ranks.into_iter().flatten().collect());
    };
    // every node that is left waits for another one that is left: walking back must come round
    let unranked = |v: &&u32| ranks.get(**v as usize) == Some(&None);
    let mut walk = vec![start as u32];
    let mut seen = HashMap::from([(start as u32, 0)]);
    let mut here = start as u32;
    while let Some(&back) = preds.get(here as usize).and_then(|p| p.iter().find(unranked)) {
        if let Some(at) = seen.insert(back, walk.len()) {
            walk.drain(..at);
            walk.push(back);
            break;
        }
        walk.push(back);
        here = back;
    }
    walk.reverse();
    Err(walk)
}
