//! A saga has the same DAG whether it is written with `saga!` or by hand, and its edges follow from
//! blocks, data and `#[after]`.
#![cfg(feature = "macros")]

use saga_core::Saga;
use saga_core::dag::{Dag, DagBuilder, DagError};
use saga_core::prelude::*;
use saga_core::typed::SagaOutput;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TripRequest {
    city: String,
    nights: u32,
    card: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Itinerary(String);

#[saga_action(no_undo)]
async fn price_trip(trip: &TripRequest) -> Result<u64, String> {
    Ok(u64::from(trip.nights) * 100)
}

#[saga_action(undo = cancel(output?))]
async fn book_flight(city: &str) -> Result<String, String> {
    Ok(format!("to {city}"))
}

#[saga_action(undo = cancel(output?), rev = 3)]
async fn book_hotel(city: &str, nights: u32) -> Result<String, String> {
    Ok(format!("{nights} nights in {city}"))
}

async fn cancel(_booking: Option<&String>) -> Result<(), String> {
    Ok(())
}

#[saga_action(undo = refund(output, card), name = "charge", label = "charge the card")]
async fn charge_card(card: &str, cents: u64) -> Result<String, String> {
    Ok(format!("{card}: {cents}"))
}

async fn refund(_payment: &String, _card: &str) -> Result<(), String> {
    Ok(())
}

#[saga_action(no_undo)]
async fn issue(
    trip: &TripRequest,
    flight: &str,
    hotel: &str,
    note: &str,
) -> Result<Itinerary, String> {
    Ok(Itinerary(format!("{} {flight} {hotel} {note}", trip.city)))
}

saga! {
    BookTrip<()>(trip: TripRequest, tip: u64) -> Itinerary {
        let quote = price_trip { trip };
        parallel {
            let flight = book_flight { city: &trip.city };
            let hotel = book_hotel { city: &trip.city, nights: trip.nights };
        }
        let total = { *quote + tip };
        let payment = charge_card { card: &trip.card, cents: *total };
        issue { trip, flight, hotel, note: &format!("{payment}, {}", quote) }
    }
}

/// The same by hand.
#[derive(Serialize, Deserialize)]
struct ByHand {
    trip: TripRequest,
    tip: u64,
}

impl Saga for ByHand {
    type Context = ();
    type Output = Itinerary;
    const NAME: &'static str = "BookTrip";

    fn define(dag: &mut DagBuilder<()>) -> SagaOutput<Itinerary> {
        let trip = dag.param("trip", |saga: &Self| &saga.trip);
        let tip = dag.param("tip", |saga: &Self| &saga.tip);
        let quote = dag.step("quote", &[("trip", &[trip.id()])], move |cx| {
            cx.call(price_trip { trip: trip.get(cx) })
        });
        dag.parallel();
        let flight = dag.step("flight", &[("city", &[trip.id()])], move |cx| {
            cx.call(book_flight { city: &trip.get(cx).city })
        });
        let bindings: &[_] = &[("city", &[trip.id()] as &[_]), ("nights", &[trip.id()])];
        let hotel = dag.step("hotel", bindings, move |cx| {
            let trip = trip.get(cx);
            cx.call(book_hotel { city: &trip.city, nights: trip.nights })
        });
        dag.end();
        let bindings: &[_] = &[("quote", &[quote.id()] as &[_]), ("tip", &[tip.id()])];
        let total = dag.value("total", bindings, move |cx| cx.value(*quote.get(cx) + tip.get(cx)));
        let bindings: &[_] = &[("card", &[trip.id()] as &[_]), ("cents", &[total.id()])];
        let payment = dag.step("payment", bindings, move |cx| {
            cx.call(charge_card { card: &trip.get(cx).card, cents: *total.get(cx) })
        });
        let bindings: &[_] = &[
            ("trip", &[trip.id()] as &[_]),
            ("flight", &[flight.id()]),
            ("hotel", &[hotel.id()]),
            ("note", &[payment.id(), quote.id()]),
        ];
        let issued = dag.step("issue", bindings, move |cx| {
            cx.block(async move {
                let note = format!("{}, {}", payment.get(cx), quote.get(cx));
                let (trip, flight, hotel) = (trip.get(cx), flight.get(cx), hotel.get(cx));
                cx.call(issue { trip, flight, hotel, note: &note }).await
            })
        });
        dag.ends_with(issued)
    }
}

#[test]
fn macro_and_hand_give_the_same_dag() -> Result<(), DagError> {
    let (declared, by_hand) = (Dag::of::<BookTrip>()?, Dag::of::<ByHand>()?);
    assert_eq!(declared.to_json(), by_hand.to_json());
    assert_eq!(declared.fingerprint(), by_hand.fingerprint());
    Ok(())
}

#[test]
fn a_saga_knows_where_it_is_written() -> Result<(), DagError> {
    let dag = Dag::of::<BookTrip>()?;
    let line =
        include_str!("same_dag.rs").lines().position(|l| l.contains("BookTrip<()>(")).unwrap_or(0);
    assert!(dag.place().ends_with(&format!("same_dag.rs:{}", line + 1)), "{}", dag.place());
    Ok(())
}

#[test]
fn a_saga_is_debug_and_clone_where_its_parameters_are() {
    #[derive(Serialize, Deserialize)]
    struct Bare;
    saga! {
        Plain<()>(bare: Bare) { note { text: { let _ = bare; "x" } }; }
    }
    let trip = TripRequest { city: "Rome".into(), nights: 2, card: "1".into() };
    let saga = BookTrip { trip, tip: 3 };
    assert_eq!(saga.clone().trip, saga.trip);
    assert!(format!("{saga:?}").starts_with("BookTrip { trip: TripRequest {"));
    let _ = Plain { bare: Bare };
}

#[saga_action(no_undo)]
async fn note(text: &str) -> Result<String, String> {
    Ok(text.to_string())
}

/// `name <- predecessors` of each node.
fn edges<S: Saga>() -> Result<Vec<String>, DagError> {
    let dag = Dag::of::<S>()?;
    let name = |n| dag.node(n).map(|node| node.name().to_string()).unwrap_or_default();
    let nodes = dag.nodes().filter_map(|node| dag.node_index(node.name().as_str()));
    let line = |n| {
        let before = dag.predecessors(n).map(name).collect::<Vec<_>>();
        format!("{} <- {}", name(n), before.join(" ")).trim_end().to_string()
    };
    Ok(nodes.map(line).collect())
}

#[test]
fn statements_run_in_order() -> Result<(), DagError> {
    saga! {
        Order<()>() {
            let _a = note { text: "a" };
            let _b = note { text: "b" };
            note { text: "c" };
        }
    }
    assert_eq!(edges::<Order>()?, ["_a <-", "_b <- _a", "note <- _b"]);
    Ok(())
}

#[test]
fn data_makes_edges_inside_parallel() -> Result<(), DagError> {
    saga! {
        Flow<()>() -> String {
            parallel {
                let a = note { text: "a" };
                let b = note { text: "b" };
                let c = note { text: a };
                let d = note { text: &format!("{a}{c}") };
            }
            note { text: &[b.as_str(), d].concat() }
        }
    }
    // `d` waits for `a` by way of `c` too; what data says is kept as it is
    assert_eq!(edges::<Flow>()?, ["a <-", "b <-", "c <- a", "d <- a c", "note <- b d"]);
    Ok(())
}

#[test]
fn a_branch_is_a_sequence_inside_parallel() -> Result<(), DagError> {
    saga! {
        Branches<()>() {
            let first = note { text: "first" };
            parallel {
                {
                    let x = note { text: "x" };
                    let _y = note { text: "y" };
                }
                {
                    let _z = note { text: first };
                    parallel {
                        let p = note { text: "p" };
                        let _q = note { text: p };
                        let _r = note { text: "r" };
                    }
                }
            }
            let _last = note { text: x };
        }
    }
    assert_eq!(
        edges::<Branches>()?,
        [
            "first <-",
            "x <- first",
            "_y <- x",
            "_z <- first",
            "p <- _z",
            "_q <- p",
            "_r <- _z",
            "_last <- _y _q _r"
        ]
    );
    Ok(())
}

#[test]
fn after_makes_an_edge_without_data() -> Result<(), DagError> {
    saga! {
        After<()>() {
            parallel {
                let a = note { text: "a" };
                let b = note { text: "b" };
                #[after(a, b)]
                let _c = note { text: "c" };
                #[after(b)]
                note { text: a };
            }
        }
    }
    assert_eq!(edges::<After>()?, ["a <-", "b <-", "_c <- a b", "note <- a b"]);
    Ok(())
}

#[test]
fn edges_that_follow_from_the_order_are_left_out() -> Result<(), DagError> {
    saga! {
        Redundant<()>() -> String {
            let a = note { text: "a" };
            let b = note { text: a };
            let c = { format!("{a}{b}") };
            c
        }
    }
    assert_eq!(edges::<Redundant>()?, ["a <-", "b <- a", "c <- b"]);
    Ok(())
}
