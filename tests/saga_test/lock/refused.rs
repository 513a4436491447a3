//! What is no lock file, and what is no list of sagas.

use super::*;
use crate::lock::trips::*;

#[test]
fn a_damaged_file_is_refused_with_the_line() {
    let file = locked::<first::Trip>("damaged");
    let text = fs::read_to_string(&file).unwrap();
    let is_in = |line: &str, part: &str| line.contains(part) && !line.starts_with('#');
    let line = |part: &str| 1 + text.lines().position(|line| is_in(line, part)).unwrap();
    for (from, to, at, why) in [
        (
            "kind = \"for\"",
            "kind = \"while\"",
            "kind = \"for\"",
            "there is no kind of node `while`",
        ),
        (
            "action = \"pay\"",
            "action = \"play\"",
            "[[saga]]",
            "version 1 of saga `Trip` is not what its fingerprint says",
        ),
        (
            "undo = \"no_undo\"",
            "undo = \"maybe\"",
            "undo = \"no_undo\"",
            "`undo` is no undo contract",
        ),
        ("node = \"quote\"", "node = \"quote", "node = \"quote\"", "expected `,`, and found `p`"),
        (
            "node = \"seats[..]/number\"",
            "node = \"seat[..]/number\"",
            "seats[..]/number",
            "node `seat[..]/number` is in no node before it",
        ),
        ("version = 1", "version = one", "version = 1", "expected a value, and found `one`"),
        ("version = 1", "", "[[saga]]", "this saga lacks its name, its version or its fingerprint"),
        ("version = 1", "colour = \"red\"", "version = 1", "a saga has no `colour`"),
        ("\n[[saga]]", "\n[[sagas]]", "[[saga]]", "expected a line `[[saga]]`"),
        ("\n]\n", "\n", "[[saga]]", "the nodes of saga `Trip` have no end"),
        ("output = \"paid\"", "=======", "output = \"paid\"", "it has marks of a merge conflict"),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        // it is not overwritten either
        for bless in [None, Some("1"), Some("replace")] {
            let lock = SagaLock::at(&file).saga::<first::Trip>().blessed(bless);
            let said = lock.check().unwrap_err();
            let expected = format!("sagas.lock cannot be read, line {}: {why}", line(at));
            assert!(said.contains(&expected), "{from} to {to}: {said}");
        }
    }
    fs::write(&file, format!("{text}{text}")).unwrap();
    let twice = said(SagaLock::at(&file).saga::<first::Trip>());
    assert!(
        twice.ends_with("it has version 1 of saga `Trip` twice; delete one of them"),
        "{twice}"
    );
    fs::write(&file, [0xff, 0xfe]).unwrap();
    let binary = said(SagaLock::at(&file).saga::<first::Trip>());
    assert!(binary.contains("sagas.lock cannot be read: "), "{binary}");
}

#[test]
fn two_sagas_of_one_name_are_refused() {
    let file = locked::<first::Trip>("two-of-a-name");
    let lock = SagaLock::at(&file).saga::<first::Trip>().saga::<new_nodes::Trip>();
    assert_eq!(
        shown(&said(lock)).split(" at ").next(),
        Some("two sagas are called `Trip`, the one")
    );
    let lock = SagaLock::at(&file).saga::<first::Trip>().old_saga::<new_nodes::Trip>();
    let refused = said(lock);
    assert!(
        refused.starts_with("two different sagas are version 1 of `Trip`, the one at "),
        "{refused}"
    );
    assert!(refused.ends_with("Set `#[version = 2]` on the newer one"), "{refused}");
    // the same one twice is one
    let lock = SagaLock::at(&file).saga::<first::Trip>().saga::<first::Trip>();
    lock.old_saga::<first::Trip>().blessed(None).assert();
}

#[test]
fn a_wish_that_nobody_knows_is_refused() {
    let lock = SagaLock::at(file("wish")).saga::<first::Trip>().blessed(Some("yes"));
    let refused = lock.check().unwrap_err();
    assert_eq!(refused, "`SAGA_BLESS` must be `1` or `replace`, and is `yes`");
}
