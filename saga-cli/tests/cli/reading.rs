//! The commands that read.

use std::sync::Arc;

use crate::place::{Place, Worker, everywhere};
use crate::redact::redacted;
use crate::shop::Shop;

/// An order in each state, and a payout that is parked.
fn sagas(worker: &Worker) {
    worker.order("done-1", "ok");
    worker.order("stuck-1", "sold out");
    worker.order("wait-1", "wait");
    worker.order("retry-1", "retry");
    worker.payout("payout-1");
}

/// Everything that reads, as text without what differs from run to run.
fn all(place: &Place) -> String {
    let commands = [
        "ls",
        "ls --needs-human --idle 1h",
        "fleet",
        "why done-1",
        "why wait-1",
        "why retry-1",
        "why stuck-1",
        "why payout-1",
        "show stuck-1 --timeline",
        "show payout-1",
        "log stuck-1",
        "audit stuck-1",
        "graph stuck-1",
        "graph payout-1 --format mermaid",
    ];
    let ran = commands
        .map(|command| format!("$ saga {command}\n{}", redacted(&place.saga(command).ok())));
    ran.join("\n")
}

#[test]
fn everything_can_be_read_while_a_worker_runs_and_without_one() {
    everywhere(|place| {
        let worker = place.worker(&Arc::new(Shop::default()));
        sagas(&worker);
        let with = all(place);
        let name = if place.is_shared() { "read_shared" } else { "read" };
        insta::assert_snapshot!(name, with);
        for id in ["done-1", "stuck-1", "payout-1"] {
            let svg = place.saga(&format!("graph {id} --format svg")).ok();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        }
        json_of_everything(place);
        filters(place);
        worker.stop();
        let without = all(place);
        let at_rest = |text: &str| {
            // those that are left alone need somebody
            let parts = text.split("$ saga ").filter(|part| {
                !part.contains("wait-1")
                    && !part.contains("retry-1")
                    && !part.starts_with("ls --needs-human")
            });
            // the worker gives its sagas up
            let lines = parts.flat_map(str::lines).filter(|line| !line.starts_with("  worker"));
            lines.map(str::to_string).collect::<Vec<_>>()
        };
        assert_eq!(at_rest(&without), at_rest(&with));
        let nobody = if place.is_shared() { "no worker owns it" } else { "no worker is running" };
        assert!(place.saga("why wait-1").ok().contains(nobody));
        json_of_everything(place);
    });
}

fn json_of_everything(place: &Place) {
    let list = place.saga("ls --json").json(0);
    let ids = list["sagas"].as_array().unwrap().iter().map(|saga| saga["id"].as_str().unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), ["done-1", "payout-1", "retry-1", "stuck-1", "wait-1"]);
    let needs = place.saga("ls --needs-human --idle 1h --json").json(0);
    assert_eq!(needs["sagas"][0]["id"], "stuck-1");
    assert_eq!(needs["sagas"][0]["reason"], "stuck");
    assert_eq!(needs["sagas"][1]["reason"], "parked");
    let fleet = place.saga("--json fleet").json(0);
    assert_eq!(fleet["versions"].as_array().unwrap().len(), 2);
    let facts = place.saga("show stuck-1 --json").json(0);
    assert_eq!(facts["nodes"][1]["undo_error"], "the account is closed");
    assert_eq!(place.saga("why payout-1 --json").json(0)["waits_for"], "decision");
    let log = place.saga("log stuck-1 --json").json(0);
    assert_eq!(log["entries"][0]["kind"], "created");
    assert!(place.saga("audit stuck-1 --json").json(0).as_array().unwrap().is_empty());
    assert!(place.saga("graph stuck-1 --json").json(0).as_str().unwrap().starts_with("digraph"));
    let export = place.saga("export stuck-1 --yes").json(0);
    assert!(export.to_string().contains("receipt of the bank"));
    for line in place.saga("tail stuck-1 --json -n 2").ok().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].is_u64());
    }
}

/// The ids in the first column.
fn ids(place: &Place, filter: &str) -> Vec<String> {
    let list = place.saga(&format!("ls {filter}")).ok();
    let lines = list.lines().filter(|line| line.contains("-1"));
    lines.map(|line| line.split(' ').next().unwrap().to_string()).collect()
}

fn filters(place: &Place) {
    assert_eq!(ids(place, "--state stuck,parked"), ["payout-1", "stuck-1"]);
    assert_eq!(ids(place, "--state running --saga Order"), ["retry-1", "wait-1"]);
    assert_eq!(ids(place, "--saga Payout"), ["payout-1"]);
    assert_eq!(ids(place, "--version 1 --prefix re"), ["retry-1"]);
    assert!(ids(place, "--version 2").is_empty());
    assert!(ids(place, "--older-than 1h").is_empty());
    assert!(ids(place, "--idle 1h").is_empty());
    assert_eq!(ids(place, "--younger-than 1h").len(), 5);
    let fingerprint = place.saga("show payout-1 --json").json(0)["fingerprint"].clone();
    let filter = format!("--fingerprint {}", fingerprint.as_str().unwrap());
    assert_eq!(ids(place, &filter), ["payout-1"]);
    // as `saga fleet` prints it
    let filter = format!("--fingerprint {}", &fingerprint.as_str().unwrap()[..8]);
    assert_eq!(ids(place, &filter), ["payout-1"]);
    assert!(ids(place, "--fingerprint 0123456789abcdef").is_empty());
    // a page at a time
    let page = place.saga("ls --limit 2").ok();
    assert!(page.ends_with("there are more; go on with --after=payout-1\n"), "{page}");
    assert_eq!(ids(place, "--limit 2 --after payout-1")[..2], ["retry-1", "stuck-1"]);
    assert_eq!(place.saga("ls --limit 5 --json").json(0)["next"], serde_json::Value::Null);
    let page = place.saga("ls --needs-human --limit 1 --json").json(0);
    let next = page["next"].as_str().unwrap();
    assert_eq!(ids(place, &format!("--needs-human --after {next}")), ["payout-1"]);
}

#[test]
fn a_saga_that_does_not_exist_ends_with_3() {
    everywhere(|place| {
        place.worker(&Arc::new(Shop::default())).stop();
        for command in ["show", "why", "log", "tail", "graph", "audit", "export", "pause", "unpark"]
        {
            let ran = place.saga(&format!("{command} none"));
            assert_eq!(ran.code, 3, "{command}: {}{}", ran.out, ran.err);
            assert!(
                format!("{}{}", ran.out, ran.err).contains("there is no saga none"),
                "{}",
                ran.err
            );
        }
    });
}

#[test]
fn outputs_are_shown_only_if_they_are_asked_for() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.order("x", "ok");
    let secret = "receipt of the bank";
    for command in [
        "ls",
        "show x --timeline",
        "show x --json",
        "why x",
        "log x",
        "log x --json",
        "tail x",
        "graph x",
    ] {
        let text = place.saga(command).ok();
        assert!(!text.contains(secret), "{command}: {text}");
    }
    for command in
        ["log x --outputs", "log x --outputs --json", "tail x --outputs", "export x --yes"]
    {
        let text = place.saga(command).ok();
        assert!(text.contains(secret), "{command}: {text}");
    }
    let said = place.saga("export x").fails(7);
    assert!(said.contains("has its parameters and all outputs in it"), "{said}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.json").display().to_string();
    let ran = place.saga_with(&["export", "x", "--yes", "--to", &path]);
    assert!(ran.err.contains("written to "), "{}", ran.err);
    assert_eq!(ran.ok(), "");
    // nothing is overwritten
    let again = place.saga_with(&["export", "x", "--yes", "--to", &path]).fails(1);
    assert!(again.contains("cannot write ") && again.contains("exists"), "{again}");
    let saga = saga_core::store::StoredSaga::from_json(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(saga.record.id.as_str(), "x");
}

#[test]
fn a_log_can_be_cut_down_to_a_node() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.order("x", "ok");
    let log = place.saga("log x --node payment").ok();
    assert_eq!(redacted(&log), "   4 <time> started payment\n   5 <time> succeeded payment\n");
}

#[test]
fn a_node_that_does_not_exist_is_no_empty_log() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.order("x", "ok");
    for command in ["log x --node paymnet", "tail x --node paymnet"] {
        let said = place.saga(command).fails(2);
        let expected = "saga x has no node `paymnet`; it has `shelf`, `payment`, `parcel`";
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn the_next_page_begins_after_an_id_that_looks_like_an_option() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    for id in ["--yes", "x"] {
        worker.order(id, "ok");
    }
    let page = place.saga("ls --limit 1").ok();
    assert!(page.ends_with("there are more; go on with --after=--yes\n"), "{page}");
    for next in ["ls --after=--yes", "ls --after --yes"] {
        let list = place.saga(next).ok();
        assert!(list.lines().any(|line| line.starts_with("x ")), "{next}: {list}");
    }
}

#[test]
fn tail_can_end_where_a_saga_waits_for_somebody() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.payout("parked-1");
    let said = place.saga("tail parked-1 --until-rest").ok();
    assert!(said.lines().last().is_some_and(|line| line.contains("parked")), "{said}");
}

#[test]
fn tail_prints_what_happens_until_the_saga_has_ended() {
    everywhere(|place| {
        let shop = Arc::new(Shop::default());
        let worker = place.worker(&shop);
        worker.order("x", "wait");
        let tail = std::thread::scope(|scope| {
            let tail = scope.spawn(|| place.saga("tail x --every 10ms").ok());
            // whether it sees the end as news or at once, it prints the same
            std::thread::sleep(std::time::Duration::from_millis(200));
            shop.paid.notify_one();
            tail.join().unwrap()
        });
        let kinds =
            tail.lines().map(|line| line.trim().split(' ').skip(2).collect::<Vec<_>>().join(" "));
        let expected = "created, started shelf, succeeded shelf, started payment, succeeded payment, started parcel, \
                        succeeded parcel, ended: completed";
        assert_eq!(kinds.collect::<Vec<_>>().join(", "), expected);
    });
}

#[test]
fn names_and_errors_of_others_cannot_write_to_the_terminal() {
    let place = Place::sqlite();
    let shop = Arc::new(Shop::default());
    let worker = place.worker(&shop);
    worker.order("x", "hostile");
    for command in [
        "ls",
        "ls --needs-human",
        "show x --timeline",
        "why x",
        "log x",
        "tail x",
        "graph x",
        "show x --json",
        "log x --json",
    ] {
        let text = place.saga(command).ok();
        let hostile = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(hostile, None, "{command}: {text:?}");
    }
    let log = place.saga("log x").ok();
    assert!(log.contains("\\u{1b}[2J\\u{1b}]0;owned\\u{7}\\u{202e}all is well"), "{log}");
    let log = place.saga("log x --json").json(0);
    assert!(log.to_string().contains("owned"), "the JSON has it all");
}
