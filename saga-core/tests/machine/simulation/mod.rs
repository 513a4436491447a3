//! A simulated world around the machine: plans, receivers, crashes and time, and the laws that every run
//! obeys.

pub(crate) mod bench;
mod effects;
mod eligible;
pub(crate) mod expand;
pub(crate) mod explore;
pub(crate) mod law;
pub(crate) mod laws;
mod log_view;
mod mailbox;
pub(crate) mod migrating;
pub(crate) mod operators;
pub(crate) mod plans;
mod probing;
mod remaining;
mod requests;
mod retold;
pub(crate) mod run;
mod scopes;
pub(crate) mod setups;
pub(crate) mod tape;
mod transactions;
pub(crate) mod versions;
pub(crate) mod world;
