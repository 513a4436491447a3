//! How fast saga-core is: workloads on which it is measured, alone and beside other libraries.
//!
//! | program | what it measures |
//! |---|---|
//! | `bench-peers` | all workloads, on saga-core, on other libraries and without any; many sagas and many nodes |
//! | `bench-postgres` | sagas on PostgreSQL, with one or more workers, beside dbos and the least that a store there must do |
//! | `bench-waiting` | a million sagas that wait in SQLite, and thousands that are due at one moment |
//! | `profile` | one workload of saga-core, for a profiler; allocations and heap, for `bench-peers` |

pub mod bars;
pub mod booking;
pub mod closed_loop;
pub mod durable;
pub mod engine;
pub mod gate;
pub mod measure;
pub mod ours;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod results;
pub mod scale;
pub mod svg;
pub mod workload;

/// The error of a measurement.
pub type Any = Box<dyn std::error::Error + Send + Sync>;
