//! A node gets another name, at its `let` and wherever it is read. Not there: names inside format
//! strings, and `flight` for `flight: plane`, which rust-analyzer writes in no macro.

use crate::typing;

/// The lines that hold `flight` after it was renamed.
const RENAMED: &[&str] = &[
    "let plane = book_flight { city: &trip.city };",
    "let total = { plane.cents + hotel.cents };",
    "let car = rent_car { city: &plane.number, days: trip.nights };",
    "let text = confirm { plane, hotel, cents: *total };",
    "{ format!(\"{text} {}\", plane.number) }",
];

fn renames(statement: &str, at: &str, to: &str, expected: &[&str]) {
    typing(statement, |editor| {
        assert_eq!(editor.rename(at, to)?, expected, "`{at}`");
        Ok(())
    });
}

#[test]
fn at_its_let() {
    renames("", "let fl$0ight", "plane", RENAMED);
}

#[test]
fn where_it_is_read() {
    renames("", "{ fl$0ight.cents", "plane", RENAMED);
}

#[test]
fn where_it_is_read_as_shorthand() {
    renames("", "confirm { fl$0ight", "plane", RENAMED);
}

#[test]
fn in_after() {
    let expected =
        ["let auto = rent_car { city: &flight.number, days: trip.nights };", "#[after(auto)]"];
    renames("", "let c$0ar", "auto", &expected);
}

#[test]
fn in_a_body() {
    let statement = "let all = for n in 0..2 { rent_car { city: &hotel.number, days: n } };";
    let expected = [
        "let inn = book_hotel { city: &trip.city, nights: trip.nights };",
        "let all = for n in 0..2 { rent_car { city: &inn.number, days: n } };",
        "let total = { flight.cents + inn.cents };",
        "let text = confirm { flight, inn, cents: *total };",
    ];
    renames(statement, "let ho$0tel", "inn", &expected);
}
