//! A method.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

impl Agent {
    #[saga_action(no_undo)]
    async fn book(&self, leg: &Leg) -> Result<u32, String> {
        let _ = leg;
        Ok(1)
    }
}

struct Agent;

fn main() {}
