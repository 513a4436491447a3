//! What several themes of tests share: small outside worlds, stores that fail, and processes that die.

#![allow(dead_code, reason = "each theme uses its part of it")]

pub(crate) mod breaking;
pub(crate) mod hooked;
pub(crate) mod lab;
pub(crate) mod process;
pub(crate) mod world;
