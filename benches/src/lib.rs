//! How fast saga-core is: workloads on which it is measured, alone and beside other libraries.
//!
//! | program | what it measures |
//! |---|---|
//! | `profile` | one workload of ours, for a profiler |

pub mod booking;
pub mod measure;
pub mod ours;

/// The error of a measurement.
pub type Any = Box<dyn std::error::Error + Send + Sync>;
