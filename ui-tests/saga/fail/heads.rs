//! First lines that cannot be read: each is one error.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::actions::*;
use ui_tests::types::*;

saga! {
    Generic<Agency, T>(item: T) -> String { note { text: "a" } }
    Bounded<T: Clone>(item: T) -> String { note { text: "a" } }
    Borrowing<'a, Agency>(item: &'a str) -> String { note { text: item } }
    WithWhere<Agency>(item: T) -> String where T: Clone { note { text: "a" } }
    NoParameters<Agency> -> String { note { text: "a" } }
    InBraces<Agency> { city: String } -> String { note { text: city } }
    NoBraces<Agency>(city: String) -> String note { text: city }
    Default<Agency>(city: String, nights: u32 = 2) -> String { note { text: city } }
    Mutable<Agency>(mut city: String) -> String { note { text: city } }
    Pattern<Agency>(Leg { from, to }: Leg) -> String { note { text: from } }
    Untyped<Agency>(city) -> String { note { text: city } }
    Method<Agency>(&self, city: String) -> String { note { text: city } }
    Keyword<Agency>(type: String) -> String { note { text: "a" } }
    NoComma<Agency>(city: String nights: u32) -> String { note { text: city } }
    Twice<Agency>(city: String, city: String) -> String { note { text: city } }
    NoType<Agency>(city: String) -> { note { text: city } }
    pub struct Structure<Agency> { city: String } -> String { note { text: city } }
    fn Function<Agency>(city: String) -> String { note { text: city } }
}

fn main() {}
