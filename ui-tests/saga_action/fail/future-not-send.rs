//! Something that is not `Send` is held across an await.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
async fn book(leg: &Leg) -> Result<usize, String> {
    let leg = std::rc::Rc::new(leg.clone());
    std::future::ready(()).await;
    Ok(leg.to.len())
}

fn main() {}
