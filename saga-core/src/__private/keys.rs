//! Finds the types behind a saga's parameters and keys.

use serde::Serialize;

use crate::typed::Typed;

/// The type of a parameter of a saga, by its number.
pub trait Parameter<const NUMBER: usize> {
    type Type;
}

/// The types of a node, found through a function that returns its action, where the lifetimes of the action can
/// be left out.
pub trait NodeTypes {
    type Output;
    type Error;
}

impl<A: Typed> NodeTypes for fn(&'static ()) -> A {
    type Output = A::Output;
    type Error = A::Error;
}

/// The output and error types in the key of a node whose action is declared in the body of a function, where
/// the key cannot find it.
#[derive(Debug, Serialize, serde::Deserialize, thiserror::Error)]
#[error("an action in the body of a function")]
pub struct ActionInsideOfAFunction;

#[diagnostic::do_not_recommend]
impl Typed for ActionInsideOfAFunction {
    type Output = Self;
    type Error = Self;
}
