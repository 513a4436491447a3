//! The stores of the library: what every store must do, what only one of them does, and the barrier.

mod barrier;
mod child;
mod conformance;
mod faulty_stores;
mod file;
mod planted;
#[cfg(feature = "postgres")]
mod postgres;
mod samples;
mod sqlite;
