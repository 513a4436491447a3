//! Constants and computed nodes that borrow.

use saga_core::prelude::*;
use ui_tests::actions::*;

saga! {
    Constant<()>() -> String {
        const REGION: &str = "eu";
        note { text: REGION }
    }

    Typed<()>(name: String) -> String {
        let first: &String = { name };
        note { text: first }
    }

    Literal<()>(name: String) -> String {
        let text = { "text" };
        let kind = if name.is_empty() { { "empty" } } else { { name.len() } };
        note { text }
    }

    Computed<()>(name: String) -> String {
        let kind = { if name.is_empty() { "empty" } else { "full" } };
        note { text: kind }
    }
}

fn main() {}
