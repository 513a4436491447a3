//! `saga signal`, and how the commands that read speak of sagas that wait, and of those that undo a part of themselves.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::place::{Place, Ran, everywhere};
use crate::redact::redacted;
use crate::shop::Shop;

const ADA: &str = r#"{"by":"Ada"}"#;

fn signal(place: &Place, id: &str, more: &[&str]) -> Ran {
    place.saga_with(&[&["signal", id, "Approved", "--payload", ADA], more].concat())
}

#[test]
fn an_event_reaches_a_saga_that_waits_for_it() {
    everywhere(|place| {
        let worker = place.worker(&Arc::new(Shop::default()));
        worker.article("a");
        let why = place.saga("why a").ok();
        assert!(
            why.starts_with("`approved` has waited 0 s for event `Approved`, and waits until "),
            "{why}"
        );
        assert_eq!(place.saga("why a --json").json(0)["waits_for"], "event");

        let dry = signal(place, "a", &["--event-id", "e-1", "--dry-run"]).ok();
        insta::assert_snapshot!("dry_run_of_signal", redacted(&dry));
        assert!(place.saga("audit a").ok().contains("nobody has asked"));

        let said = signal(place, "a", &["--event-id", "e-1"]).ok();
        assert_eq!(said, "a: the event is in its log\n");
        worker.until("a", "ended");
        let again = signal(place, "a", &["--event-id", "e-1", "--json"]).json(0);
        assert_eq!(again["results"][0]["outcome"], "duplicate");
        let again = signal(place, "a", &["--event-id", "e-1"]).ok();
        assert_eq!(again, "a: nothing to do, it has this event already\n");
        let late = signal(place, "a", &["--event-id", "e-2"]).expect(4);
        assert_eq!(late, "a: signal is refused: the saga has already ended: completed\n");
        let log = place.saga("log a").ok();
        assert!(log.contains("requested: signal `Approved` by alice, id e-1\n"), "{log}");
        assert!(!log.contains("Ada"), "{log}");
        let audit = place.saga("audit a --json").json(0);
        assert_eq!(audit[0]["note"], "id e-1");
        assert_eq!(audit[0]["event"]["name"], "Approved");

        // what nobody waits for, and what is no approval
        worker.article("b");
        let other = place.saga_with(&["signal", "b", "Paid"]).expect(4);
        assert!(
            other.contains("the saga has no wait (left) that could take an event `Paid`"),
            "{other}"
        );
        let other = signal(place, "b", &["--rev", "2"]).expect(4);
        assert!(other.contains("`Approved` (rev 2)"), "{other}");
        let wrong = place.saga_with(&["signal", "b", "Approved", "--payload", "7"]).expect(4);
        assert!(wrong.contains("b: signal is refused: "), "{wrong}");
        let long = "x".repeat(300);
        let long = signal(place, "b", &["--event-id", &long]).expect(2);
        assert!(
            long.contains("the id of the event has 300 bytes, and at most 256 are kept"),
            "{long}"
        );
        // one without an id is a new one each time; the second finds no wait
        signal(place, "b", &[]).ok();
        signal(place, "b", &[]).expect(4);
        signal(place, "none", &[]).expect(3);
    });
}

#[test]
fn a_saga_that_rolls_back_takes_no_event() {
    let place = Place::sqlite();
    let shop = Arc::new(Shop::default());
    let worker = place.worker(&shop);
    worker.article("a");
    place.saga("pause a").ok();
    place.saga("cancel a --reason no --yes").ok();
    let late = signal(&place, "a", &[]).expect(4);
    assert_eq!(late, "a: signal is refused: the saga rolls back, and waits for nothing any more\n");
}

#[test]
fn an_event_waits_in_the_store_for_a_worker() {
    everywhere(|place| {
        let shop = Arc::new(Shop::default());
        let worker = place.worker(&shop);
        worker.article("a");
        worker.stop();
        let said = signal(place, "a", &["--event-id", "e-1", "--wait", "0s"]).expect(5);
        assert!(said.contains("signal is in the store, and no worker has answered yet"), "{said}");
        assert!(place.saga("audit a").ok().contains("waits for a worker"));
        let worker = place.worker(&shop);
        worker.until("a", "ended");
        assert_eq!(place.saga("audit a --json").json(0)[0]["outcome"], "done");
    });
}

#[test]
fn what_waits_is_spoken_of_in_words() {
    everywhere(|place| {
        let worker = place.worker(&Arc::new(Shop::default()));
        worker.article("a");
        worker.order("w", "wait");
        let text = ["show a", "log a", "graph a"]
            .map(|command| format!("$ saga {command}\n{}", redacted(&place.saga(command).ok())));
        insta::assert_snapshot!(
            if place.is_shared() { "waits_shared" } else { "waits" },
            text.join("\n")
        );
        // whether a worker keeps it in memory, it decides
        let list = place.saga("ls --state waiting,running --saga Article").ok();
        assert!(list.contains("Article"), "{list}");
        let waiting = place.saga("ls --state waiting").ok();
        assert!(!waiting.contains("Order"), "{waiting}");
        assert!(place.saga("why a").ok().contains("for event `Approved`"));
        assert_eq!(
            place.saga("ls --needs-human --idle 0s --saga Article").ok(),
            "no saga needs a human\n"
        );
        let doctor = place.saga("doctor --min-free 0 --idle 1h --json").json(0);
        assert_eq!(doctor["healthy"], true, "{doctor}");
        signal(place, "a", &["--event-id", "e-1"]).ok();
        worker.until("a", "ended");
    });
}

#[test]
fn a_part_that_is_undone_is_spoken_of_in_words() {
    let place = Place::sqlite();
    let shop = Arc::new(Shop::default());
    let worker = place.worker(&shop);
    worker.gift("stuck");
    shop.refunds.store(true, SeqCst);
    worker.gift("done");
    let commands = ["why stuck", "show stuck", "why done", "show done", "log done", "graph done"];
    let text = commands
        .map(|command| format!("$ saga {command}\n{}", redacted(&place.saga(command).ok())));
    insta::assert_snapshot!("tries", text.join("\n"));
}
