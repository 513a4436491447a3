//! What is undone and what is not: after failures, cancellations and crashes, before and after the point of
//! no return.

#[path = "../common/mod.rs"]
mod common;
mod concurrent_failures;
mod fresh_keys;
mod pivot;
mod probes;
mod provision;
mod transactions;
mod undo_counterexamples;
