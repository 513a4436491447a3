//! A small mutation fuzzer. It checks that nothing panics or hangs, whatever a store contains and whatever a user
//! passes in.
//!
//! It runs on the stable toolchain, without coverage information. Instead, each target describes the *outcome* of
//! an input as text, and an input with a new outcome is mutated further. Inputs that once caused a failure stay in
//! `corpus/<target>/` and are replayed by the tests.

mod mutate;
mod rng;
mod run;
mod seeds;
mod targets;

pub use mutate::Mutator;
pub use rng::Rng;
pub use run::{CurrentInput, corpus, name_of, run_one};
pub use seeds::seeds;
pub use targets::{TARGETS, Target};
