//! What operators can do to sagas, in the process that runs them and from another one.

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod facts;
mod other_process;
