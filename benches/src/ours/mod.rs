//! The workloads, on saga-core.

pub mod durable;
pub mod in_memory;
pub mod sagas;
