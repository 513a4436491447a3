//! Retries, timeouts, names.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use std::time::Duration;

use saga_core::prelude::*;
use saga_core::typed::{ActionSpec, Step, StepKind};
use saga_core::Retry;
use ui_tests::types::PaymentError;

mod retry {
    use ui_tests::types::PaymentError;

    pub(crate) fn transient(error: &PaymentError) -> bool {
        matches!(error, PaymentError::Lost)
    }
}

#[saga_action(
    no_undo,
    retry(max = 5, base = "100ms", cap = "10s", factor = 1.5, jitter = 0, when = retry::transient),
    timeout = "1m",
    in_doubt = PaymentError::is_ambiguous,
    name = "charge card",
    rev = 3,
    label = "Charge"
)]
async fn charge(cents: u64) -> Result<u64, PaymentError> {
    Ok(cents)
}

async fn un() -> Result<(), String> {
    Ok(())
}

#[saga_action(undo = un(), retry(forever, cap = "2h"), undo_retry(max = 2), undo_timeout = "1s",)]
async fn forward() -> Result<(), String> {
    Ok(())
}

#[saga_action(no_undo)]
async fn r#match() -> Result<(), String> {
    Ok(())
}

fn spec<A: Step<()>>() -> ActionSpec {
    match A::kind() {
        StepKind::Action(spec) => spec,
        StepKind::Saga(_) | StepKind::Wait(_) => unreachable!(),
    }
}

fn main() {
    let charge = spec::<charge>();
    let (millis, secs) = (Duration::from_millis, Duration::from_secs);
    let retry = Retry::up_to(5).base(millis(100)).cap(secs(10)).factor(1.5).jitter(0.0);
    assert_eq!(charge.policy.retry, retry);
    assert_eq!((charge.timeout, charge.undo_timeout), (Some(secs(60)), None));
    assert_eq!((charge.name, charge.rev, charge.label), ("charge card", 3, Some("Charge")));

    let forward = spec::<forward>();
    assert_eq!(forward.policy.retry, Retry::forever().cap(secs(7200)));
    assert_eq!(forward.policy.undo_retry, Retry::up_to(2));
    assert_eq!((forward.timeout, forward.undo_timeout), (None, Some(secs(1))));
    assert_eq!((forward.name, forward.rev, forward.label), ("forward", 0, None));

    assert_eq!(spec::<r#match>().name, "match");
}
