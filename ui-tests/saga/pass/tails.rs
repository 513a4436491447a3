//! Each kind of last line.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use saga_core::dag::{Dag, DagError};
use saga_core::prelude::*;
use saga_core::Saga;
use ui_tests::actions::*;
use ui_tests::types::*;

saga! {
    Step<Agency>(trip: TripRequest) -> Quote {
        price_trip { trip }
    }

    Node<Agency>(trip: TripRequest) -> Quote {
        let quote = price_trip { trip };
        let _flight = book_flight { leg: &trip.flight };
        quote
    }

    Expression<Agency>(trip: TripRequest) -> u64 {
        let quote = price_trip { trip };
        { let cents = quote.cents; cents + 1 }
    }

    Struct<Agency>(trip: TripRequest) -> Payment {
        let quote = price_trip { trip };
        Payment { id: format!("{}", trip.city), cents: quote.cents }
    }

    Path<Agency>(trip: TripRequest) -> ui_tests::types::Payment {
        ui_tests::types::Payment { id: trip.city.clone(), cents: 1 }
    }

    StepByPath<Agency>(trip: TripRequest) -> Quote {
        ui_tests::actions::price_trip { trip }
    }

    Unit<Agency>() {
        poke {};
    }

    UnitStep<Agency>() {
        poke {}
    }

    Declared<Agency>() -> () {
        poke {};
    }

    Borrowing<Agency>(trip: TripRequest) -> String {
        note { text: &trip.city.to_uppercase() }
    }
}

fn output<S: Saga>() -> Result<String, DagError> {
    let dag = Dag::of::<S>()?;
    let node = dag.output().and_then(|output| dag.node(output));
    Ok(node.map_or("-".to_string(), |node| node.name().to_string()))
}

fn main() -> Result<(), DagError> {
    assert_eq!(output::<Step>()?, "price_trip");
    assert_eq!(output::<Node>()?, "quote");
    assert_eq!(output::<Expression>()?, "output");
    assert_eq!(output::<Struct>()?, "output");
    assert_eq!(output::<Path>()?, "output");
    assert_eq!(output::<StepByPath>()?, "price_trip");
    assert_eq!(output::<Unit>()?, "-");
    assert_eq!(output::<UnitStep>()?, "poke");
    assert_eq!(output::<Declared>()?, "-");
    assert_eq!(output::<Borrowing>()?, "note");
    Ok(())
}
