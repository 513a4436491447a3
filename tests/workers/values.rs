//! A rolling upgrade that changes the type of an output: workers that write it differently, side by side.

use std::time::{Duration, Instant};

use saga_core::operator::{OperateError, Refusal, SagaView};
use saga_core::prelude::*;

use crate::shop::{LEASE, World, database};
use crate::versions::Worker;

/// A program whose quotes have this one field.
macro_rules! version {
    ($name:ident, $field:ident, $($declared:tt)*) => {
        mod $name {
            use saga_core::prelude::*;

            use crate::shop::{Shop, ship};

            #[derive(serde::Serialize, serde::Deserialize)]
            pub(crate) struct Quote { $($declared)* }

            #[saga_action(no_undo)]
            async fn quote() -> Result<Quote, String> {
                Ok(Quote { $field: 7 })
            }

            saga! {
                pub(crate) Rental<Shop>(order: String) -> String {
                    let quote = quote {};
                    let parcel = ship { order };
                    { format!("{parcel} for {}", quote.$field) }
                }
            }
        }
    };
}

version!(old, price, price: u32);
version!(new, cents, #[serde(alias = "price")] cents: u64);

/// Waits until the quote of a saga is stored.
fn until_quoted(worker: &Worker, id: &str) {
    let began = Instant::now();
    let is_quoted = |saga: SagaView| saga.nodes[0].state == ActionState::Completed;
    while !worker.run(worker.sec.inspect(id)).unwrap().is_some_and(is_quoted) {
        assert!(began.elapsed() < Duration::from_secs(30), "the quote is stored");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_old_worker_parks_what_a_new_one_wrote_and_a_new_one_goes_on_when_it_is_gone() {
    let (url, world) = (database(), World::new());
    let first_new = Worker::start::<new::Rental>(&url, &world);
    let start = |id: &str| first_new.sec.saga(new::Rental { order: id.into() }).id(id.to_string());
    first_new.run(start("1").start()).unwrap();
    until_quoted(&first_new, "1");
    // the new worker dies, and the old one takes the saga over
    let old = Worker::start::<old::Rental>(&url, &world);
    let handle = old.run(old.sec.get::<old::Rental>("1")).unwrap().unwrap();
    drop(first_new);
    let parked = old.run(handle.into_future());
    let Err(SagaError::Parked { reason, .. }) = parked else { panic!("parked, not {parked:?}") };
    let expected = "this program cannot read the output of node `quote`: missing field `price`";
    assert!(reason.starts_with(expected), "{reason}");
    world.open();

    // another new one comes. As long as the old one lives, requests for the saga are its own to answer
    let second_new = Worker::start::<new::Rental>(&url, &world);
    let handle = second_new.run(second_new.sec.get::<new::Rental>("1")).unwrap().unwrap();
    assert!(matches!(second_new.run(handle.clone().into_future()), Err(SagaError::Parked { .. })));
    for worker in [&old, &second_new] {
        let refused = worker.run(worker.sec.operator("ann").unpark("1"));
        let Err(OperateError::Refused { refusal: Refusal::Unreadable { .. }, .. }) = refused else {
            panic!("refused, not {refused:?}");
        };
    }
    old.run(old.sec.shutdown(Duration::ZERO)).unwrap();
    second_new.run(second_new.sec.operator("ann").unpark("1")).unwrap();
    assert_eq!(second_new.run(handle.into_future()).unwrap(), "shipped 1 for 7");
}

#[test]
fn a_new_worker_goes_on_with_what_an_old_one_wrote() {
    let (url, world) = (database(), World::new());
    let old = Worker::start::<old::Rental>(&url, &world);
    for n in 0..5 {
        let start = old.sec.saga(old::Rental { order: format!("{n}") }).id(format!("{n}"));
        old.run(start.start()).unwrap();
        until_quoted(&old, &n.to_string());
    }
    let new = Worker::start::<new::Rental>(&url, &world);
    drop(old);
    std::thread::sleep(LEASE);
    world.open();
    for n in 0..5 {
        let handle = new.run(new.sec.get::<new::Rental>(&n.to_string())).unwrap().unwrap();
        assert_eq!(new.run(handle.into_future()).unwrap(), format!("shipped {n} for 7"));
    }
}
