//! Macros in arguments: a node is read where a macro reads it.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use saga_core::dag::{Dag, DagError};
use saga_core::prelude::*;
use ui_tests::actions::*;
use ui_tests::types::*;

macro_rules! sum {
    ($first:expr $(, $more:expr)*) => { $first $(+ $more)* };
}

macro_rules! pick {
    (from $list:ident take $n:literal else { $($otherwise:tt)* }) => {
        $list.get($n).copied().unwrap_or({ $($otherwise)* })
    };
}

macro_rules! bind {
    ($name:ident = $value:expr; $($rest:tt)*) => {{ let $name = $value; $($rest)* }};
}

#[saga_action(no_undo)]
async fn ids(list: Vec<u32>) -> Result<Vec<u32>, String> {
    Ok(list)
}

saga! {
    Macros<Agency>(trip: TripRequest, width: usize) -> String {
        let flight = book_flight { leg: &trip.flight };
        let first = add { a: 1, b: 2 };
        let list = ids { list: vec![*first, sum!(flight.no, *first), pick!(from list_of take 0 else { flight.no })] };
        let filled = ids { list: vec![*first; 3] };
        let picked = add { a: pick!(from list take 0 else { *first }), b: sum!(1) };
        let padded = note { text: &format!("{first:>width$}|{:.*}|{:2$}", 2, 1.5, *width) };
        let precise = note { text: &format!("{:0width$.width$} {0:>1$}", 1.5, flight.no as usize) };
        let escaped = note { text: &format!("\u{a} {{first}} {{{}}}", trip.city) };
        let raw = note { text: &format!(r#"{first} "{}""#, trip.city) };
        let matched = note { text: if matches!(first, 1..=3 if flight.no > 1) { "few" } else { "many" } };
        let case = note { text: if matches!(list.first(), Some(flight) if flight > first) { "" } else { "-" } };
        let json = note { text: &serde_json::json!({ "a": [first, { "deep": format!("{flight:?}") }], "b": *width }).to_string() };
        let nested = note { text: &format!("{}", vec![format!("{raw}"), format!("{}", sum!(list.len(), 1))].concat()) };
        let bound = add { a: bind!(flight = 1; flight + *first), b: 1 };
        let long = note { text: concat!("a", "b") };
        let asserted = add { a: { assert!(flight.no > 0, "{flight:?} of {n}", n = list.len()); 1 }, b: 1 };
        let a = note { text: stringify!(long) };
        { format!("{filled:?}{picked}{padded}{precise}{escaped}{matched}{case}{json}{nested}{bound}{asserted}{a}") }
    }
}

#[allow(non_upper_case_globals)]
const list_of: &[u32] = &[];

fn main() -> Result<(), DagError> {
    let dag = Dag::of::<Macros>()?.to_json();
    let from = |node: &str| {
        let nodes = dag["nodes"].as_array().cloned().unwrap_or_default();
        let node = nodes.into_iter().find(|n| n["name"] == node).unwrap_or_default();
        node["inputs"].as_array().cloned().unwrap_or_default().iter().map(|i| i["from"].to_string()).collect::<String>()
    };
    assert_eq!(from("list"), r#"["first","flight"]"#);
    assert_eq!(from("filled"), r#"["first"]"#);
    assert_eq!(from("picked"), r#"["list","first"]"#);
    assert_eq!(from("padded"), r#"["first","(width)"]"#);
    assert_eq!(from("precise"), r#"["(width)","flight"]"#);
    assert_eq!(from("escaped"), r#"["(trip)"]"#);
    assert_eq!(from("raw"), r#"["first","(trip)"]"#);
    assert_eq!(from("matched"), r#"["first","flight"]"#);
    assert_eq!(from("case"), r#"["list","first"]"#);
    assert_eq!(from("json"), r#"["first","flight","(width)"]"#);
    assert_eq!(from("nested"), r#"["raw","list"]"#);
    assert_eq!(from("long"), "");
    assert_eq!(from("asserted"), r#"["flight","list"]"#);
    Ok(())
}
