//! Attributes beside `#[saga_action]`, before and after it.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use saga_core::prelude::*;

/// Called by sagas only: whoever calls it by hand is warned, and not what the macro writes.
#[deprecated = "use the new one"]
#[saga_action(undo = undo_old(output), in_doubt = certain)]
async fn old(n: u32) -> Result<u32, String> {
    Ok(n)
}

async fn undo_old(output: &u32) -> Result<(), String> {
    let _ = output;
    Ok(())
}

fn certain(error: &str) -> bool {
    error.is_empty()
}

#[saga_action(no_undo)]
#[must_use]
#[inline]
#[doc(hidden)]
#[doc = "Documented."]
#[allow(clippy::unused_async, unused_variables)]
async fn many(n: u32, unused: &str) -> Result<u32, String> {
    let other = 1;
    Ok(n)
}

#[saga_action(no_undo)]
#[cfg_attr(all(), allow(non_snake_case))]
async fn Loud(nNumber: u32) -> Result<u32, String> {
    Ok(nNumber)
}

#[expect(unused_variables)]
#[saga_action(no_undo)]
async fn expected(n: u32) -> Result<(), String> {
    Ok(())
}

saga! {
    #[allow(deprecated)]
    All<()>(n: u32) -> u32 {
        let a = old { n: *n };
        let b = many { n: *a, unused: "" };
        Loud { nNumber: *b };
        expected { n: 1 };
        #[allow(non_snake_case)]
        let C = old { n: *b };
        #[expect(non_snake_case)]
        let D = old { n: *b };
        { *C + *D }
    }
}

fn main() {
    assert!(saga_core::dag::Dag::of::<All>().is_ok_and(|dag| dag.len() == 7));
}
