//! Each example of a single topic runs and prints what it promises.

use std::process::Command;

use crate::program::program;

/// The lines that an example prints.
fn said(example: &str) -> Vec<String> {
    let scratch = tempfile::tempdir().unwrap();
    let output = Command::new(program(example)).env("TMPDIR", scratch.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_string).collect()
}

#[test]
fn barrier_lets_nothing_happen_twice_or_too_late() {
    let said = said("barrier");
    let count = |what: &str| said.iter().filter(|line| line.starts_with(what)).count();
    assert_eq!(said[0], "the deposit arrives: Ok(500); its answer is lost");
    assert!(said.contains(&"ada has 10500 cents".to_string()), "{said:#?}");
    assert_eq!((count("the withdrawal arrives"), count("the late deposit ")), (1, 2), "{said:#?}");
    assert_eq!(said.last().map(String::as_str), Some("bob has 0 cents"), "{said:#?}");
}

#[test]
fn encrypted_loses_exactly_what_the_missing_key_encrypted() {
    let said = said("encrypted");
    let expected = [
        "saga treat-ada: the payload codec does not have the key \"spring\"; add that key to it",
        "treat-bob: completed, readable",
    ];
    assert_eq!(said[3..], expected, "{said:#?}");
}
