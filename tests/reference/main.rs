//! The rows of `docs/from-go.md`: what the reference library offers, and its known mistakes.

mod acceptance;
mod actions;
#[path = "../common/mod.rs"]
mod common;
mod dags;
mod errors;
mod executor;
mod journal;
mod logs;
mod snapshots;
