//! The rows of `docs/from-go.md`: what the reference library has, and what it gets wrong.

mod acceptance;
mod actions;
#[path = "../common/mod.rs"]
mod common;
mod dags;
mod errors;
mod executor;
mod kit;
mod logs;
mod snapshots;
