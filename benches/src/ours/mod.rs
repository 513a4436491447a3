//! The workloads, on saga-core.

pub mod durable;
pub mod in_memory;
pub mod parked;
pub mod sagas;
pub mod shaped;
