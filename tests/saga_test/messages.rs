//! What a test says when it fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use saga_core::prelude::*;
use saga_core::testing::{CallFault, Ended, SagaTest};

#[saga_action(no_undo)]
async fn order(cx: &ActionContext<bool>) -> Result<u32, String> {
    if **cx { Ok(1) } else { Err("the shop is closed".to_string()) }
}

saga! { Shop<bool>() -> u32 { order {} } }

fn test(open: bool) -> SagaTest<Shop> {
    SagaTest::new(move || open, Shop {})
}

async fn nothing(_: &Ended<Shop>) {}

async fn never_completes(ended: &Ended<Shop>) {
    assert!(!ended.completed(), "it has completed");
}

pub(crate) fn message<T>(failing: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(failing)).map(drop).unwrap_err();
    *panic.downcast::<String>().unwrap()
}

#[test]
fn a_single_run_says_what_is_wrong() {
    let said = message(|| test(true).check(never_completes));
    assert!(said.starts_with("Shop: it has completed (at tests/saga_test/messages.rs:"), "{said}");
    let said = message(|| test(true).fault("odrer", CallFault::Error).check(nothing));
    assert_eq!(said, "Shop: the action of `odrer` was not called, only those of `order` were");
    let said = message(|| test(true).crash_before(99).check(nothing));
    assert_eq!(said, "Shop: there was no append 99: the last one was 1");
}

#[test]
fn a_saga_that_never_completes_is_not_tested() {
    let said = message(|| test(false).check_all(nothing));
    assert!(said.contains("node `order`: action failed: the shop is closed"), "{said}");
    assert!(said.contains("say so with `SagaTest::rolls_back`"), "{said}");
    let report = test(false).rolls_back().check_all(nothing);
    assert!(report.runs() > 10, "{report}");
}
