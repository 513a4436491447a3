//! The trip example as a reader runs it.

use std::path::Path;
use std::process::Command;

use super::{EFFECTS, check_world, effects, open, statuses, table, trip};
use crate::program::program;

#[test]
fn prints_the_table_and_the_same_one_again() {
    let state = tempfile::tempdir().unwrap();
    let first = trip(state.path()).output().unwrap();
    assert!(first.status.success(), "{first:?}");
    let printed = table(&first);
    check_world(state.path(), &printed);

    let why = [
        "quote failed: we don't travel to Atlantis",
        "flight failed: flight to Oslo is sold out",
        "hotel failed: hotel in Paris is full",
        "car failed: no car in Venice",
        "payment failed: card declined",
        "payment failed: connection reset",
        "issue_itinerary failed: itinerary service is down",
    ];
    for why in why {
        assert!(printed.contains(why), "{why} is missing:\n{printed}");
    }
    let booked = statuses(&printed).values().filter(|status| *status == "booked").count();
    assert!(printed.contains(&format!("left in world.db: flight {booked} (")), "{printed}");

    let world = effects(&state.path().join("world.db"));
    let again = trip(state.path()).output().unwrap();
    assert!(again.status.success(), "{again:?}");
    assert_eq!(table(&again), printed);
    assert_eq!(effects(&state.path().join("world.db")), world, "the second run called the world");
}

/// The kinds of the log's entries about a node.
fn entries(state: &Path, saga: &str, node: &str) -> Vec<String> {
    let log = open(&state.join("sagas.db"));
    let sql = "SELECT kind FROM saga_event JOIN saga USING (number) WHERE id = ?1 AND node = ?2 ORDER BY seq";
    let mut kinds = log.prepare(sql).unwrap();
    let kinds = kinds.query_map([saga, node], |row| row.get(0)).unwrap();
    kinds.map(Result::unwrap).collect()
}

#[test]
fn resumes_after_a_crash_at_each_effect() {
    let undisturbed = tempfile::tempdir().unwrap();
    let expected = table(&trip(undisturbed.path()).output().unwrap());
    for node in EFFECTS {
        let state = tempfile::tempdir().unwrap();
        let crashed = trip(state.path()).args(["--crash-at", node]).output().unwrap();
        assert_eq!(crashed.status.code(), None, "{node}: {crashed:?}");
        let said = String::from_utf8(crashed.stderr).unwrap();
        let last_words = format!("crashing now, after the effect of `{node}` on trip-");
        assert!(said.starts_with(&last_words), "{node}: {said}");
        let world = effects(&state.path().join("world.db"));
        let id = said.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap();
        let there = world.iter().any(|effect| effect.kind == node && effect.trip == id);
        assert!(there, "{node} of {id}: {world:?}");
        assert_eq!(entries(state.path(), id, node), ["started"], "{node} of {id}");

        let resumed = trip(state.path()).output().unwrap();
        assert!(resumed.status.success(), "{node}: {resumed:?}");
        let said = String::from_utf8_lossy(&resumed.stdout);
        assert!(said.contains("\nresumed: trip-"), "{node}: {said}");
        assert_eq!(table(&resumed), expected, "{node}");
        check_world(state.path(), &expected);

        let nothing_left = trip(state.path()).args(["--crash-at", node]).output().unwrap();
        assert_eq!(nothing_left.status.code(), Some(1), "{node}: {nothing_left:?}");
        let error = String::from_utf8_lossy(&nothing_left.stderr);
        assert!(error.contains(&format!("no crash, since no new `{node}` was booked")), "{error}");
        assert_eq!(table(&nothing_left), expected, "{node}");
    }
}

/// The lines of the README's block that begins like this.
fn shown(begin: &str) -> Vec<&'static str> {
    let readme = include_str!("../../../README.md");
    let blocks = readme.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.filter(|block| block.starts_with(begin)).collect::<Vec<_>>();
    assert_eq!(block.len(), 1, "{begin}");
    block[0].lines().filter(|line| *line != "...").collect()
}

#[test]
fn the_readme_shows_what_is_printed() {
    let state = tempfile::tempdir().unwrap();
    let crashed = trip(state.path()).args(["--crash-at", "payment"]).output().unwrap();
    let resumed = trip(state.path()).output().unwrap();
    let printed = [crashed.stderr, resumed.stdout].concat();
    let printed = String::from_utf8(printed).unwrap();
    for line in shown("request") {
        assert!(printed.lines().any(|printed| printed == line), "{line}\n\n{printed}");
    }
    assert!(printed.contains("crashing now, after the effect of `payment` on trip-"), "{printed}");
}

#[test]
fn a_charge_whose_answers_are_all_lost_is_refunded() {
    let state = tempfile::tempdir().unwrap();
    trip(state.path()).output().unwrap();
    let world = effects(&state.path().join("world.db"));
    let payment =
        |trip: &str| world.iter().find(|e| e.trip == trip && e.kind == "payment").unwrap();
    assert_eq!((payment("trip-10").state.as_str(), payment("trip-10").calls), ("cancelled", 3));
    assert_eq!((payment("trip-09").state.as_str(), payment("trip-09").calls), ("booked", 2));
}

#[test]
fn the_dynamic_saga_prints_the_same_table() {
    let state = tempfile::tempdir().unwrap();
    let written = trip(state.path()).output().unwrap();
    // its world is a temporary directory that it keeps
    let dynamic =
        Command::new(program("trip_dynamic")).env("TMPDIR", state.path()).output().unwrap();
    assert!(dynamic.status.success(), "{dynamic:?}");
    assert_eq!(table(&dynamic), table(&written));
}

#[test]
fn another_input_under_the_same_ids_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let input = state.path().join("one.json");
    let one = r#"[{"flight": {"from": "Berlin", "to": "Rome"}, "city": "Rome", "nights": 9,
                   "card": {"number": "4242"}, "deliver_by": "app"}]"#;
    std::fs::write(&input, one).unwrap();
    assert!(trip(state.path()).output().unwrap().status.success());
    let other = trip(state.path()).arg("--input").arg(&input).output().unwrap();
    assert_eq!(other.status.code(), Some(1));
    let error = String::from_utf8(other.stderr).unwrap();
    assert!(error.contains("id conflict: saga trip-01 exists"), "{error}");
}

#[test]
fn wrong_arguments_are_explained() {
    let cases: [(&[&str], &str); 5] = [
        (&["--bad"], "unknown argument `--bad`"),
        (
            &["--crash-at", "quote"],
            "no node `quote` has an effect; there are flight, hotel, car, payment",
        ),
        (&["--state"], "--state needs a directory"),
        (&["--input="], "--input needs a file"),
        (&["--input", "a", "--input", "b"], "--input is given twice"),
    ];
    for (args, why) in cases {
        let output = Command::new(program("trip")).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(&format!("error: {why}\n")), "{args:?}: {error}");
    }
}
