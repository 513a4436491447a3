use saga_core::prelude::*;
use ui_tests::actions::add;

saga! {
    S<()>(a: u32, b: u32) -> u32 {
        let sum = add { a, b: *b };
        { *sum }
    }
}

fn main() {}
