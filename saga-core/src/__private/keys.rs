//! The types that the keys of a saga and its parameters go by.

use serde::Serialize;

use crate::typed::Typed;

/// The type of a saga's parameter, by its number.
pub trait Parameter<const NUMBER: usize> {
    type Type;
}

/// The types of a node, by a function that returns its action: there the action's lifetimes are left out.
pub trait NodeTypes {
    type Output;
    type Error;
}

impl<A: Typed> NodeTypes for fn(&'static ()) -> A {
    type Output = A::Output;
    type Error = A::Error;
}

/// What a key says of the types of a node whose action is declared in the body of a function, where the
/// key cannot find it.
#[derive(Debug, Serialize, serde::Deserialize, thiserror::Error)]
#[error("an action in the body of a function")]
pub struct ActionInsideOfAFunction;

#[diagnostic::do_not_recommend]
impl Typed for ActionInsideOfAFunction {
    type Output = Self;
    type Error = Self;
}
