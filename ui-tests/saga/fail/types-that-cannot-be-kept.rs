//! Parameters and outputs whose text shows that the log cannot hold them: each is one error.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::actions::*;
use ui_tests::types::*;

saga! {
    Text<Agency>(city: str) -> String { note { text: city } }
    Slice<Agency>(legs: [Leg]) -> String { note { text: "a" } }
    Static<Agency>(city: &'static str) -> String { note { text: city } }
    Inside<Agency>(city: Option<&'static str>) -> String { note { text: "a" } }
    Hidden<Agency>(city: impl Into<String>) -> String { note { text: "a" } }
    Either<Agency>(city: std::borrow::Cow<str>) -> String { note { text: city } }
    Borrowed<Agency>(city: String) -> &str { note { text: city } }
    HiddenOutput<Agency>(city: String) -> impl Clone { note { text: city } }
}

fn main() {}
