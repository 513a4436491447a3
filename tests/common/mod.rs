//! What several themes share: small worlds for actions to act on, stores that fail, and processes that
//! die.

#![allow(dead_code, reason = "each theme uses its part of it")]

pub(crate) mod damaged_entries;
pub(crate) mod dice;
pub(crate) mod failing_store;
pub(crate) mod lab;
pub(crate) mod leases;
pub(crate) mod process;
pub(crate) mod scripted_store;
pub(crate) mod world;
