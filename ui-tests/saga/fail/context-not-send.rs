//! The context of a saga may not move to another thread: one error, at the context.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::actions::*;
use ui_tests::types::*;

pub struct Local(std::rc::Rc<u32>);

pub trait Bank {}

saga! {
    Plain<Local>(city: String) -> String {
        let first = note { text: city };
        note { text: first }
    }
    Boxed<Box<dyn Bank>>(city: String) -> String { note { text: city } }
}

fn main() {}
