//! A parameter cannot be written to the log.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

pub struct Ticket;

saga! {
    S<Agency>(_ticket: Ticket) {
        poke {};
    }
}

fn main() {}
