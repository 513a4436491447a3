//! A model check, by [stateright](https://docs.rs/stateright), of what happens between the workers that run a saga, the store
//! that keeps its log, and the services that it calls: *claim, append, takeover, late delivery*, with two workers.
//!
//! What decides in production decides here: [`saga_core::machine::Machine`] about what a saga does next,
//! [`Append::apply_to`](saga_core::store::Append::apply_to) and the methods of [`SagaRecord`](saga_core::store::SagaRecord)
//! about who may write, and `LeaseTimes` about when a call may begin. What is between them is the model: the network, processes
//! that die and pause (a process that takes no step while others do is one that is paused), clocks, and receivers whose
//! [obligations](setup::Obligation) can be switched off one by one.
//!
//! Every order of events within a [budget](setup::Budget) of faults is visited. A state that breaks a rule is reported with
//! the shortest way to it, in words.

mod apply;
pub mod bounds;
pub mod check;
mod moves;
mod receiver;
pub mod setup;
mod state;
mod words;
mod worker;

pub use state::Broken;
