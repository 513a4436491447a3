//! The trip saga of `examples/trip`, built at run time: actions made of closures, a DAG built node by node, and inputs
//! looked up by name. Prints the same table for the same input.
//!
//! Prefer `saga!` where you can. It finds a misspelled name, a wrong type or a missing dependency at compile time; here,
//! the saga fails at run time.
//!
//! ```text
//! cargo run --example trip_dynamic [FILE]
//! ```

#[path = "trip/report.rs"]
mod report;
#[path = "trip/types.rs"]
mod types;
#[path = "trip/world.rs"]
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{Dag, DagBuilder, Node, SagaDag};
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_core::{BoxError, Retry};

use crate::types::{
    Agency, Car, Flight, Hotel, Itinerary, Payment, PaymentError, Quote, TripRequest,
};
use crate::world::{Call, World};

const INPUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/trips.json");

type Cx = ActionContext<Agency>;

#[tokio::main]
async fn main() -> ExitCode {
    match run(std::env::args().nth(1).as_deref().unwrap_or(INPUT)).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", report::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Books all trips. Returns true if each of them ended fully booked or fully undone.
async fn run(input: &str) -> Result<bool, BoxError> {
    let text = std::fs::read(input).map_err(|e| format!("{input}: {e}"))?;
    let trips: Vec<TripRequest> =
        serde_json::from_slice(&text).map_err(|e| format!("{input}: {e}"))?;
    let state = tempfile::Builder::new().prefix("trip-").tempdir()?.keep();
    println!("state: {}\n", state.display());

    // after a crash, a coordinator finds the actions of such sagas by name
    let actions = actions()?;
    let agency = Agency { world: World::open(&state.join("world.db"), None)? };
    let sec = Coordinator::builder(agency)
        .store(MemoryStore::new())
        .actions(actions.clone())
        .build()
        .await?;

    let mut handles = Vec::new();
    for (n, trip) in trips.iter().enumerate() {
        let id = format!("trip-{:02}", n + 1);
        let saga = SagaDag::new(book_trip(&actions)?, trip)?;
        handles.push((id.clone(), sec.saga_dag(saga).id(id).start().await?));
    }
    let mut results = Vec::new();
    for (id, handle) in handles {
        let result = match handle.await {
            Ok(output) => Ok(serde_json::from_value::<Itinerary>(output)?),
            Err(error) => Err(error),
        };
        results.push((id, result));
    }
    sec.shutdown(Duration::from_secs(5)).await?;

    let world = World::open(&state.join("world.db"), None)?;
    Ok(report::print(&results, &world.booked().await?))
}

/// First quote, then flight, hotel and car concurrently, then payment, then issue_itinerary.
fn book_trip(actions: &ActionRegistry<Agency>) -> Result<Dag<Agency>, BoxError> {
    let node = |name: &str, action: &str| -> Result<Node<Agency>, BoxError> {
        Ok(Node::shared_action(name, actions.get(action)?)?)
    };
    let mut dag = DagBuilder::new("BookTrip")?;
    dag.append(node("quote", "price_trip")?)?;
    dag.append_parallel([
        node("flight", "book_flight")?,
        node("hotel", "book_hotel")?,
        node("car", "rent_car")?,
    ])?;
    dag.append(node("payment", "charge_card")?)?;
    dag.append(node("issue_itinerary", "issue_itinerary")?)?;
    Ok(dag.build()?)
}

fn actions() -> Result<ActionRegistry<Agency>, BoxError> {
    let few = Retry::up_to(3).base(Duration::from_millis(10));
    let mut actions = ActionRegistry::new();

    actions.register(ActionFunc::new_noop_undo("price_trip", |cx: Cx| async move {
        let trip = cx.saga_params::<TripRequest>()?;
        Ok::<_, BoxError>(cx.world.quote(&trip)?)
    })?)?;

    actions.register(ActionFunc::new_undo_maybe(
        "book_flight",
        |cx: Cx| async move {
            let trip = cx.saga_params::<TripRequest>()?;
            Ok::<_, BoxError>(cx.world.book_flight(Call::of(&cx), &trip.flight).await?)
        },
        |cx: Cx, flight: Option<Arc<Flight>>| async move {
            let call = Call::of(&cx);
            let key = flight.map_or(call.key, |flight| flight.booking);
            cx.world.cancel(Call { key, ..call }, "flight").await
        },
    )?)?;

    actions.register(ActionFunc::new_undo_maybe(
        "book_hotel",
        |cx: Cx| async move {
            let trip = cx.saga_params::<TripRequest>()?;
            let hotel = cx.world.book_hotel(Call::of(&cx), &trip.city, trip.nights);
            Ok::<_, BoxError>(hotel.await?)
        },
        |cx: Cx, _: Option<Arc<Hotel>>| async move {
            cx.world.cancel(Call::of(&cx), "hotel").await
        },
    )?)?;

    actions.register(ActionFunc::new_undo_maybe(
        "rent_car",
        |cx: Cx| async move {
            let trip = cx.saga_params::<TripRequest>()?;
            Ok::<_, BoxError>(cx.world.rent_car(Call::of(&cx), &trip.city).await?)
        },
        |cx: Cx, _: Option<Arc<Car>>| async move { cx.world.cancel(Call::of(&cx), "car").await },
    )?)?;

    let charge_card = ActionFunc::new_undo_maybe(
        "charge_card",
        |cx: Cx| async move {
            let trip = cx.saga_params::<TripRequest>()?;
            let quote = cx.lookup::<Quote>("quote")?;
            let payment = cx.world.charge(Call::of(&cx), &trip.card, quote.cents);
            Ok::<_, BoxError>(payment.await.map_err(ActionError::from_serializable)?)
        },
        |cx: Cx, payment: Option<Arc<Payment>>| async move {
            let call = Call::of(&cx);
            let key = payment.map_or(call.key, |payment| payment.booking);
            cx.world.cancel(Call { key, ..call }, "payment").await
        },
    )?;
    actions.register(charge_card.retry(few).in_doubt(PaymentError::leaves_open))?;

    let issue_itinerary = ActionFunc::new_noop_undo("issue_itinerary", |cx: Cx| async move {
        let itinerary = Itinerary {
            flight: cx.lookup::<Flight>("flight")?.number.clone(),
            hotel: cx.lookup::<Hotel>("hotel")?.name.clone(),
            car: cx.lookup::<Car>("car")?.model.clone(),
            cents: cx.lookup::<Payment>("payment")?.cents,
        };
        let trip = cx.saga_params::<TripRequest>()?;
        Ok::<_, BoxError>(cx.world.issue(itinerary, &trip.deliver_by).await?)
    })?;
    actions.register(issue_itinerary.retry(few))?;

    Ok(actions)
}
