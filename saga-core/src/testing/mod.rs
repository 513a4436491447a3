//! For tests of programs that use this crate: feature `testing`.
//!
//! [`store_conformance`] checks a store of your own; [`store`](crate::store) shows how to write one.

mod store;

pub use store::{ConformanceError, store_conformance};
