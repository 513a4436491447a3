//! The order of a map differs from process to process.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

use std::collections::{HashMap, HashSet};

saga! {
    S<Agency>(cities: HashMap<String, u32>) -> Vec<String> {
        for city in cities { note { text: &format!("{city:?}") } }
    }
}

fn main() {}
