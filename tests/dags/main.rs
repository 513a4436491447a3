//! DAGs built at run time: what they may contain, how they are drawn, and how they run.

#[path = "../common/mod.rs"]
mod common;
mod dynamic_bodies;
mod graphs;
mod pictures;
mod pivot;
mod random_bodies;
mod scale;
mod subsagas;
