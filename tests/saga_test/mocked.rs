//! Actions in whose place a test has something else.

use std::time::Duration;

use saga_core::prelude::*;
use saga_core::testing::{CallFault, Ended, MockAction, MockFailure, SagaTest};

use crate::messages::message;

#[saga_action(undo = cancel(output?, what), retry(max = 3, base = "1h"), timeout = "1m")]
async fn book(what: &str, nights: u32) -> Result<u32, String> {
    Err(format!("{what} for {nights} nights is not there in a test"))
}
async fn cancel(_booked: Option<&u32>, what: &str) -> Result<(), String> {
    Err(format!("nor can {what} be cancelled"))
}

#[saga_action(no_undo)]
async fn pay(cents: u32) -> Result<u32, String> {
    Err(format!("nor can {cents} cents be paid"))
}

saga! {
    Stay<()>(city: String) -> u32 { let room = book { what: city, nights: 2 }; room }
    Trip<()>(city: String, guests: u32) -> u32 {
        let hotel = book { what: city, nights: 1 };
        let stay = Stay { city: city.clone() };
        let seats = for guest in 0..*guests { book { what: "seat", nights: guest } };
        let total = { hotel + stay + seats.iter().sum::<u32>() };
        pay { cents: *total }
    }
}

fn trip() -> Trip {
    Trip { city: "Rome".into(), guests: 2 }
}

fn test() -> SagaTest<Trip> {
    SagaTest::new(|| (), trip())
}

#[test]
fn nodes_and_actions_are_mocked_and_a_node_counts_more_than_its_action() {
    let any = MockAction::with(|call| Ok(call.input::<u32>("nights").unwrap_or_default()));
    let (hotel, seat) = (MockAction::returns(100), MockAction::returns(1_000));
    let test = test().mock(Trip::hotel, &hotel).mock_action::<book>(&any);
    let test = test.mock(Trip::seats.at(1), &seat);
    let test = test.mock_action::<pay>(&MockAction::with(|call| {
        Ok(call.input::<u32>("cents").unwrap_or_default())
    }));
    test.check(async |ended: &Ended<Trip>| {
        assert_eq!(ended.result().as_ref().unwrap(), &(100 + 2 + 1_000));
    });
    let called = any.calls().iter().map(|call| call.node.to_string()).collect::<Vec<_>>();
    assert_eq!(called, ["stay/room", "seats[0]"]);
    let call = &hotel.calls()[0];
    assert_eq!((call.node.as_str(), call.undo, call.attempt), ("hotel", false, 1));
    assert_eq!(call.input::<String>("what").as_deref(), Some("Rome"));
    assert_eq!(call.input::<String>("nights"), None, "it is no text");
    assert_eq!(call.input::<u32>("night"), None, "there is no such input");
}

fn mocked(hotel: &MockAction<u32>) -> SagaTest<Trip> {
    let paid = MockAction::returns(1);
    test()
        .mock_action::<book>(&MockAction::returns(5))
        .mock_action::<pay>(&paid)
        .mock(Trip::hotel, hotel)
}

async fn completes(ended: &Ended<Trip>) {
    assert!(ended.completed(), "{:?}", ended.result());
}

async fn is_rolled_back(ended: &Ended<Trip>) {
    assert!(!ended.completed());
}

/// The attempts of the hotel, and those of its undo.
fn attempts(hotel: &MockAction<u32>) -> (usize, usize) {
    let (undone, called) = hotel.calls().into_iter().partition::<Vec<_>, _>(|call| call.undo);
    (called.len(), undone.len())
}

#[test]
fn first_attempts_fail_in_every_way_and_a_later_one_succeeds() {
    let why = || "why".to_string();
    for failure in [
        MockFailure::Error(why()),
        MockFailure::InDoubt(why()),
        MockFailure::Panic(why()),
        MockFailure::Hang,
    ] {
        let hotel = MockAction::returns(7).first(2, failure);
        mocked(&hotel).check(completes);
        assert_eq!(attempts(&hotel), (3, 0));
    }
    let hotel = MockAction::returns(7).first(3, MockFailure::Error(why()));
    mocked(&hotel).check(is_rolled_back);
    assert_eq!(attempts(&hotel), (3, 0), "there are three attempts");
    let hotel = MockAction::returns(7).first(3, MockFailure::InDoubt(why()));
    mocked(&hotel).check(is_rolled_back);
    assert_eq!(attempts(&hotel), (3, 1));
    let hotel = MockAction::always(MockFailure::ForGood(why()));
    mocked(&hotel).check(is_rolled_back);
    assert_eq!(attempts(&hotel), (1, 0));
}

#[test]
fn undos_fail_too() {
    let fails = || mocked(&MockAction::returns(1));
    let hotel = MockAction::returns(7).undo_first(2, MockFailure::Error("busy".into()));
    fails().mock(Trip::hotel, &hotel).cancel_during("pay").check(is_rolled_back);
    assert_eq!(attempts(&hotel), (1, 3));
    let hotel = MockAction::returns(7).undo_always(MockFailure::ForGood("never".into()));
    let test = fails().mock(Trip::hotel, &hotel).cancel_during("pay");
    let said = message(|| test.check(is_rolled_back));
    assert!(
        said.contains("is stuck") && said.contains("undo of `hotel`: action failed: never"),
        "{said}"
    );
}

#[test]
fn everything_else_goes_wrong_with_mocks_as_well() {
    let hotel = MockAction::returns(7);
    let report = mocked(&hotel).check_all(async |_: &Ended<Trip>| {});
    assert!(report.runs() > 100, "{report}");
    mocked(&hotel).fault("hotel", CallFault::Repeated).check(completes);
    let calls = hotel.calls();
    let [.., first, second] = &*calls else { panic!("two calls") };
    assert_eq!(first, second, "the same attempt");
}

#[test]
fn a_node_without_an_action_is_not_mocked() {
    let said = message(|| test().mock(Trip::seats, &MockAction::returns(vec![1, 2])));
    let why = "node `seats` of Trip cannot be mocked: that node has no action of its own, name one inside it";
    assert_eq!(said, why);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_has_mocks_too() {
    let hotel = MockAction::returns(7).first(1, MockFailure::InDoubt("connection reset".into()));
    let paid = MockAction::with(|call| match call.input::<u32>("cents") {
        Some(cents) if cents > 20 => Err(MockFailure::Error("declined".into())),
        cents => Ok(cents.unwrap_or_default()),
    });
    let builder = Coordinator::builder(()).saga::<Trip>().saga::<Stay>();
    let builder = builder.mock_action::<book>(&MockAction::returns(5)).mock(Trip::hotel, &hotel);
    let sec = builder.mock_action::<pay>(&paid).build().await.unwrap();
    let error = sec.run(trip()).await.unwrap_err();
    assert!(error.to_string().ends_with("node `pay`: action failed: declined"), "{error}");
    assert_eq!(sec.run(Trip { guests: 1, ..trip() }).await.unwrap(), 17);
    assert_eq!(sec.run(Stay { city: "Oslo".into() }).await.unwrap(), 5, "another saga");
    let calls = hotel.calls();
    assert_eq!(calls.len(), 5, "two attempts each, and an undo");
    assert_ne!(calls[0].key, calls[3].key, "each saga has its own key");
    sec.shutdown(Duration::from_secs(1)).await.unwrap();
}
