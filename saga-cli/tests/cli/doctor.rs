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
            false => assert!(has(&found, "workers", "ok"), "{found:?}"),
        }
        let text = place.saga("doctor").expect(8);
        assert!(text.contains("1 saga stuck; see `saga ls --needs-human`"), "{text}");
        worker.stop();
        let found = levels(place, "doctor --json --idle 0s", 8);
        assert!(has(&found, "versions", "problem"), "the worker has given its saga up: {found:?}");
        assert!(has(&found, "workers", "problem"), "{found:?}");
    });
}

#[test]
fn who_runs_the_sagas_is_seen_from_outside() {
    for place in Place::all().iter().filter(|place| !place.is_shared()) {
        let shop = Arc::new(Shop::default());
        let worker = place.worker(&shop);
        worker.order("wait-1", "wait");
        assert!(place.saga("why wait-1").ok().contains("has been running for"));
        worker.stop();
        let why = place.saga("why wait-1").ok();
        assert!(why.starts_with("no worker is running"), "{why}");
        let needs = place.saga("ls --needs-human").ok();
        assert!(needs.contains("owner_not_current") && needs.contains("no worker is running"));
        let dry = place.saga("pause wait-1 --dry-run").ok();
        assert!(dry.starts_with("note: no worker is running; "), "{dry}");
        assert!(dry.contains("a request waits until one runs the saga"), "{dry}");
        place.saga("pause wait-1 --wait 0s").expect(5);
        let dry = place.saga("pause wait-1 --dry-run").ok();
        assert!(dry.contains("note: another request waits already: pause by alice"), "{dry}");

        // a worker that does not know the saga
        let worker = place.worker(&Arc::new(Shop { no_orders: true, ..Shop::default() }));
        let unknown = "is not known to the worker that has the store";
        let why = place.saga("why wait-1").ok();
        assert!(why.starts_with("no worker runs it: version 1 of `Order` ("), "{why}");
        assert!(why.contains(unknown), "{why}");
        let needs = place.saga("ls --needs-human --json").json(0);
        assert_eq!(needs["sagas"][0]["reason"], "unknown_version", "{needs}");
        let found = levels(place, "doctor --json", 8);
        assert!(has(&found, "workers", "ok") && has(&found, "versions", "problem"), "{found:?}");
        let dry = place.saga("cancel wait-1 --reason no --dry-run").ok();
        assert!(dry.contains(unknown), "{dry}");
        worker.stop();
    }
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
