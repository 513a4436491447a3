//! Typed keys of nodes.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::typed::Saga;

/// The types of a key: its saga, the node's output and its error. A key holds none of them.
type Types<S, O, E> = fn() -> (S, O, E);

/// A node of the saga `S`, whose output is an `O` and whose action fails with `E`: `BookTrip::payment`.
///
/// `saga!` makes a key for each node whose types can be named: for steps and the nodes around them, for constants,
/// and where a type is written (`let total: u64 = { .. };`). A computed node, and a `for`, `if` or `match` whose body
/// ends with a subsaga or a plain struct, needs a written type. If the saga itself ends like that, the key of its last
/// line has the name that is written there, and also the name `output`. The error of a `for` over one action is
/// that action's; other nodes that run no action of their own fail with [`ActionError`](crate::error::ActionError).
///
/// ```
/// use saga_core::prelude::*;
///
/// #[saga_action(no_undo)]
/// async fn book(city: &str) -> Result<u32, String> { Ok(city.len() as u32) }
///
/// saga! {
///     Night<()>(city: String) -> u32 { let room = book { city }; room }
///     Tour<()>(cities: Vec<String>) {
///         let nights: Vec<u32> = for city in cities { Night { city: city.clone() } };
///         let total: u32 = { nights.iter().sum() };
///         book { city: &total.to_string() };
///     }
/// }
/// # fn main() {
/// let bare_step: NodeKey<Tour, u32, String> = Tour::book;
/// let all: NodeKey<Tour, Vec<u32>, ActionError> = Tour::nights;
/// let inner: NodeKey<Tour, u32, String> = all.at(2).node(Night::room);
/// assert_eq!((bare_step.path(), inner.path()), ("book", "nights[2]/room"));
/// # }
/// ```
pub struct NodeKey<S, O, E> {
    path: Cow<'static, str>,
    /// The node's other possible name: only its type tells whether a struct on a last line is a saga.
    or: Option<&'static str>,
    types: PhantomData<Types<S, O, E>>,
}

impl<S, O, E> NodeKey<S, O, E> {
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Self { path: Cow::Borrowed(name), or: None, types: PhantomData }
    }

    /// The key of a last line that has one of two names.
    #[doc(hidden)]
    pub const fn either(name: &'static str, or: &'static str) -> Self {
        Self { path: Cow::Borrowed(name), or: Some(or), types: PhantomData }
    }

    /// The node's path in the saga, as in its log.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A node of the subsaga that this node is: `BookTrip::hotel.node(BookHotel::room)`.
    pub fn node<T, P, F>(&self, inner: NodeKey<T, P, F>) -> NodeKey<S, P, F>
    where
        T: Saga<Output = O>,
    {
        // a subsaga has its own name, whatever the other one is
        let of = self.other().filter(|_| self.path.ends_with("output"));
        let of = of.as_deref().unwrap_or(&self.path);
        NodeKey { path: format!("{of}/{}", inner.path).into(), or: inner.or, types: PhantomData }
    }

    /// The path with the node's other name.
    pub(crate) fn other(&self) -> Option<String> {
        let or = self.or?;
        Some(match self.path.rsplit_once('/') {
            Some((holder, _)) => format!("{holder}/{or}"),
            None => or.to_string(),
        })
    }
}

impl<S, O, E> NodeKey<S, Vec<O>, E> {
    /// One instance of the `for` that this node is, from 0: `BookTrip::rooms.at(2)`.
    pub fn at(&self, instance: usize) -> NodeKey<S, O, E> {
        NodeKey { path: format!("{}[{instance}]", self.path).into(), or: None, types: PhantomData }
    }
}

impl<S, O, E> Clone for NodeKey<S, O, E> {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), or: self.or, types: PhantomData }
    }
}

impl<S, O, E> fmt::Debug for NodeKey<S, O, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeKey").field(&self.path).finish()
    }
}
