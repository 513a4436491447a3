//! `try`: the value of what ran to its end, a failure at each node in turn, a crash after each log entry, and the same saga
//! written by hand.

use std::collections::BTreeSet;

use crate::common::lab::{Any, Lab, World, crashed, make, ready, stored};
use saga_core::dag::{Dag, DagBuilder};
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_core::typed::SagaOutput;
use saga_core::{ActionState, Saga};
use serde::{Deserialize, Serialize};

saga! {
    #[derive(Clone)]
    Trip<World>(guests: Vec<String>) -> String {
        let flight = make { what: "flight" };
        let ride = try {
            let taxi = make { what: flight };
            ready { what: taxi }
        } else {
            let train = make { what: "train" };
            ready { what: train }
        };
        let seats = for guest in guests {
            let seat = try { ready { what: guest } };
            { seat.clone().unwrap_or_else(|failure| format!("none: {}", failure.failure.message)) }
        };
        make { what: &format!("{ride} {}", seats.join(" ")) }
    }
}

/// The same by hand.
#[derive(Clone, Serialize, Deserialize)]
struct ByHand {
    guests: Vec<String>,
}

impl Saga for ByHand {
    type Context = World;
    type Output = String;
    const NAME: &'static str = "Trip";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<String> {
        let guests = dag.param("guests", |saga: &Self| &saga.guests);
        let flight = dag.step("flight", &[], |cx| cx.call(make { what: "flight" }));
        let ride = dag.attempt_or(
            "ride",
            |dag| {
                let taxi = dag.step("taxi", &[("what", &[flight.id()])], move |cx| {
                    cx.call(make { what: flight.get(cx) })
                });
                let ready = dag.step("ready", &[("what", &[taxi.id()])], move |cx| {
                    cx.call(ready { what: taxi.get(cx) })
                });
                dag.ends_with(ready)
            },
            |dag| {
                let train = dag.step("train", &[], |cx| cx.call(make { what: "train" }));
                let ready = dag.step("ready", &[("what", &[train.id()])], move |cx| {
                    cx.call(ready { what: train.get(cx) })
                });
                dag.ends_with(ready)
            },
        );
        let items: &[_] = &[("items", &[guests.id()] as &[_])];
        let seats = dag.for_each(
            "seats",
            items,
            move |cx| guests.get(cx),
            |dag, guest| {
                let seat = dag.attempt("seat", |dag| {
                    let ready = dag.step("ready", &[("what", &[guest.id()])], move |cx| {
                        cx.call(ready { what: guest.get(cx) })
                    });
                    dag.ends_with(ready)
                });
                let output = dag.value("output", &[("seat", &[seat.id()])], move |cx| {
                    cx.value(seat.get(cx).clone().unwrap_or_default())
                });
                dag.ends_with(output)
            },
        );
        let from = [ride.id(), seats.id()];
        let made = dag.step("make", &[("what", &from)], move |cx| {
            cx.block(async move {
                let what = format!("{} {}", ride.get(cx), seats.get(cx).join(" "));
                cx.call(make { what: &what }).await
            })
        });
        dag.ends_with(made)
    }
}

fn trip() -> Trip {
    Trip { guests: ["ada", "emmy"].map(String::from).to_vec() }
}

async fn coordinator(world: &World, store: &MemoryStore) -> Result<Coordinator<World>, Any> {
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    Ok(builder.saga::<Trip>().build().await?)
}

async fn run(world: &World, store: &MemoryStore) -> Result<Result<String, SagaError>, Any> {
    let sec = coordinator(world, store).await?;
    Ok(sec.saga(trip()).id("t").start().await?.await)
}

fn paths(paths: &[&str]) -> BTreeSet<String> {
    paths.iter().map(ToString::to_string).collect()
}

#[test]
fn the_same_dag_by_macro_and_by_hand() -> Result<(), Any> {
    let (by_macro, by_hand) = (Dag::of::<Trip>()?, Dag::of::<ByHand>()?);
    assert_eq!(by_macro.to_json(), by_hand.to_json());
    assert_eq!(by_macro.fingerprint(), by_hand.fingerprint());
    Ok(())
}

#[tokio::test]
async fn without_a_failure_the_body_gives_the_value() -> Result<(), Any> {
    let (world, store) = (Lab::failing(None), MemoryStore::new());
    assert_eq!(run(&world, &store).await??, "<<<FLIGHT>> ADA EMMY>");
    let expected =
        ["flight", "make", "ride#0/ready", "ride#0/taxi", "seats[0]/seat#0", "seats[1]/seat#0"];
    assert_eq!(world.effects(), paths(&expected));
    Ok(())
}

#[tokio::test]
async fn a_failure_in_the_body_undoes_it_and_the_else_runs() -> Result<(), Any> {
    let (world, store) = (Lab::failing(Some("ride#0/ready")), MemoryStore::new());
    assert_eq!(run(&world, &store).await??, "<<TRAIN> ADA EMMY>");
    let expected =
        ["flight", "make", "ride#1/ready", "ride#1/train", "seats[0]/seat#0", "seats[1]/seat#0"];
    assert_eq!(world.effects(), paths(&expected));
    let undone = world.ops().into_iter().filter(|op| op.undo).map(|op| op.path);
    assert_eq!(undone.collect::<Vec<_>>(), ["ride#0/taxi"]);
    Ok(())
}

#[tokio::test]
async fn without_an_else_the_value_says_what_failed() -> Result<(), Any> {
    let (world, store) = (Lab::failing(Some("seats[1]/seat#0")), MemoryStore::new());
    let expected = "<<<FLIGHT>> ADA none: seats[1]/seat#0 fails>";
    assert_eq!(run(&world, &store).await??, expected);
    Ok(())
}

#[tokio::test]
async fn a_failure_outside_undoes_what_the_tries_have_left() -> Result<(), Any> {
    let (world, store) = (Lab::failing(Some("make")), MemoryStore::new());
    let error = run(&world, &store).await?.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert_eq!(world.effects(), paths(&[]));
    Ok(())
}

#[tokio::test]
async fn a_crash_after_any_entry_changes_nothing() -> Result<(), Any> {
    // nodes whose undo needs no output: what is in doubt can be cleaned up
    for fails in [None, Some("ride#0/ready"), Some("seats[0]/seat#0")] {
        let (world, store) = (Lab::failing(fails), MemoryStore::new());
        let expected = run(&world, &store).await?.map_err(|e| e.to_string());
        let saga = stored(&store, "t").await?;
        for len in 1..=saga.entries.len() {
            let (after, store) = crashed(&world, fails, &saga, len).await?;
            let sec = coordinator(&after, &store).await?;
            let handle = sec.get::<Trip>("t").await?.ok_or("not there")?;
            let ended = handle.await.map_err(|e| e.to_string());
            assert_eq!(ended, expected, "{fails:?}, after entry {len}");
            assert_eq!(after.effects(), world.effects(), "{fails:?}, after entry {len}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_outcome_has_both_parts() -> Result<(), Any> {
    let world = Lab::failing(Some("ride#0/ready"));
    let sec = coordinator(&world, &MemoryStore::new()).await?;
    let outcome = sec.saga(trip()).start().await?.outcome().await?;
    assert_eq!(outcome.get(Trip::ride).map(String::as_str), Some("<TRAIN>"));
    let state = |path: &str| outcome.nodes().iter().find(|n| n.node == *path).map(|n| n.state);
    assert_eq!(state("ride"), Some(ActionState::Completed));
    assert_eq!(state("ride#0/taxi"), Some(ActionState::Undone));
    assert_eq!(state("ride#0/ready"), Some(ActionState::Failed));
    assert_eq!(state("ride#1/train"), Some(ActionState::Completed));
    Ok(())
}

/// A bare `try` is named after its kind, and nobody has to look at its value.
#[tokio::test]
async fn a_bare_try_is_best_effort() -> Result<(), Any> {
    saga! {
        Mail<World>() {
            try { make { what: "newsletter" } };
            let _ = try { make { what: "card" } };
            make { what: "mail" };
        }
    }
    let world = Lab::failing(Some("try_1#0"));
    let sec = Coordinator::builder(world.clone()).saga::<Mail>().build().await?;
    sec.run(Mail {}).await?;
    assert_eq!(world.effects(), paths(&["make", "try_2#0"]));
    Ok(())
}
