//! Helpers for tests of programs that use this crate, with the feature `testing`.
//!
//! [`store_conformance`] is the conformance suite for stores; [`store`](crate::store) shows how to write one.

mod conformance;

pub use conformance::{ConformanceError, store_conformance};
