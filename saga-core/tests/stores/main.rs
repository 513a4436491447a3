//! The stores that come with the library: what every store must do, and what only one of them does.

mod barrier;
mod conformance;
mod faulty_stores;
mod file;
mod samples;
mod sqlite;
