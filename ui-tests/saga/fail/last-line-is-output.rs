//! The last line is the node `output`, which is there already.

use saga_core::prelude::*;
use ui_tests::actions::*;

saga! {
    Twice<()>(n: u32) -> u32 {
        let output = add { a: *n, b: 1 };
        if *n > 1 { add { a: *n, b: 2 } } else { add { a: *output, b: 3 } }
    }
}

fn main() {}
