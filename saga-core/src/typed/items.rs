//! The lists that a `for` can run over, and types that are compared without a value.

use std::collections::{
    BTreeMap, BTreeSet, LinkedList, VecDeque, btree_map, btree_set, linked_list, vec_deque,
};
use std::marker::PhantomData;
use std::ops::{Range, RangeFrom, RangeInclusive};
use std::{array, iter, option, slice, str, vec};

use super::source::gone;
use super::{ItemRef, Scope};

/// A list that a `for` can run over, because its order is the same in every process. That holds for slices,
/// arrays, `Vec`, `VecDeque`, ranges, `BTreeMap` and `BTreeSet`, and for the standard library's iterators over
/// them, such as `guests.iter().enumerate()`. Implement it for types of your own.
///
/// ```
/// # use saga_core::typed::Items;
/// assert_eq!(["a", "b"].as_slice().in_order().nth(1), Some(&"b"));
/// assert_eq!((1..=3).rev().in_order().collect::<Vec<_>>(), [3, 2, 1]);
/// ```
///
/// A `HashMap` or `HashSet` is not such a list:
///
/// ```compile_fail,E0277
/// # use saga_core::typed::Items;
/// fn run_over(items: impl Items) {}
/// run_over(std::collections::HashMap::<u8, u8>::new().keys());
/// ```
#[diagnostic::on_unimplemented(
    message = "a saga cannot run `for` over `{Self}`",
    label = "not a list with an order of its own",
    note = "a `for` runs over slices, arrays, `Vec`, `VecDeque`, ranges, `BTreeMap`, `BTreeSet` and iterators over them",
    note = "the order of the items must be the same in every process, which that of a `HashMap` or `HashSet` is not: collect into a `Vec` and sort it, or take a `BTreeMap` or `BTreeSet`"
)]
pub trait Items {
    /// The type of the items.
    type Item;
    /// Returns all items: the same items in the same order each time.
    fn in_order(self) -> impl Iterator<Item = Self::Item>;
}

macro_rules! lists {
    ($([$($generics:tt)*] $list:ty;)*) => {$(
        // The message lists them already, so rustc need not.
        #[diagnostic::do_not_recommend]
        impl<$($generics)*> Items for $list
        where
            $list: IntoIterator,
        {
            type Item = <$list as IntoIterator>::Item;
            fn in_order(self) -> impl Iterator<Item = Self::Item> {
                self.into_iter()
            }
        }
    )*};
}

lists! {
    ['a, T] &'a [T];
    ['a, T, const N: usize] &'a [T; N];
    ['a, T] &'a Vec<T>;
    ['a, T] &'a Box<[T]>;
    ['a, T] &'a VecDeque<T>;
    ['a, T] &'a LinkedList<T>;
    ['a, K, V] &'a BTreeMap<K, V>;
    ['a, T] &'a BTreeSet<T>;
    [T, const N: usize] [T; N];
    [T] Vec<T>;
    [T] Box<[T]>;
    [T] VecDeque<T>;
    [T] LinkedList<T>;
    [K, V] BTreeMap<K, V>;
    [T] BTreeSet<T>;
    [T] Range<T>;
    [T] RangeInclusive<T>;
}

// Iterators over ordered collections, and their adapters.
lists! {
    ['a, T] slice::Iter<'a, T>;
    ['a, T] slice::Chunks<'a, T>;
    ['a, T] slice::ChunksExact<'a, T>;
    ['a, T] slice::RChunks<'a, T>;
    ['a, T] slice::Windows<'a, T>;
    ['a, T, F: FnMut(&T) -> bool] slice::Split<'a, T, F>;
    ['a, T, F] slice::ChunkBy<'a, T, F>;
    [T] vec::IntoIter<T>;
    [T, const N: usize] array::IntoIter<T, N>;
    ['a, T] vec_deque::Iter<'a, T>;
    [T] vec_deque::IntoIter<T>;
    ['a, T] linked_list::Iter<'a, T>;
    [T] linked_list::IntoIter<T>;
    ['a, K, V] btree_map::Iter<'a, K, V>;
    ['a, K, V] btree_map::Keys<'a, K, V>;
    ['a, K, V] btree_map::Values<'a, K, V>;
    ['a, K, V] btree_map::Range<'a, K, V>;
    [K, V] btree_map::IntoIter<K, V>;
    [K, V] btree_map::IntoKeys<K, V>;
    [K, V] btree_map::IntoValues<K, V>;
    ['a, T] btree_set::Iter<'a, T>;
    ['a, T] btree_set::Range<'a, T>;
    ['a, T] btree_set::Union<'a, T>;
    ['a, T] btree_set::Intersection<'a, T>;
    ['a, T] btree_set::Difference<'a, T>;
    ['a, T] btree_set::SymmetricDifference<'a, T>;
    [T] btree_set::IntoIter<T>;
    ['a, T] option::Iter<'a, T>;
    [T] option::IntoIter<T>;
    ['a] str::Chars<'a>;
    ['a] str::CharIndices<'a>;
    ['a] str::Bytes<'a>;
    ['a] str::Lines<'a>;
    ['a] str::SplitWhitespace<'a>;
    ['a] str::SplitAsciiWhitespace<'a>;
    [T] iter::Empty<T>;
    [T] iter::Once<T>;
    [T] iter::RepeatN<T>;
    [I: Items] iter::Enumerate<I>;
    [I: Items] iter::Rev<I>;
    [I: Items] iter::Cloned<I>;
    [I: Items] iter::Copied<I>;
    [I: Items] iter::Take<I>;
    [I: Items] iter::Skip<I>;
    [I: Items] iter::StepBy<I>;
    [I: Items] iter::Fuse<I>;
    [I: Items + Iterator] iter::Peekable<I>;
    [I: Items, F] iter::Map<I, F>;
    [I: Items, F] iter::Filter<I, F>;
    [I: Items, F] iter::FilterMap<I, F>;
    [I: Items, F] iter::TakeWhile<I, F>;
    [I: Items, F] iter::SkipWhile<I, F>;
    [I: Items, F] iter::MapWhile<I, F>;
    [I: Items, F] iter::Inspect<I, F>;
    [I: Items, S, F] iter::Scan<I, S, F>;
    [I: Items, J: Items] iter::Chain<I, J>;
    [I: Items, J: Items] iter::Zip<I, J>;
    [I: Items, T] iter::Zip<I, RangeFrom<T>>;
    [T, J: Items] iter::Zip<RangeFrom<T>, J>;
    [I: Items + Iterator<Item: IntoIterator<IntoIter: Items>>] iter::Flatten<I>;
    [I: Items, U: IntoIterator<IntoIter: Items>, F] iter::FlatMap<I, U, F>;
}

// The trait `Pattern` is not stable, so it cannot be used as a bound.
macro_rules! splits {
    ($($split:ident)*) => {
        lists! { $(
            ['a] str::$split<'a, char>;
            ['a, 'b] str::$split<'a, &'b str>;
            ['a, 'b] str::$split<'a, &'b String>;
            ['a, const N: usize] str::$split<'a, [char; N]>;
            ['a, F: FnMut(char) -> bool] str::$split<'a, F>;
        )* }
    };
}

splits! { Split SplitN SplitTerminator SplitInclusive }

/// The list of a `for`: counted, or reduced to the item of one instance.
#[doc(hidden)]
pub struct Listed<T> {
    count: usize,
    index: usize,
    item: Option<T>,
}

impl<T> Listed<T> {
    /// The number of items.
    pub fn count(self) -> usize {
        self.count
    }

    /// The item of the instance.
    pub fn item(self) -> T {
        self.item.unwrap_or_else(|| gone(self.index))
    }

    /// An empty iterator over the type of the items.
    pub fn none(&self) -> std::iter::Empty<T> {
        std::iter::empty()
    }
}

impl<C: Send + Sync + 'static> Scope<C> {
    /// The list of a `for`, to count its items or to get the item of an instance. This is one method, so that
    /// rustc reports once what is wrong with the list.
    #[doc(hidden)]
    pub fn list<I: Items>(&self, items: I, of: Option<ItemRef<()>>) -> Listed<I::Item> {
        match of {
            None => Listed { count: items.in_order().count(), index: 0, item: None },
            Some(item) => {
                let index = item.index(self);
                Listed { count: 0, index, item: items.in_order().nth(index) }
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

    /// A value of the type, for code that is compiled and never runs.
    pub fn like(self) -> T {
        std::panic::resume_unwind(Box::new("only types are compared here".to_string()))
    }
}
