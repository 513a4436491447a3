//! So does that of a set, in a list of several nodes too.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

use std::collections::{HashMap, HashSet};

saga! {
    S<Agency>(cities: Vec<String>) {
        let notes = for (i, city) in cities.iter().collect::<HashSet<_>>() {
            let first = note { text: city };
            note { text: &format!("{i}{first}") };
        };
        poke {};
    }
}

fn main() {}
