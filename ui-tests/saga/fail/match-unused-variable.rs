//! The same in an arm.
#![allow(unused_imports)]
#![deny(unused_variables)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(kind: (u32, String)) {
        let _note = match kind {
            (0, name) => note { text: name },
            (n, name) => note { text: "other" },
        };
        poke {};
    }
}

fn main() {}
