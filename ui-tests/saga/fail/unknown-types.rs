//! Types that are misspelled: each is one error.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::actions::*;
use ui_tests::types::*;

saga! {
    Parameter<Agency>(trip: TripRequst) -> String { note { text: "a" } }
    Inside<Agency>(legs: Vec<Lleg>) -> String { note { text: "a" } }
    Output<Agency>(city: String) -> Hottel { note { text: city } }
    Context<Agenci>(city: String) -> String { note { text: city } }
}

fn main() {}
