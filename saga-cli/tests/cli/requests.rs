//! The commands that ask something of sagas, with a worker that answers and without one.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::place::{Place, everywhere};
use crate::redact::redacted;
use crate::shop::Shop;

fn state(place: &Place, id: &str) -> String {
    place.saga(&format!("show {id} --json")).json(0)["state"].as_str().unwrap().to_string()
}

#[test]
fn a_worker_carries_requests_out() {
    everywhere(|place| {
        let shop = Arc::new(Shop::default());
        let worker = place.worker(&shop);

        worker.order("x", "wait");
        assert_eq!(place.saga("pause x").ok(), "x: pause is in its log and takes effect\n");
        assert_eq!(state(place, "x"), "paused");
        assert!(place.saga("why x").ok().starts_with("paused by alice "));
        shop.paid.notify_one();
        worker.until("x", "succeeded payment");
        place.saga("step x").ok();
        worker.until("x", "succeeded parcel");
        worker.order("again", "wait");
        place.saga("pause again").ok();
        place.saga("resume again").ok();
        worker.until("again", "resumed");
        worker.until("x", "ended");
        let refused = place.saga("pause x").expect(4);
        assert_eq!(refused, "x: pause is refused: the saga has already ended: completed\n");

        // the bank does not refund
        assert!(
            place
                .saga_with(&["rollback", "x", "--reason", "a wrong order", "--yes"])
                .ok()
                .contains("takes effect")
        );
        worker.until("x", "undo_failed payment");
        worker.until("x", "ended");
        let again = place.saga("retry x").expect(9);
        assert!(
            again.contains("x: retry has failed again: stuck: the undo of `payment`"),
            "{again}"
        );
        shop.refunds.store(true, SeqCst);
        assert_eq!(place.saga("retry x --node parcel").expect(4).matches("refused").count(), 1);
        place.saga("retry x --node payment --wait 20s").ok();
        worker.until("x", "undo_finished payment");

        shop.refunds.store(false, SeqCst);
        worker.order("y", "sold out");
        assert_eq!(state(place, "y"), "stuck");
        let action = place.saga("retry y --node payment --action").expect(4);
        assert!(
            action.contains("retry is refused: node `payment` did not make the saga stuck"),
            "{action}"
        );
        let resolve = ["resolve", "y", "--node", "payment", "--note", "refunded by hand", "--yes"];
        place.saga_with(&resolve).ok();
        worker.until("y", "undo_finished shelf");
        assert_eq!(state(place, "y"), "rolled_back");
        insta::assert_snapshot!("audit_of_y", redacted(&place.saga("audit y").ok()));

        worker.payout("p");
        let cancel = ["cancel", "p", "--reason", "never mind", "--yes"];
        assert!(place.saga_with(&cancel).expect(4).contains("it is not known whether the pivot"));
        let decide = [
            "decide",
            "p",
            "--node",
            "transfer",
            "--succeeded",
            "\"t-1\"",
            "--note",
            "it is there",
            "--yes",
        ];
        place.saga_with(&decide).ok();
        worker.until("p", "ended");
        assert_eq!(state(place, "p"), "completed");

        worker.payout("q");
        place.saga("unpark q").ok();
        worker.until("q", "unparked");
        worker.until("q", "started transfer");

        worker.order("z", "retry");
        let cancel = ["cancel", "z", "--reason", "no money", "--yes", "--json", "--by", "bob"];
        let answer = place.saga_with(&cancel).json(0);
        let expected = serde_json::json!({
            "command": "cancel",
            "more": false,
            "results": [{ "saga": "z", "outcome": "done", "message": null }],
        });
        assert_eq!(answer, expected);
        worker.until("z", "ended");
        assert_eq!(place.saga("audit z --json").json(0)[0]["by"], "bob");
        worker.stop();
    });
}

#[test]
fn without_a_worker_a_request_waits_for_one() {
    everywhere(|place| {
        let shop = Arc::new(Shop::default());
        let worker = place.worker(&shop);
        worker.order("x", "wait");
        worker.order("y", "wait");
        worker.order("done", "ok");
        worker.stop();
        let cancel = ["cancel", "x", "--reason", "the customer called", "--yes", "--wait", "100ms"];
        let said = place.saga_with(&cancel).expect(5);
        let expected = "x: cancel is in the store, and no worker has answered yet; it will be carried out as soon as one \
                        runs the saga. `saga audit x` shows what became of it\n";
        assert_eq!(said, expected);
        assert!(place.saga("audit x").ok().contains("waits for a worker"));
        let json = place.saga("resume x --wait 0s --json").json(5);
        assert_eq!(json["results"][0]["outcome"], "unanswered");
        let expected = "saga x: no worker has answered yet; the request waits for one";
        assert_eq!(json["results"][0]["message"], expected);
        // what has ended can be told without a worker
        let late = ["cancel", "done", "--reason", "too late", "--yes"];
        let said = place.saga_with(&late).expect(4);
        assert_eq!(said, "done: cancel is refused: the saga has already ended: completed\n");
        assert_eq!(place.saga("audit done").ok(), "nobody has asked anything of it\n");
        let others = [
            "pause y",
            "step y",
            "retry y",
            "retry y --node payment --action",
            "unpark y",
            "rollback y --reason r --yes",
            "resolve y --node payment --note n --yes",
            "decide y --node payment --failed --note n --yes",
        ];
        for other in others {
            place.saga(&format!("{other} --wait 0s")).expect(5);
        }
        shop.refunds.store(true, SeqCst);
        let worker = place.worker(&shop);
        worker.until("x", "ended");
        assert_eq!(state(place, "x"), "rolled_back");
        assert_eq!(place.saga("audit x --json").json(0)[0]["outcome"], "done");
        let audit = || place.saga("audit y --json").json(0);
        let answered = |audit: &serde_json::Value| {
            let outcomes = audit
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["outcome"].as_str().unwrap().to_string());
            outcomes.filter(|outcome| outcome != "waiting").count()
        };
        let begun = std::time::Instant::now();
        while answered(&audit()) < others.len() {
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{}", audit());
        }
    });
}

#[test]
fn a_dry_run_shows_what_would_be_written_and_writes_nothing() {
    everywhere(|place| {
        let worker = place.worker(&Arc::new(Shop::default()));
        worker.order("done-1", "ok");
        worker.order("stuck-1", "sold out");
        worker.order("wait-1", "wait");
        worker.payout("parked-1");
        let log = |id: &str| place.saga(&format!("log {id}")).ok();
        let ids = ["done-1", "stuck-1", "wait-1", "parked-1"];
        let before = ids.map(log);
        let mut all = String::new();
        let runs: [(&[&str], i32); 11] = [
            (&["cancel", "wait-1", "--reason", "r"], 0),
            (&["cancel", "done-1", "--reason", "r"], 4),
            (&["rollback", "done-1", "--reason", "r"], 0),
            (&["pause", "wait-1"], 0),
            (&["step", "wait-1"], 4),
            (&["retry", "stuck-1"], 0),
            (&["retry", "stuck-1", "--node", "payment"], 0),
            (&["resolve", "stuck-1", "--node", "payment", "--note", "n"], 0),
            (&["decide", "parked-1", "--node", "transfer", "--failed", "--note", "n"], 0),
            (&["unpark", "parked-1"], 0),
            (&["pause", "done-1", "none", "wait-1"], 6),
        ];
        for (run, code) in runs {
            let arguments = run.iter().copied().chain(["--dry-run"]).collect::<Vec<_>>();
            all += &format!(
                "$ saga {}\n{}\n",
                arguments.join(" "),
                redacted(&place.saga_with(&arguments).expect(code))
            );
            let json = arguments.into_iter().chain(["--json"]).collect::<Vec<_>>();
            assert_eq!(place.saga_with(&json).json(code)["dry_run"], true);
        }
        insta::assert_snapshot!("dry_runs", all);
        assert_eq!(ids.map(log), before);
        assert!(
            ids.iter()
                .all(|id| place.saga(&format!("audit {id}")).ok().contains("nobody has asked"))
        );
    });
}

#[test]
fn what_cannot_be_taken_back_is_confirmed() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.order("x", "wait");
    worker.order("y", "retry");
    let cancel = place.saga_with(&["cancel", "x", "--reason", "r"]).fails(7);
    assert!(
        cancel.contains("cancel x? Nobody is there to confirm it; say so with --yes"),
        "{cancel}"
    );
    let many = place.saga("pause --saga Order").fails(7);
    assert!(many.contains("pause 2 sagas (the first is x)?"), "{many}");
    assert!(place.saga("audit x").ok().contains("nobody has asked"));
    assert!(place.saga("audit y").ok().contains("nobody has asked"));
}

#[cfg(unix)]
#[test]
fn somebody_at_a_terminal_sees_what_would_be_written_and_is_asked() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.order("x", "wait");
    let cancel = ["cancel", "x", "--reason", "r"];
    for no in ["n\n", "\n", "yes please\n", "\u{4}"] {
        let said = place.saga_at_a_terminal(&cancel, no).fails(7);
        assert!(said.contains("  unwinding: cancelled: r\n"), "{said}");
        assert!(said.contains("cancel x? [y/N] ") && said.contains("nothing was done"), "{said}");
    }
    assert!(place.saga("audit x").ok().contains("nobody has asked"));
    let said = place.saga_at_a_terminal(&cancel, "y\n");
    assert!(said.err.contains("  unwinding: cancelled: r\n"), "{}", said.err);
    assert_eq!(said.ok(), "x: cancel is in its log and takes effect\n");
}

#[test]
fn an_output_is_decided_as_it_is_written() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.payout("p");
    let decide = |output: &str| {
        place.saga_with(&[
            "decide",
            "p",
            "--node",
            "transfer",
            "--succeeded",
            output,
            "--note",
            "n",
            "--yes",
        ])
    };
    let refused = decide("123456789012345678901234567890").expect(4);
    assert!(refused.contains("decide is refused"), "a transfer is no number: {refused}");
    decide(" \"t-1\" ").ok();
    worker.until("p", "ended");
    assert!(place.saga("log p --node transfer --outputs").ok().contains(" = \"t-1\""));
}

#[test]
fn a_note_that_is_too_long_is_refused() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.order("x", "wait");
    let reason = "r".repeat(5000);
    let said = place.saga_with(&["cancel", "x", "--yes", "--reason", &reason]).expect(2);
    assert!(said.contains("has 5000 bytes, and at most 4096 are kept"), "{said}");
    assert!(place.saga("audit x").ok().contains("nobody has asked"));
}
