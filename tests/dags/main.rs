//! DAGs that are built at run time: what they may hold, what they look like, and how they run.

#[path = "../common/mod.rs"]
mod common;
mod dynamic_bodies;
mod graphs;
mod pivot;
mod random_bodies;
mod scale;
mod subsagas;
