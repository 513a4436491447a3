//! What is proposed at the cursor.

use std::collections::BTreeSet;

use crate::typing;

/// These are among what is proposed in this statement, in which `$0` is the cursor.
fn proposes(statement: &str, expected: &[&str]) {
    typing(&statement.replace("$0", ""), |editor| {
        let proposed = editor.completions(statement)?;
        let missing = expected.iter().filter(|name| !has(&proposed, name)).collect::<Vec<_>>();
        assert!(missing.is_empty(), "`{statement}` does not propose {missing:?}: {proposed:?}");
        Ok(())
    });
}

/// Exactly these are proposed.
fn proposes_only(statement: &str, expected: &[&str]) {
    typing(&statement.replace("$0", ""), |editor| {
        let proposed = editor.completions(statement)?;
        let expected = expected.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(proposed, expected, "`{statement}`");
        Ok(())
    });
}

/// A label may go on: `rent_car {…}`.
fn has(proposed: &BTreeSet<String>, name: &str) -> bool {
    let is = |label: &String| {
        label.strip_prefix(name).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    proposed.iter().any(is)
}

#[test]
fn nodes_and_parameters_in_an_input() {
    proposes("rent_car { city: $0 };", &["trip", "flight", "hotel"]);
    proposes("rent_car { city: fl$0 };", &["flight"]);
}

#[test]
fn nodes_below_are_not_proposed() {
    typing("rent_car { city:  };", |editor| {
        let proposed = editor.completions("rent_car { city: $0 };")?;
        assert!(!has(&proposed, "total"), "{proposed:?}");
        Ok(())
    });
}

#[test]
fn nodes_in_a_computed_node() {
    proposes("let sum = { $0 };", &["flight", "hotel"]);
}

#[test]
fn nodes_in_the_list_of_a_for_and_in_a_condition() {
    proposes("let all = for c in fl$0 { rent_car { city: c, days: 1 } };", &["flight"]);
    proposes("let other = if ho$0 { rent_car { city: &trip.city, days: 1 } };", &["hotel"]);
}

#[test]
fn actions_where_a_step_starts() {
    proposes("let other = $0", &["book_flight", "book_hotel", "rent_car"]);
    proposes("let other = rent$0", &["rent_car"]);
    proposes("let other = rent$0;", &["rent_car"]);
}

#[test]
fn actions_of_a_bare_statement() {
    proposes("$0 // nothing yet", &["rent_car"]);
    proposes("rent$0;", &["rent_car"]);
}

#[test]
fn nodes_and_actions_on_the_last_line() {
    proposes(
        "let other = if flight.cents > 3 { let inner = { 1 }; inn$0 };",
        &["inner", "rent_car"],
    );
}

#[test]
fn actions_in_the_body_of_an_if() {
    proposes("let other = if flight.cents > 3 { rent$0 };", &["rent_car"]);
}

#[test]
fn inputs_of_an_action() {
    proposes_only("let other = book_hotel { $0 };", &["city", "nights"]);
    proposes_only("let other = book_hotel { ci$0 };", &["city", "nights"]);
}

#[test]
fn inputs_that_are_not_there_yet() {
    proposes_only("let other = book_hotel { city: &trip.city, $0 };", &["nights"]);
    proposes_only("let other = book_hotel { nights: trip.nights, ci$0 };", &["city"]);
}

#[test]
fn fields_of_an_output() {
    proposes("rent_car { city: &flight.$0 };", &["cents", "number"]);
    proposes("rent_car { city: &flight.nu$0 };", &["number"]);
    proposes("let sum = { flight.$0 };", &["cents", "number"]);
}

#[test]
fn fields_of_a_parameter() {
    proposes("let other = book_hotel { city: &trip.$0, nights: 2 };", &["city", "nights"]);
}
