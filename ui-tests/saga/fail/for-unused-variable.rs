//! A variable that no node of the body reads.
#![allow(unused_imports)]
#![deny(unused_variables)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(names: Vec<(u32, String)>) {
        let _notes = for (i, name) in names { note { text: name } };
        poke {};
    }
}

fn main() {}
