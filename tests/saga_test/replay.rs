//! Sagas of an older program, read with the code of today. Each module `now` changes one thing about `then`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use saga_core::Saga;
use saga_core::prelude::*;
use saga_core::store::{FileStore, MemoryStore, Store};
use saga_core::testing::{CallFault, Ended, Replay, ReplayError, SagaTest};

use uuid::Uuid;

use crate::messages::message;

/// The program that ran the saga.
mod then {
    use super::*;

    #[saga_action(undo = cancel(output?))]
    pub(super) async fn book(what: &str) -> Result<Booking, String> {
        Ok(Booking { what: what.to_string(), price: 20 })
    }
    async fn cancel(_booking: Option<&Booking>) -> Result<(), String> {
        Ok(())
    }

    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    pub(super) struct Booking {
        what: String,
        pub(super) price: u32,
    }

    #[saga_action(no_undo, retry(forever, base = "1h"))]
    pub(super) async fn pay(cents: u32) -> Result<u32, String> {
        Err(format!("the bank is closed, {cents} cents are not paid"))
    }

    saga! {
        pub(super) Trip<()>(city: String, guests: u32) -> u32 {
            let stay = if *guests > 2 { book { what: "a house" } } else { book { what: city } };
            let seats = for guest in 0..*guests { book { what: &format!("seat {guest}") } };
            let total = { stay.price + seats.iter().map(|seat| seat.price).sum::<u32>() };
            pay { cents: *total }
        }
    }
}

/// A file with the saga of the older program, which waits for its second attempt to pay.
async fn exported(name: &str) -> PathBuf {
    let sec = Coordinator::builder(()).saga::<then::Trip>().build().await.unwrap();
    let trip = then::Trip { city: "Rome".into(), guests: 2 };
    sec.saga(trip).id("trip-1").start().await.unwrap();
    for _ in 0..10_000 {
        let view = sec.inspect("trip-1").await.unwrap().unwrap();
        if view.log.entries().last().unwrap().kind.name() == "retry_scheduled" {
            let file = file(name);
            fs::write(&file, view.to_json()).unwrap();
            return file;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it does not come to its second attempt");
}

fn file(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("saga-test-replay-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    dir.join(name)
}

const TRIP: &str = "\
Trip: running
  stay completed
  stay#1 completed
  seats completed
  seats[0] completed
  seats[1] completed
  total completed
  pay failed: action failed: the bank is closed, 60 cents are not paid
log:
  created
  chosen stay: 1
  started stay#1
  succeeded stay#1
  chosen seats: 2
  started seats[0]
  started seats[1]
  succeeded seats[0]
  succeeded seats[1]
  succeeded total
  started pay
  failed pay: the bank is closed, 60 cents are not paid
  retry_scheduled pay
next:
  wait
";

#[tokio::test]
async fn a_saga_of_the_same_program_can_be_resumed() {
    let replay = SagaTest::<then::Trip>::replay(exported("same.json").await);
    assert_eq!(replay.pretty(), TRIP);
    assert_eq!(replay.next(), ["wait"]);
    assert_eq!(replay.view().record.id.as_str(), "trip-1");
}

/// What is wrong with the saga in the eyes of another program.
async fn problems<S: Saga>(name: &str) -> Vec<String> {
    let file = exported(name).await;
    let replay = SagaTest::<S>::try_replay(&file).unwrap();
    let said = message(|| SagaTest::<S>::replay(&file));
    assert!(said.contains("cannot be resumed by this program:\n\nTrip: running\n"), "{said}");
    for problem in replay.problems() {
        assert!(said.contains(problem), "{said}");
    }
    assert!(replay.next().is_empty());
    replay.problems().to_vec()
}

mod values {
    use super::then::{book, pay};
    use super::*;

    mod params {
        use super::*;
        saga! {
            pub(super) Trip<()>(city: String, guests: u32, is_paid: bool) -> u32 {
                let stay = if *guests > 2 { book { what: "a house" } } else { book { what: city } };
                let seats = for guest in 0..*guests { book { what: &format!("seat {guest}") } };
                let total = { let _ = is_paid; stay.price + seats.iter().map(|seat| seat.price).sum::<u32>() };
                pay { cents: *total }
            }
        }
    }

    mod output {
        use super::*;

        #[derive(Clone, serde::Serialize, serde::Deserialize)]
        pub(super) struct Priced {
            what: String,
            cents: u32,
        }

        #[saga_action(undo = cancel(output?))]
        async fn book(what: &str) -> Result<Priced, String> {
            Ok(Priced { what: what.to_string(), cents: 20 })
        }
        async fn cancel(_booking: Option<&Priced>) -> Result<(), String> {
            Ok(())
        }

        saga! {
            pub(super) Trip<()>(city: String, guests: u32) -> u32 {
                let stay = if *guests > 2 { book { what: "a house" } } else { book { what: city } };
                let seats = for guest in 0..*guests { book { what: &format!("seat {guest}") } };
                let total = { stay.cents + seats.iter().map(|seat| seat.cents).sum::<u32>() };
                pay { cents: *total }
            }
        }
    }

    mod arm {
        use super::*;
        saga! {
            pub(super) Trip<()>(city: String, guests: u32) -> u32 {
                let stay = if *guests > 1 { book { what: "a house" } } else { book { what: city } };
                let seats = for guest in 0..*guests { book { what: &format!("seat {guest}") } };
                let total = { stay.price + seats.iter().map(|seat| seat.price).sum::<u32>() };
                pay { cents: *total }
            }
        }
    }

    mod width {
        use super::*;
        saga! {
            pub(super) Trip<()>(city: String, guests: u32) -> u32 {
                let stay = if *guests > 2 { book { what: "a house" } } else { book { what: city } };
                let seats = for guest in 0..guests + 1 { book { what: &format!("seat {guest}") } };
                let total = { stay.price + seats.iter().map(|seat| seat.price).sum::<u32>() };
                pay { cents: *total }
            }
        }
    }

    #[tokio::test]
    async fn parameters_that_cannot_be_read_are_named() {
        let found = problems::<params::Trip>("params.json").await;
        let why = "this program cannot read the saga's parameters: missing field `is_paid`";
        assert!(found.iter().any(|problem| problem.starts_with(why)), "{found:#?}");
    }

    #[tokio::test]
    async fn outputs_that_cannot_be_read_are_named_each() {
        let found = problems::<output::Trip>("output.json").await;
        for node in ["stay#1", "seats[0]", "seats[1]"] {
            let why = format!(
                "this program cannot read the output of node `{node}`: missing field `cents`"
            );
            assert!(found.iter().any(|problem| problem.starts_with(&why)), "{found:#?}");
        }
    }

    #[tokio::test]
    async fn another_arm_and_another_width_are_found() {
        let found = problems::<arm::Trip>("arm.json").await;
        assert_eq!(found, ["nondeterministic: node `stay` decided for arm 1, and decides now: 0"]);
        let found = problems::<width::Trip>("width.json").await;
        assert_eq!(
            found,
            ["nondeterministic: node `seats` decided for width 2, and decides now: 3"]
        );
    }
}

mod definitions {
    use super::then::{book, pay};
    use super::*;

    #[saga_action(undo = cancel())]
    async fn rent(what: &str) -> Result<super::then::Booking, String> {
        let _ = what;
        Err("no".to_string())
    }
    async fn cancel() -> Result<(), String> {
        Ok(())
    }

    #[saga_action(no_undo)]
    async fn check(city: &str) -> Result<u32, String> {
        let _ = city;
        Ok(1)
    }

    saga! {
        pub(super) Trip<()>(city: String, guests: u32) -> u32 {
            let rate = check { city };
            let stay = if *guests > 2 { book { what: "a house" } } else { rent { what: city } };
            let seats = for guest in 0..*guests { book { what: &format!("seat {guest}") } };
            pay { cents: (stay.price + seats.len() as u32) * rate }
        }
    }

    #[tokio::test]
    async fn every_difference_is_told_in_words() {
        let found = problems::<Trip>("definition.json").await;
        let changed = |what: &str| format!("its definition has changed: {what}");
        for what in [
            "node `rate` is new",
            "node `total` is gone",
            "node `stay#1` runs the action `rent`, and ran `book`",
            "node `pay` waits for `seats`, and waited for `total`",
        ] {
            assert!(found.contains(&changed(what)), "{what}: {found:#?}");
        }
        let log = found.last().unwrap();
        assert!(log.starts_with("its log does not fit the saga: entry "), "{log}");
    }
}

#[tokio::test]
async fn the_log_file_of_a_file_store_can_be_replayed_and_damage_is_told() {
    let dir = file("store");
    let store = FileStore::open(&dir).unwrap();
    let sec = Coordinator::builder(()).store(store).saga::<then::Trip>().build().await.unwrap();
    let trip = then::Trip { city: "Rome".into(), guests: 1 };
    let handle = sec.saga(trip).id("trip-1").start().await.unwrap();
    sec.operator("test").cancel("trip-1", "it rains").await.unwrap();
    handle.await.unwrap_err();
    sec.shutdown(Duration::from_secs(9)).await.unwrap();
    let log = dir.join("saga-trip-1.jsonl");
    let replay = SagaTest::<then::Trip>::replay(&log);
    assert_eq!(replay.view().record.status, SagaStatus::RolledBack);
    assert!(replay.next().is_empty(), "{replay}");

    let bytes = fs::read(&log).unwrap();
    let damaged = file("damaged.log");
    fs::write(&damaged, String::from_utf8(bytes).unwrap().replace("it rains", "it snows")).unwrap();
    let error = error(SagaTest::<then::Trip>::try_replay(&damaged));
    assert!(error.contains("damaged.log cannot be replayed: the log file is damaged: "), "{error}");
}

fn error(replay: Result<Replay, ReplayError>) -> String {
    replay.map(drop).unwrap_err().to_string()
}

#[tokio::test]
async fn what_is_not_this_saga_is_refused() {
    saga! { Other<()>() { let _at = now {}; } }
    let exported = exported("other.json").await;
    let said = message(|| SagaTest::<Other>::replay(&exported));
    assert!(
        said.ends_with("other.json is a saga `Trip`, and this test is about `Other`"),
        "{said}"
    );
    let missing = error(SagaTest::<Other>::try_replay(file("missing.json")));
    assert!(missing.contains("missing.json cannot be read: No such file"), "{missing}");
}

#[tokio::test]
async fn a_store_exports_the_same_as_a_coordinator() {
    let store = MemoryStore::new();
    let builder = Coordinator::builder(()).store(store.clone());
    let sec = builder.saga::<then::Trip>().build().await.unwrap();
    let trip = then::Trip { city: "Rome".into(), guests: 0 };
    let handle = sec.saga(trip).id("trip-1").start().await.unwrap();
    sec.operator("test").cancel("trip-1", "it rains").await.unwrap();
    handle.await.unwrap_err();
    let stored = store.load(&"trip-1".parse().unwrap()).await.unwrap().unwrap();
    let view = sec.inspect("trip-1").await.unwrap().unwrap();
    assert_eq!(stored.to_json(), view.to_json());
}

#[saga_action(undo = cancel(), retry(max = 2))]
async fn reserve() -> Result<Uuid, String> {
    Ok(Uuid::new_v4())
}
async fn cancel() -> Result<(), String> {
    Ok(())
}
saga! { Reserve<()>() -> Uuid { let _at = now {}; let id = reserve {}; id } }

#[test]
fn a_run_of_a_test_is_shown_without_anything_that_changes() {
    let expected = "\
Reserve: rolled_back: cancelled: the test cancels
  _at completed
  id undone: error injected
log:
  created
  started _at
  succeeded _at
  started id
  requested: cancel by the test
  unwinding: cancelled: the test cancels
  in_doubt id
  undo_started id
  undo_finished id
  ended: rolled_back
";
    for _ in 0..2 {
        let test = SagaTest::<Reserve>::new(|| (), Reserve {});
        let test = test.fault("id", CallFault::InDoubt).cancel_during("id");
        test.check(async |ended: &Ended<Reserve>| {
            assert_eq!(ended.pretty(), expected);
        });
    }
}

mod only_the_version_differs {
    use super::*;

    mod now {
        use super::then::{book, pay};
        use saga_core::prelude::*;

        saga! {
            #[version = 2]
            pub(super) Trip<()>(city: String, guests: u32) -> u32 {
                let stay = if *guests > 2 { book { what: "a house" } } else { book { what: city } };
                let seats = for guest in 0..*guests { book { what: &format!("seat {guest}") } };
                let total = { stay.price + seats.iter().map(|seat| seat.price).sum::<u32>() };
                pay { cents: *total }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn and_is_named() {
        let file = exported("only_the_version_differs").await;
        let replay = SagaTest::<now::Trip>::try_replay(&file).unwrap();
        let why = "its definition has changed: the saga is of version 2, and was of version 1";
        assert_eq!(replay.problems(), [why]);
    }
}
