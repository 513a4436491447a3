//! The forms of the undo, with and without context, by path, and with values.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use saga_core::action::UndoContract;
use saga_core::prelude::*;
use saga_core::typed::{ActionSpec, Step, StepKind};
use ui_tests::types::{Agency, Flight, Leg};

mod undo {
    use saga_core::{ActionContext, BoxError};
    use ui_tests::types::{Agency, Flight, Leg};

    pub(crate) async fn with(_: &ActionContext<Agency>, _: &Flight, _: u32, _: &Leg) -> Result<(), BoxError> {
        Ok(())
    }

    pub(crate) async fn without() -> Result<(), String> {
        Ok(())
    }
}

#[saga_action(undo = undo::with(output, seats, leg), undo_retry(base = "2s"))]
async fn output(_cx: &ActionContext<Agency>, leg: &Leg, seats: u32) -> Result<Flight, String> {
    let _ = (leg, seats);
    Ok(Flight { no: 1 })
}

#[saga_action(undo = crate::maybe(leg, output?))]
async fn maybe_output(leg: &Leg) -> Result<Flight, String> {
    let _ = leg;
    Ok(Flight { no: 1 })
}

async fn maybe(leg: &Leg, flight: Option<&Flight>) -> Result<(), String> {
    let _ = (leg, flight);
    Ok(())
}

#[saga_action(undo = undo::without(), undo_on_failure)]
async fn no_output(leg: &Leg) -> Result<Flight, String> {
    let _ = leg;
    Ok(Flight { no: 1 })
}

#[saga_action(undo = of_any_context(output, leg))]
async fn generic(_cx: &ActionContext<Agency>, leg: &Leg) -> Result<String, String> {
    Ok(leg.to.clone())
}

/// A `&String` is given for the `&str`, as in any call.
async fn of_any_context<C: Sync>(
    _cx: &ActionContext<C>,
    _city: &str,
    _leg: impl Into<Option<&Leg>> + Send,
) -> Result<(), String> {
    Ok(())
}

#[saga_action(undo = many(output, a, b, c, d, e, f, g))]
async fn with_many(
    _cx: &ActionContext<Agency>,
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
) -> Result<u8, String> {
    Ok(a + b + c + d + e + f + g)
}

#[allow(clippy::too_many_arguments)]
async fn many(
    _cx: &ActionContext<Agency>,
    _output: &u8,
    _a: u8,
    _b: u8,
    _c: u8,
    _d: u8,
    _e: u8,
    _f: u8,
    _g: u8,
) -> Result<(), String> {
    Ok(())
}

#[saga_action(no_undo = "only looks")]
async fn nothing(leg: &Leg) -> Result<Flight, String> {
    let _ = leg;
    Ok(Flight { no: 1 })
}

fn spec<A: Step<Agency>>(_: &A) -> ActionSpec {
    match A::kind() {
        StepKind::Action(spec) => spec,
        StepKind::Saga(_) | StepKind::Wait(_) => unreachable!(),
    }
}

fn main() {
    let leg = &Leg::default();
    let specs = [
        spec(&output { leg, seats: 1 }),
        spec(&maybe_output { leg }),
        spec(&no_output { leg }),
        spec(&generic { leg }),
        spec(&with_many { a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1 }),
        spec(&nothing { leg }),
    ];
    let kinds = specs.map(|spec| spec.policy.undo);
    use UndoContract::{InputsOnly, MaybeOutput, Output};
    assert_eq!(kinds, [Output, MaybeOutput, InputsOnly, Output, Output, UndoContract::None]);
    let on_failure = specs.map(|spec| spec.policy.undo_on_failure);
    assert_eq!(on_failure, [false, false, true, false, false, false]);
    let texts = specs.map(|spec| spec.undo);
    let expected = [
        "undo::with(output, seats, leg)",
        "crate::maybe(leg, output?)",
        "undo::without()",
        "of_any_context(output, leg)",
        "many(output, a, b, c, d, e, f, g)",
        "no_undo = \"only looks\"",
    ];
    assert_eq!(texts, expected);
    assert_eq!(specs[0].policy.undo_retry.max(), Some(10));
    assert!(specs[0].place.file().ends_with("undo.rs"));
}
