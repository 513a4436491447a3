//! A small mutation fuzzer: whatever a store holds or a user passes in, nothing panics and nothing hangs.
//!
//! It runs on the stable toolchain and knows no coverage. What stands in for it is the *outcome* of an
//! input, which each target says in words: an input with an outcome that was not seen before is mutated
//! further. Inputs that once broke something stay in `corpus/<target>/`, and are replayed by the tests.

mod mutate;
mod rng;
mod run;
mod seeds;
mod targets;

pub use mutate::Mutator;
pub use rng::Rng;
pub use run::{Watch, corpus, name_of, run_one};
pub use seeds::seeds;
pub use targets::{TARGETS, Target};
