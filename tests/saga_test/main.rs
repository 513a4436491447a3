//! `SagaTest`: sagas that survive everything, and wrong ones, each with what it does not survive.

mod clean;
mod injected;
mod wrong;
