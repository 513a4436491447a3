//! A simulated world around the machine: plans, receivers, crashes, time; and what must hold in it.
#![allow(dead_code, unreachable_pub, reason = "each test target uses its part of it")]

pub mod bench;
pub mod expand;
pub mod laws;
pub mod operators;
pub mod plans;
pub mod run;
pub mod tape;
pub mod world;
