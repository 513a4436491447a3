//! `examples/workers` as a reader runs it: one of its workers is killed, and the others finish its trips.

use std::process::{Command, Output};

use crate::program::program;

fn run(args: &[&str]) -> Output {
    Command::new(program("workers")).args(args).output().unwrap()
}

/// What a run that went well printed.
fn said(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Each trip is in the table, booked or rolled back, and the world holds the bookings of those that are booked.
fn check(said: &str, trips: usize) {
    let line = |text: &str| said.lines().find(|line| line.contains(text)).unwrap_or_default();
    assert!(line("worker 1 is killed").contains("its lease ends within 3s"), "{said}");
    let after = said.split("all trips have ended").nth(1).unwrap_or_else(|| panic!("{said}"));
    let count = |status: &str| after.lines().filter(|line| line.contains(status)).count();
    let (booked, undone) = (count("  booked  "), count("  rolled back  "));
    assert_eq!(booked + undone, trips, "{said}");
    assert!(booked > 0 && undone > 0, "{said}");
    let left = line("left in world.db");
    for kind in ["flight", "hotel", "car", "payment"] {
        assert!(left.contains(&format!("{kind} {booked} ")), "{booked} trips are booked: {said}");
    }
}

#[test]
fn a_worker_is_killed_and_the_others_finish_its_trips() {
    let said = said(&["--workers", "2", "--trips", "24"]);
    assert!(said.starts_with("starting a PostgreSQL in a temporary directory"), "{said}");
    check(&said, 24);
}

#[test]
fn a_database_can_be_used_again() {
    let url = throwaway_postgres::new_database().unwrap();
    for workers in ["1", "3"] {
        let said = said(&["--url", &url, "--workers", workers, "--trips", "30"]);
        assert!(!said.contains("starting a PostgreSQL"), "{said}");
        check(&said, 30);
    }
}

#[test]
fn mistakes_on_the_command_line_are_named() {
    let help = said(&["--help"]);
    assert!(help.starts_with("usage: workers"), "{help}");
    for (args, says) in [
        (&["--workers", "many"][..], "--workers needs a number from 1 to 1000, not `many`"),
        (&["--url"], "--url needs a URL"),
        (&["--fast"], "unknown argument `--fast`"),
    ] {
        let output = run(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(says) && error.contains("usage: workers"), "{error}");
        assert_eq!(output.status.code(), Some(2), "{error}");
    }
    let output = run(&["--url", "postgres://user:s3cret@127.0.0.1:1/trips"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("check host and port") && !error.contains("s3cret"), "{error}");
    assert_eq!(output.status.code(), Some(1), "{error}");
}
