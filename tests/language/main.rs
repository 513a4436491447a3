//! The meaning of sagas: the constructs and attributes of `saga!`, and their hand-written equivalents.

mod action_context;
mod choose;
#[path = "../common/mod.rs"]
mod common;
mod constructs;
mod for_each;
mod inputs;
mod instance_create;
mod instance_start;
mod many_nodes;
mod nested_bodies;
mod node_attributes;
mod other_crates;
mod subsaga_parameters;
mod subsagas;
mod tries;
mod whole_language;
