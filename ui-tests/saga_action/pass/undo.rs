//! The forms of the undo, with and without context, by path, and with values.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use saga_core::prelude::*;
use saga_core::{ActionSpec, Step, UndoKind};
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

#[saga_action(undo = undo::without())]
async fn no_output(leg: &Leg) -> Result<Flight, String> {
    let _ = leg;
    Ok(Flight { no: 1 })
}

#[saga_action(no_undo = "only looks")]
async fn nothing(leg: &Leg) -> Result<Flight, String> {
    let _ = leg;
    Ok(Flight { no: 1 })
}

fn spec<A: Step<Agency>>(_: &A) -> ActionSpec {
    A::spec()
}

fn main() {
    let leg = &Leg::default();
    let specs = [
        spec(&output { leg, seats: 1 }),
        spec(&maybe_output { leg }),
        spec(&no_output { leg }),
        spec(&nothing { leg }),
    ];
    let kinds = specs.map(|spec| spec.policy.undo);
    use UndoKind::{MaybeOutput, NoOutput, Nothing, Output};
    assert_eq!(kinds, [Output, MaybeOutput, NoOutput, Nothing]);
    let texts = specs.map(|spec| spec.undo);
    let expected =
        ["undo::with(output, seats, leg)", "crate::maybe(leg, output?)", "undo::without()", "no_undo = \"only looks\""];
    assert_eq!(texts, expected);
    assert_eq!(specs[0].policy.undo_retry.max(), Some(10));
    assert!(specs[0].place.contains("undo.rs:"));
}
