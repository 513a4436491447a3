//! What a `for` runs over, and types that are compared without a value.

use std::marker::PhantomData;

use super::source::gone;
use super::{Item, Scope};

/// A list that a `for` can run over: its order is the same in every process.
///
/// ```
/// # use saga_core::Items;
/// assert_eq!(["a", "b"].as_slice().count(), 2);
/// assert_eq!(vec!["a", "b"].nth(1), Some("b"));
/// ```
///
/// A map or a set is none:
///
/// ```compile_fail,E0277
/// # use saga_core::Items;
/// fn run_over(items: impl Items) {}
/// run_over(&std::collections::HashMap::<u8, u8>::new());
/// ```
#[diagnostic::on_unimplemented(
    message = "a saga cannot run `for` over `{Self}`",
    label = "not a slice, an array or a `Vec`",
    note = "the order of the items must be the same in every process, which that of a map or set is not; collect into a `Vec`, and sort what comes from a map or set"
)]
pub trait Items {
    /// One of them.
    type Item;
    /// How many there are.
    fn count(&self) -> usize;
    /// The one at this place, from 0.
    fn nth(self, index: usize) -> Option<Self::Item>;
}

impl<'a, T> Items for &'a [T] {
    type Item = &'a T;
    fn count(&self) -> usize {
        self.len()
    }
    fn nth(self, index: usize) -> Option<&'a T> {
        self.get(index)
    }
}

impl<'a, T> Items for &'a Vec<T> {
    type Item = &'a T;
    fn count(&self) -> usize {
        self.len()
    }
    fn nth(self, index: usize) -> Option<&'a T> {
        self.get(index)
    }
}

impl<'a, T, const N: usize> Items for &'a [T; N] {
    type Item = &'a T;
    fn count(&self) -> usize {
        N
    }
    fn nth(self, index: usize) -> Option<&'a T> {
        self.get(index)
    }
}

impl<T> Items for Vec<T> {
    type Item = T;
    fn count(&self) -> usize {
        self.len()
    }
    fn nth(self, index: usize) -> Option<T> {
        self.into_iter().nth(index)
    }
}

impl<T, const N: usize> Items for [T; N] {
    type Item = T;
    fn count(&self) -> usize {
        N
    }
    fn nth(self, index: usize) -> Option<T> {
        self.into_iter().nth(index)
    }
}

/// What a `for` needs of its list.
#[doc(hidden)]
pub struct Listed<T> {
    count: usize,
    index: usize,
    item: Option<T>,
}

impl<T> Listed<T> {
    /// How many items there are.
    pub fn count(self) -> usize {
        self.count
    }

    /// That of the instance.
    pub fn item(self) -> T {
        self.item.unwrap_or_else(|| gone(self.index))
    }

    /// Nothing, of the items' type.
    pub fn none(&self) -> std::iter::Empty<T> {
        std::iter::empty()
    }
}

impl<C: Send + Sync + 'static> Scope<C> {
    /// The list of a `for`: for its width, or for the item of an instance. One method for both, so that
    /// rustc says once what is wrong with the list.
    #[doc(hidden)]
    pub fn list<I: Items>(&self, items: I, of: Option<Item<()>>) -> Listed<I::Item> {
        let count = items.count();
        match of {
            None => Listed { count, index: 0, item: None },
            Some(item) => {
                let index = item.index(self);
                Listed { count, index, item: items.nth(index) }
            }
        }
    }
}

/// A type without a value.
#[doc(hidden)]
pub struct Like<T>(PhantomData<fn() -> T>);

impl<T> Clone for Like<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Like<T> {}

impl<T> Like<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }

    /// For code that is compiled and never runs.
    pub fn like(self) -> T {
        std::panic::resume_unwind(Box::new("only types are compared here".to_string()))
    }
}
