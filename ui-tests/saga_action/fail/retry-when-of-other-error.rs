//! The predicate takes another error.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo, retry(max = 3, when = PaymentError::is_ambiguous))]
async fn book(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

fn main() {}
