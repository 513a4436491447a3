//! Sagas in functions and modules, their parts by path, by alias and from another crate.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use saga_core::dag::{Dag, DagError};
use saga_core::prelude::*;
use ui_tests::types::*;

mod outer {
    pub(crate) mod inner {
        use saga_core::prelude::*;
        use ui_tests::types::Agency;

        #[saga_action(no_undo)]
        pub(in crate::outer) async fn here(n: u32) -> Result<u32, String> {
            Ok(n)
        }

        saga! {
            pub(in crate::outer) Narrow<Agency>(n: u32) -> u32 {
                here { n: *n }
            }

            pub(super) Wider<Agency>(n: u32) -> u32 {
                let narrow = Narrow { n: *n };
                self::here { n: *narrow }
            }

            Private<Agency>(n: u32) -> u32 {
                super::inner::Wider { n: *n }
            }
        }

        pub(crate) fn private() -> usize {
            saga_core::dag::Dag::of::<Private>().map_or(0, |dag| dag.len())
        }
    }

    pub(crate) use ui_tests::BookTrip as Booked;

    saga_core::saga! {
        pub(crate) Outer<ui_tests::types::Agency>(trip: ui_tests::types::TripRequest, n: u32) -> u32 {
            let a = inner::Narrow { n: *n };
            let b = self::inner::Wider { n: *a };
            let c = crate::outer::inner::here { n: *b };
            inner::here { n: *c };
            Booked { trip: trip.clone() };
            let trips = for n in vec![1_u32, 2] {
                let booked = ui_tests::BookTrip { trip: trip.clone() };
                { booked.text.len() as u32 + n }
            };
            let same = match n {
                // one name in two arms
                0 => { let x = inner::here { n: 1 }; x }
                _ => { let x = inner::Wider { n: 2 }; let y = inner::here { n: *x }; y }
            };
            { trips.len() as u32 + *same + *here }
        }
    }
}

type Alias = ui_tests::BookTrip;
type Step<'a> = ui_tests::actions::book_hotel<'a>;

saga! {
    ByAlias<Agency>(trip: TripRequest) -> Hotel {
        Alias { trip: trip.clone() };
        Step { city: &Alias.text, nights: trip.nights }
    }
}

fn main() -> Result<(), DagError> {
    #[derive(serde::Serialize, serde::Deserialize, Clone)]
    struct Local {
        names: Vec<String>,
    }

    #[saga_action(no_undo, retry(forever))]
    async fn local(name: &str) -> Result<Local, String> {
        Ok(Local { names: vec![name.to_string()] })
    }

    saga! {
        InFunction<()>(local: Local) -> usize {
            let all = for name in &local.names {
                let made = local { name };
                if made.names.is_empty() { local { name: "none" } } else { { made.clone() } }
            };
            #[pivot]
            let last = local { name: &format!("{}", all.len()) };
            let after = local { name: &last.names[0] };
            #[retry(forever)]
            ui_tests::actions::note { text: &after.names[0] };
            { note.len() }
        }
    }

    {
        saga! {
            InFunction<()>(local: Local) -> usize {
                let last = local { name: &local.names[0] };
                { last.names.len() }
            }
        }
        assert_eq!(Dag::of::<InFunction>()?.len(), 2);
    }

    assert_eq!(Dag::of::<InFunction>()?.len(), 5);
    assert_eq!(outer::inner::private(), 1);
    assert_eq!(Dag::of::<outer::Outer>()?.len(), 8);
    assert_eq!(Dag::of::<ByAlias>()?.len(), 2);
    Ok(())
}
