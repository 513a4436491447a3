//! A pattern that does not fit every item.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(names: Vec<Option<String>>) {
        let _notes = for Some(name) in names { note { text: name } };
        poke {};
    }
}

fn main() {}
