//! What an undo would be called with, compared between two versions of a saga.

use std::fmt;

use super::Values;
use crate::context::KnownValues;
use crate::machine::{SagaState, VertexId};
use crate::panics;
use crate::value::{Comparable, Evaluated};

/// How an undo would be called otherwise than by the version that called its action.
pub(crate) enum UndoDiffers {
    /// This input has another value.
    Input(&'static str),
    /// This input has a type whose values cannot be compared.
    Opaque(&'static str),
    /// The inputs cannot be computed.
    Broken(String),
}

impl fmt::Display for UndoDiffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(input) => {
                write!(f, "its undo would get another `{input}` than it was called with")
            }
            Self::Opaque(input) => write!(
                f,
                "whether its undo would get the same `{input}` cannot be said, because its type is neither `Serialize` nor `Debug`"
            ),
            Self::Broken(why) => write!(f, "the inputs of its undo cannot be computed: {why}"),
        }
    }
}

impl Values {
    /// What the undo of this node reads of its inputs. `None` if that is not known, as of an action that is written by hand.
    fn undo_inputs(
        &self,
        state: &SagaState,
        v: VertexId,
    ) -> Option<Result<Vec<Evaluated>, String>> {
        let (opened, node) = self.place_in(state, v)?;
        let action = opened.dag.node(node)?.body.action()?;
        let values = KnownValues(opened.frame.clone());
        panics::contain(|| action.undo_inputs(&values)).unwrap_or_else(|panic| Some(Err(panic)))
    }

    /// How the undo of a node would be called otherwise than `before`, the same node of another version.
    pub(crate) fn undo_differs(
        &self,
        (state, v): (&SagaState, VertexId),
        before: (&Self, &SagaState, VertexId),
    ) -> Option<UndoDiffers> {
        let (values, old_state, old) = before;
        let now = match self.undo_inputs(state, v)? {
            Ok(now) => now,
            Err(why) => return Some(UndoDiffers::Broken(why)),
        };
        let then = values.undo_inputs(old_state, old).and_then(Result::ok).unwrap_or_default();
        now.into_iter().find_map(|now| {
            let name = now.parameter()?;
            let then = then.iter().find(|then| then.what == now.what);
            match (then.map(|then| &then.value), &now.value) {
                (Some(Comparable::Opaque(_)), _) | (_, Comparable::Opaque(_)) => {
                    Some(UndoDiffers::Opaque(name))
                }
                (Some(then), now) if then.canonical() == now.canonical() => None,
                (Some(_) | None, Comparable::Json { .. } | Comparable::Text(_)) => {
                    Some(UndoDiffers::Input(name))
                }
            }
        })
    }
}
