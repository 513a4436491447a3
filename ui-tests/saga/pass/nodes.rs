//! Each kind of node and block.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use saga_core::dag::{Dag, DagError};
use saga_core::prelude::*;
use ui_tests::actions;
use ui_tests::actions::*;
use ui_tests::types::*;

saga! {
    /// All of them.
    #[derive(PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    pub(crate) Nodes<Agency>(
        /// Documented.
        trip: TripRequest,
        #[serde(default)]
        n: u32,
    ) -> u32 {
        /// A node may be documented.
        let typed: Quote = price_trip { trip };
        const REGION: String = "eu".to_string();
        let computed = { typed.cents + u64::from(*n) };
        let typed_value: Vec<u64> = { vec![*computed; 2] };
        poke {};
        #[cfg(all())]
        let kept = add { a: *n, b: 2 };
        #[cfg(any())]
        let gone = nonexistent { x: 1 };
        #[cfg(any())]
        let kept = add { a: 1, b: 1 };
        parallel {
            let a = actions::add { a: 1, b: 2 };
            {
                let b = add { a: 1, b: *n };
                note { text: REGION };
                parallel {
                    let c = add { a: *a, b: *b };
                    #[after(a)]
                    let d = add { a: 1, b: 1 };
                    parallel {}
                }
            }
            {}
        }
        let _unused = add { a: *c, b: *d };
        let _unused_value = { *c };
        const _UNUSED: u32 = 1;
        let of_bare = note { text: note };
        { *kept + *a + *c + *d + of_bare.len() as u32 + typed_value.len() as u32 }
    }

    First<()>() { poke {}; }
    Second<()>() { poke {}; }
}

fn main() -> Result<(), DagError> {
    let nodes = Nodes { trip: TripRequest::default(), n: 1 };
    assert_eq!(nodes.clone(), nodes);
    let dag = Dag::of::<Nodes>()?;
    let names = dag.nodes().map(|node| node.name().to_string()).collect::<Vec<_>>();
    assert_eq!(
        names.join(" "),
        "typed REGION computed typed_value poke kept a b note c d _unused _unused_value _UNUSED of_bare output"
    );
    assert_eq!(Dag::of::<First>()?.len() + Dag::of::<Second>()?.len(), 2);

    saga! {
        Local<Agency>(n: u32) -> u32 {
            add { a: *n, b: 1 }
        }
    }
    assert_eq!(Dag::of::<Local>()?.len(), 1);
    Ok(())
}
