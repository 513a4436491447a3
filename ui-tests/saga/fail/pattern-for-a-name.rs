//! A pattern instead of a name.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>() -> String {
        let (a, b) = add { a: 1, b: 2 };
        let mut c = add { a: 1, b: 2 };
        note { text: &c.to_string() }
    }
}

fn main() {}
