//! Every way in which Rust uses and hides names: node names are replaced where they mean the node.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use saga_core::dag::{Dag, DagError};
use saga_core::prelude::*;
use ui_tests::actions::*;
use ui_tests::types::*;

#[allow(non_upper_case_globals)]
const shadowed: u32 = 3;

macro_rules! twice {
    ($e:expr) => {
        $e + $e
    };
}

#[saga_action(no_undo)]
async fn ids(list: Vec<u32>) -> Result<Vec<u32>, String> {
    Ok(list)
}

saga! {
    Traps<Agency>(trip: TripRequest, n: u32) -> String {
        let flight = ui_tests::actions::book_flight { leg: &trip.flight };
        let format = note { text: &format!("{flight:?} {n} {{trip}} {}", trip.city) };
        let named = note { text: &format!("{flight} {0}", flight.no, flight = n) };
        let hidden = ids { list: trip.city.split(' ').map(|flight| flight.len() as u32).collect() };
        let closure = ids { list: hidden.iter().map(|id| id + flight.no).collect() };
        let mine = add { a: twice!(flight.no), b: twice!(*n) };
        let json = note { text: &serde_json::json!({ "flight": flight, "n": [n, mine] }).to_string() };
        let method = note { text: format.as_str() };
        let shorthand = book_hotel { city: &trip.city, nights: { let n = *n; Leg { from: n.to_string(), ..Leg::default() }.from.len() as u32 } };
        let block = add { a: shorthand.id + 1, b: { let shorthand = 3; shorthand } };
        let r#type = r#match { r#type: method };
        let constant = add { a: shadowed, b: *block };
        let if_let = add {
            a: if let Some(flight) = trip.city.chars().next() { flight as u32 } else { flight.no },
            b: match &trip.city { city if *city == format!("{n}") => flight.no, n => n.len() as u32 },
        };
        let vector = ids { list: vec![*mine, flight.no, { let mut flight = 0; while flight < *n { flight += 1; } flight }] };
        let fields = add { a: flight.no, b: { struct Flight { flight: u32 } let x = Flight { flight: 1 }; x.flight } };
        let boxed = ids { list: Vec::from([*if_let, *constant, *fields, trip.nights]) };
        let rooms = { let names: Vec<_> = vector.iter().filter(|id| **id > flight.no).collect(); names.len() };
        let item = add { a: { fn flight() -> u32 { 1 } flight() }, b: 2 };
        note { text: &format!("{flight:?} {closure:?} {json} {type} {boxed:?} {rooms} {item} {named}") }
    }
}

fn main() -> Result<(), DagError> {
    let dag = Dag::of::<Traps>()?.to_json();
    let inputs = |node: &str| {
        let nodes = dag["nodes"].as_array().cloned().unwrap_or_default();
        let node = nodes.into_iter().find(|n| n["name"] == node).unwrap_or_default();
        node["inputs"].as_array().cloned().unwrap_or_default().iter().map(|i| i.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(inputs("format"), r#"{"from":["flight","(n)","(trip)"],"input":"text"}"#);
    assert_eq!(inputs("named"), r#"{"from":["flight","(n)"],"input":"text"}"#);
    assert_eq!(inputs("hidden"), r#"{"from":["(trip)"],"input":"list"}"#);
    assert_eq!(inputs("closure"), r#"{"from":["hidden","flight"],"input":"list"}"#);
    assert_eq!(inputs("json"), r#"{"from":["flight","(n)","mine"],"input":"text"}"#);
    assert_eq!(inputs("block"), r#"{"from":["shorthand"],"input":"a"}"#);
    assert_eq!(inputs("type"), r#"{"from":["method"],"input":"type"}"#);
    assert_eq!(inputs("if_let"), r#"{"from":["(trip)","flight"],"input":"a"} {"from":["(trip)","(n)","flight"],"input":"b"}"#);
    assert_eq!(inputs("fields"), r#"{"from":["flight"],"input":"a"}"#);
    assert_eq!(inputs("item"), "");
    Ok(())
}
