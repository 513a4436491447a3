//! An event with every argument, one with derives of its own, and one without fields.

use saga_core::prelude::*;
use saga_core::typed::ExternalEvent;
use serde::{Deserialize, Serialize};

#[saga_event(name = "wire-transfer", rev = 2, crate = saga_core)]
#[derive(Debug, Clone, PartialEq)]
pub struct Wire {
    /// In cents.
    pub cents: u64,
}

#[saga_event]
#[derive(Serialize, Deserialize)]
struct Approved {
    #[serde(default)]
    by: String,
}

#[saga_event]
struct Done {}

fn main() {
    assert_eq!((Wire::NAME, Wire::REV, Approved::NAME, Approved::REV), ("wire-transfer", 2, "Approved", 0));
    let approved = Approved { by: String::new() };
    let _ = (approved.by, Done {});
}
