//! A saga that only goes forward has a node that may give up.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    #[retry(forever)]
    Inner<Agency>(city: String) {
        rent_car { city };
    }

    Other<Agency>(city: String) {
        rent_car { city };
    }

    Outer<Agency>(city: String) {
        #[pivot]
        note { text: city };
        Other { city: city.clone() };
        Inner { city: city.clone() };
    }
}

fn main() {}
