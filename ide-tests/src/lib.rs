//! What the tests have open in rust-analyzer: the actions and types of a travel agency, and the saga that
//! is edited.

pub mod actions;
pub mod trip;
