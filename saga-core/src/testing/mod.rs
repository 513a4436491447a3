//! For tests of programs that use this crate: feature `testing`.
//!
//! [`store_conformance`] checks a store of your own; [`store`](crate::store) shows how to write one.

mod conformance;

pub use conformance::{ConformanceError, store_conformance};
