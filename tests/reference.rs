//! The rows of `docs/from-go.md`: what the reference library has, and what it gets wrong.

#[path = "reference/actions.rs"]
mod actions;
#[path = "reference/dags.rs"]
mod dags;
#[path = "reference/errors.rs"]
mod errors;
#[path = "reference/executor.rs"]
mod executor;
#[path = "reference/kit.rs"]
mod kit;
#[path = "reference/logs.rs"]
mod logs;
#[path = "reference/snapshots.rs"]
mod snapshots;
