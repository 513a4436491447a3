//! Nodes and parameters are shared: nothing can be moved out of them.

use saga_core::prelude::*;
use ui_tests::actions::*;

saga! {
    Moved<()>(names: Vec<String>, last: Option<String>) -> u32 {
        let matched = match *last { Some(text) => note { text: &text }, None => note { text: "" } };
        let each = for name in *names { note { text: &name } };
        let some = if let Some(text) = *last { note { text: &text } };
        add { a: 1, b: 2 }
    }
}

fn main() {}
