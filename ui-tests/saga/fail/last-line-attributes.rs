//! The last line is there in any case, and an expression or a name is no node that has settings.

use saga_core::prelude::*;
use ui_tests::actions::*;

saga! {
    Step<()>(n: u32) -> u32 {
        let a = add { a: *n, b: 1 };
        #[cfg(any())]
        add { a: *a, b: 2 }
    }

    Construct<()>(n: u32) -> u32 {
        #[cfg(any())]
        #[label = "fits"]
        if *n > 1 { add { a: *n, b: 1 } } else { #[retry(max = 2)] add { a: 1, b: 1 } }
    }

    Expression<()>(n: u32) -> u32 {
        let a = add { a: *n, b: 1 };
        #[label = "the sum"]
        { *a }
    }

    Name<()>(n: u32) -> u32 {
        let a = add { a: *n, b: 1 };
        #[retry(max = 3)]
        a
    }
}

fn main() {}
