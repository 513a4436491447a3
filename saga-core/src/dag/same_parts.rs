//! Whether a node that holds others holds the same ones in two versions of a saga.

use super::export::KindJson;
use super::{AnyDag, AnyNode};

/// True if both nodes hold the same nodes with the same types of outputs, or hold none. Options do not matter. `then` and `now`
/// are the DAGs that the nodes are in.
pub(crate) fn same_parts(then: (&AnyDag, &AnyNode), now: (&AnyDag, &AnyNode)) -> bool {
    let (then_parts, now_parts) = (then.1.body.parts(), now.1.body.parts());
    if then_parts.is_empty() && now_parts.is_empty() {
        return true;
    }
    let told = |(dag, node): (&AnyDag, &AnyNode)| {
        let mut kind = node.describe(&[dag]);
        kind.forget_the_rest();
        // what it decides by does not matter: what was decided is in the log
        match &mut kind {
            KindJson::Subsaga { params: by, .. }
            | KindJson::ForEach { items: by, .. }
            | KindJson::Choose { by, .. } => *by = None,
            KindJson::Action { .. }
            | KindJson::Constant { .. }
            | KindJson::Computed
            | KindJson::Wait { .. }
            | KindJson::Try { .. } => {}
        }
        serde_json::to_string(&kind).ok()
    };
    let same = told(then).is_some_and(|then| Some(then) == told(now));
    same && then_parts.iter().zip(now_parts).all(|(then, now)| same_types(then, now))
}

/// True if the nodes of two DAGs that are told alike have the same types of outputs.
fn same_types(then: &AnyDag, now: &AnyDag) -> bool {
    then.nodes().zip(now.nodes()).all(|(then, now)| {
        let (then_parts, now_parts) = (then.body.parts(), now.body.parts());
        let inside = || then_parts.iter().zip(now_parts).all(|(then, now)| same_types(then, now));
        then.body.output_type() == now.body.output_type() && inside()
    })
}
