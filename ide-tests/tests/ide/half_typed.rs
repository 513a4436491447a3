//! While one statement is half typed, the others are what they were.
//!
//! Braces are always closed here, as editors close them: where they are not, rust-analyzer expands no
//! macro.

use crate::editor::Editor;
use crate::typing;

/// As in the snapshots of `saga-macros`, which show what is made of them.
const HALF_TYPED: &[&str] = &[
    "let",
    "let other",
    "let other =",
    "let other = rent",
    "let other = rent;",
    "let other = rent_car { cit }",
    "let other = rent_car { cit };",
    "let other = rent_car { city: };",
    "let other = rent_car { city: &trip. };",
    "let other = rent_car { city: &trip.city, days: 1 }",
    "let other = { flight. };",
    "let other = if",
    "let other = if flight.cents",
    "let other = for x in",
    "rent",
    "rent_car { cit }",
];

fn each(test: impl Fn(&mut Editor) -> Result<(), String>) {
    for statement in HALF_TYPED {
        typing(statement, |editor| test(editor).map_err(|error| format!("`{statement}`: {error}")));
    }
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

#[test]
fn other_statements_are_completed() {
    let cursors =
        [("{ flight.ce$0nts", "number"), ("cents: *to$0tal", "hotel"), ("days: tr$0ip", "flight")];
    each(|editor| {
        for (at, expected) in cursors {
            let proposed = editor.completions(at)?;
            check(proposed.contains(expected), || {
                format!("`{at}` does not propose {expected}: {proposed:?}")
            })?;
        }
        Ok(())
    });
}

#[test]
fn definitions_are_found_from_other_statements() {
    let cursors = [
        ("{ flight.cents + ho$0tel", "trip.rs: let [hotel] = book_hotel {"),
        ("text = con$0firm {", "actions.rs: pub async fn [confirm]("),
        (
            "hotel, ce$0nts: *",
            "actions.rs: pub async fn confirm(flight: &Booking, hotel: &Booking, [cents]:",
        ),
    ];
    each(|editor| {
        for (at, expected) in cursors {
            let places = editor.definitions(at)?;
            check(places.iter().any(|place| place.starts_with(expected)), || {
                format!("`{at}` leads to {places:#?}")
            })?;
        }
        Ok(())
    });
}

#[test]
fn nodes_above_and_below_are_renamed() {
    each(|editor| {
        let lines = editor.rename("let fl$0ight", "plane")?;
        let below = lines.iter().any(|line| line.contains("confirm { plane, hotel"));
        check(below, || format!("renames {lines:#?}"))
    });
}
