//! The doctor.

use std::sync::Arc;

use crate::place::{Place, Ran, everywhere, program};
use crate::shop::Shop;

fn levels(place: &Place, doctor: &str, code: i32) -> Vec<(String, String)> {
    let found = place.saga(doctor).json(code);
    assert_eq!(found["healthy"], code == 0);
    let findings = found["findings"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_string();
    findings.map(|one| (text(&one["check"]), text(&one["level"]))).collect()
}

fn has(levels: &[(String, String)], check: &str, level: &str) -> bool {
    levels.contains(&(check.to_string(), level.to_string()))
}

#[test]
fn the_doctor_finds_what_is_wrong() {
    everywhere(|place| {
        let worker = place.worker(&Arc::new(Shop::default()));
        worker.order("done-1", "ok");
        worker.order("wait-1", "wait");
        // how much room there is, is up to the machine
        place.saga("doctor --min-free 0").ok();
        if !place.is_shared() {
            let full = place.saga("doctor --min-free 999999999999").expect(8);
            assert!(full.contains("MiB are free for the store; make room"), "{full}");
        }
        worker.order("stuck-1", "sold out");
        worker.payout("parked-1");
        let found = levels(place, "doctor --json", 8);
        assert!(has(&found, "store", "ok") && has(&found, "sagas", "ok"), "{found:?}");
        assert!(has(&found, "stuck", "problem") && has(&found, "parked", "problem"), "{found:?}");
        assert!(has(&found, "progress", "ok") && has(&found, "versions", "ok"), "{found:?}");
        match place.is_shared() {
            true => assert!(has(&found, "worker", "ok"), "{found:?}"),
            false => assert!(has(&found, "workers", "unknown"), "{found:?}"),
        }
        let text = place.saga("doctor").expect(8);
        assert!(text.contains("1 saga stuck; see `saga ls --needs-human`"), "{text}");
        worker.stop();
        let found = levels(place, "doctor --json --idle 0s", 8);
        assert!(has(&found, "versions", "problem"), "the worker has given its saga up: {found:?}");
        if place.is_shared() {
            assert!(has(&found, "workers", "problem"), "{found:?}");
        }
    });
}

#[test]
fn the_doctor_says_that_a_store_does_not_open() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args([
        "doctor",
        "--store",
        &format!("sqlite:{}", directory.path().join("none").display()),
    ]);
    let text = Ran::of(command).expect(8);
    assert!(text.contains("PROBLEM") && text.contains("the file does not exist"), "{text}");
}
