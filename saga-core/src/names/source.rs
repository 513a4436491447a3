//! Where a step of a typed definition reads from.

use super::NodeIndex;

/// One body of a definition: the saga itself, or the nodes of an instance or an arm. Bodies are numbered in
/// order of declaration, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId(pub(crate) u32);

/// Where a step reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A parameter of the saga.
    Param(&'static str),
    /// An earlier node of the same body or of an enclosing one.
    Node(BodyId, NodeIndex),
    /// The item of the instance that runs this body.
    Item(BodyId),
}
