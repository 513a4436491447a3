//! A simulated world around the machine: plans, receivers, crashes, time; and what must hold in it.

mod asking;
pub(crate) mod bench;
mod book;
mod effects;
pub(crate) mod expand;
pub(crate) mod explore;
pub(crate) mod laws;
mod left;
pub(crate) mod operators;
pub(crate) mod plans;
pub(crate) mod run;
pub(crate) mod tape;
pub(crate) mod world;
