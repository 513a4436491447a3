//! What the compiler says to the users of the macros. See README.md.

#[test]
fn saga_action() {
    let cases = trybuild::TestCases::new();
    cases.pass("saga_action/pass/*.rs");
    cases.compile_fail("saga_action/fail/*.rs");
}

#[test]
fn saga_event() {
    let cases = trybuild::TestCases::new();
    cases.pass("saga_event/pass/*.rs");
    cases.compile_fail("saga_event/fail/*.rs");
}

#[test]
fn saga() {
    let cases = trybuild::TestCases::new();
    cases.pass("saga/pass/*.rs");
    cases.compile_fail("saga/fail/*.rs");
}

#[test]
fn executor() {
    trybuild::TestCases::new().compile_fail("executor/fail/*.rs");
}

#[test]
fn migration() {
    let cases = trybuild::TestCases::new();
    cases.pass("migration/pass/*.rs");
    cases.compile_fail("migration/fail/*.rs");
}
