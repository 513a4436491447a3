//! A coordinator in one process: starting, waiting, limits, time, shutdown, and what it retains.

mod basics;
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod from_actions;
mod lifecycle;
mod limits;
mod outcome;
mod races;
mod retention;
