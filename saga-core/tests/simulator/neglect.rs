//! What services are obliged to do is necessary: without each of their obligations, some run breaks a law.

use crate::run::{Case, run};
use crate::world::Obligations;

/// How many seeds are tried: the rarest of them is found after some hundreds.
const SEEDS: u64 = 4000;

/// The laws that are broken first where services are like this.
fn broken(obligations: Obligations) -> Option<&'static str> {
    (1..=SEEDS).find_map(|seed| {
        let ran = run(&Case { obligations, ..Case::of_seed(seed) }, false);
        ran.broken.map(|broken| broken.law)
    })
}

#[test]
fn a_repeated_call_must_not_have_a_second_effect() {
    let careless = Obligations { one_effect_per_key: false, ..Obligations::default() };
    assert_eq!(broken(careless), Some("I3"));
}

#[test]
fn a_repeated_call_must_get_the_same_answer() {
    let careless = Obligations { same_answer: false, ..Obligations::default() };
    assert_eq!(broken(careless), Some("I7"));
}

#[test]
fn a_refusal_must_be_repeated_too() {
    let careless = Obligations { same_refusal: false, ..Obligations::default() };
    let law = broken(careless);
    // the effect that is there after all is found at the end, or when earlier nodes are undone before it
    assert!(matches!(law, Some("I3" | "I5")), "{law:?}");
}

#[test]
fn a_repeated_undo_must_change_nothing() {
    let careless = Obligations { idempotent_undo: false, ..Obligations::default() };
    let law = broken(careless);
    // the effect is found missing while later undos run, or at the end
    assert!(matches!(law, Some("I3" | "I5")), "{law:?}");
}

#[test]
fn an_undo_that_finds_nothing_must_block_its_key() {
    let careless = Obligations { block_after_undo: false, ..Obligations::default() };
    assert_eq!(broken(careless), Some("I3"));
}
