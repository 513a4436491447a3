//! Requests to many sagas at once, and purging.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::place::{Place, everywhere};
use crate::shop::Shop;

#[test]
fn a_batch_reports_every_saga() {
    everywhere(|place| {
        let shop = Arc::new(Shop::default());
        let worker = place.worker(&shop);
        for n in 0..6 {
            worker.order(&format!("stuck-{n}"), "sold out");
        }
        worker.order("done-1", "ok");
        shop.refunds.store(true, SeqCst);
        let dry = place.saga("retry --state stuck --dry-run").ok();
        assert_eq!(dry.matches("retry of stuck-").count(), 6, "{dry}");
        let ran = place.saga("retry --state stuck --limit 4 --yes");
        assert!(ran.err.contains("more than 4 sagas meet the conditions"), "{}", ran.err);
        let out = ran.ok();
        assert!(out.ends_with("retry: 4 of 4 carried out\n"), "{out}");
        for n in 0..4 {
            worker.until(&format!("stuck-{n}"), "undo_finished payment");
        }
        // some of them have ended meanwhile
        let out = place.saga("retry done-1 stuck-3 stuck-4 none stuck-5 --yes").expect(6);
        for line in [
            "done-1: nothing to do, it is already there",
            "stuck-3: nothing to do, it is already there",
            "stuck-4: retry is in its log and takes effect",
            "none: retry failed: there is no saga none",
            "stuck-5: retry is in its log and takes effect",
            "retry: 4 of 5 carried out, 1 not",
        ] {
            assert!(out.contains(line), "{line}: {out}");
        }
        assert_eq!(
            place.saga("retry --state stuck --idle 1h").ok(),
            "no saga meets the conditions\n"
        );
        let json = place.saga("rollback --state rolled_back --reason again --yes --json").json(0);
        let outcomes =
            json["results"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap());
        assert!(outcomes.clone().all(|outcome| outcome == "nothing_to_do"), "{json}");
        assert_eq!(outcomes.count(), 6);
    });
}

#[test]
fn a_purge_leaves_sagas_with_a_request_that_waits_for_a_worker() {
    everywhere(|place| {
        let shop = Arc::new(Shop::default());
        let worker = place.worker(&shop);
        for id in ["done", "asked"] {
            worker.order(id, "ok");
            worker.until(id, "ended");
        }
        drop(worker);
        let rollback = ["rollback", "asked", "--reason", "wrong customer", "--yes", "--wait", "0s"];
        place.saga_with(&rollback).expect(5);
        let purge = "purge --ended-before 0s --yes";
        let said = place.saga(purge).ok();
        assert_eq!(said, "removed 1 saga\n1 saga stays: a request to it has no answer yet\n");
        assert_eq!(place.saga(&format!("{purge} --json")).json(0)["asked"], 1);
        let worker = place.worker(&shop);
        worker.until("asked", "requested");
    });
}

#[test]
fn a_batch_that_is_cut_off_says_so_and_an_id_given_twice_is_asked_once() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    for n in 0..3 {
        worker.order(&format!("w-{n}"), "wait");
    }
    for (arguments, list, more) in [
        ("pause --state running --limit 2 --dry-run --json", "predictions", true),
        ("pause --state running --limit 3 --dry-run --json", "predictions", false),
        ("pause --state running --limit 2 --yes --json", "results", true),
    ] {
        let json = place.saga(arguments).json(0);
        assert_eq!(json["more"], more, "{json}");
        assert_eq!(json[list].as_array().unwrap().len(), if more { 2 } else { 3 });
    }
    let json = place.saga("resume w-0 w-0 --yes --json").json(0);
    assert_eq!(json["results"].as_array().unwrap().len(), 1, "{json}");
}

#[test]
fn a_blank_name_or_note_is_refused() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.order("w", "wait");
    let by = ["pause", "w", "--by", " "];
    let cancel = ["cancel", "w", "--reason", "", "--yes"];
    let forged = ["pause", "w", "--by", "x\nrequested: cancel by root"];
    for (arguments, why) in [
        (&by[..], "the name of the operator is empty"),
        (&cancel, "the note or reason is empty"),
        (&forged, "the name of the operator has control characters"),
    ] {
        let said = place.saga_with(arguments).expect(2);
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(place.saga("audit w --json").json(0), serde_json::json!([]));
}

#[test]
fn a_purge_removes_what_ended_long_ago() {
    everywhere(|place| {
        let worker = place.worker(&Arc::new(Shop::default()));
        for n in 0..3 {
            worker.order(&format!("done-{n}"), "ok");
        }
        worker.order("stuck-1", "sold out");
        worker.order("wait-1", "wait");
        let ids = |place: &Place| {
            let list = place.saga("ls --json").json(0);
            let sagas = list["sagas"].as_array().unwrap().iter();
            sagas.map(|saga| saga["id"].as_str().unwrap().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(place.saga("purge --ended-before 1h --yes").ok(), "no saga ended so long ago\n");
        let dry = place.saga("purge --ended-before 0s --dry-run").ok();
        assert!(dry.starts_with("3 sagas would be removed") && dry.contains("dry run"), "{dry}");
        let said = place.saga("purge --ended-before 0s").fails(7);
        assert!(said.contains("Remove 3 sagas with their logs?"), "{said}");
        let purge = "purge --ended-before 0s --limit 2 --yes";
        if place.is_shared() {
            assert_eq!(place.saga(purge).ok(), "removed 2 sagas\n");
        } else {
            let said = place.saga(purge).fails(1);
            assert!(
                said.contains("in use by another worker") && said.contains("Coordinator::purge"),
                "{said}"
            );
            assert_eq!(ids(place).len(), 5);
        }
        worker.stop();
        if !place.is_shared() {
            assert_eq!(place.saga(purge).ok(), "removed 2 sagas\n");
        }
        assert_eq!(place.saga("purge --ended-before 0s --yes --json").json(0)["sagas"], 1);
        assert_eq!(ids(place), ["stuck-1", "wait-1"]);
        assert_eq!(place.saga("purge --ended-before 0s --stuck --yes").ok(), "removed 1 saga\n");
        assert_eq!(ids(place), ["wait-1"]);
        // the store is as good as before
        let worker = place.worker(&Arc::new(Shop::default()));
        worker.order("done-9", "ok");
    });
}
