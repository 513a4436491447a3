//! A simulated world around the machine: plans, receivers, crashes and time, and the laws that every run
//! obeys.

pub(crate) mod bench;
mod effects;
pub(crate) mod expand;
pub(crate) mod explore;
pub(crate) mod laws;
mod log_view;
pub(crate) mod operators;
pub(crate) mod plans;
mod remaining;
mod requests;
pub(crate) mod run;
pub(crate) mod tape;
pub(crate) mod world;
