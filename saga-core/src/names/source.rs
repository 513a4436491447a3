//! Where a step of a typed definition reads from.

use super::NodeIndex;

/// Which body of a definition: the saga itself, or what runs in an instance or arm. Numbered in the order
/// of declaration, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId(pub(crate) u32);

/// Where a step reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A parameter of the saga.
    Param(&'static str),
    /// An earlier node of this body, or of one around it.
    Node(BodyId, NodeIndex),
    /// The item of the instance that this body runs for.
    Item(BodyId),
}
