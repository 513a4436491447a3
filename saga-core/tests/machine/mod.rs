//! A simulated world around the machine: plans, receivers, crashes, time; and what must hold in it.
#![allow(dead_code, unreachable_pub, reason = "each test target uses its part of it")]

mod asking;
pub mod bench;
mod book;
mod effects;
pub mod expand;
pub mod explore;
pub mod laws;
mod left;
pub mod operators;
pub mod plans;
pub mod run;
pub mod tape;
pub mod world;
