//! Sagas that go on under another version of their definition.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::Migration;
use saga_core::log::Uuid;
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use serde::{Deserialize, Serialize};

mod builds;
mod eligible;
mod keys;
mod replays;
mod settling;
mod undo_inputs;

type Any = Box<dyn Error>;

/// The services that the saga calls.
#[derive(Default, Clone)]
pub(crate) struct World(Arc<Services>);

#[derive(Default)]
pub(crate) struct Services {
    /// What is booked, by the key that it was booked under.
    booked: Mutex<BTreeMap<Uuid, String>>,
    /// The gate that `pass` waits for.
    is_open: AtomicBool,
    /// What was called, in order.
    calls: Mutex<Vec<String>>,
    /// The booking that takes effect and does not return.
    held: Mutex<Option<String>>,
    holds: tokio::sync::Notify,
}

impl World {
    fn call(&self, what: impl Into<String>) {
        self.0.calls.lock().unwrap().push(what.into());
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.calls.lock().unwrap())
    }

    fn booked(&self) -> Vec<String> {
        let mut booked = self.0.booked.lock().unwrap().values().cloned().collect::<Vec<_>>();
        booked.sort();
        booked
    }

    fn hold(&self, what: &str) {
        *self.0.held.lock().unwrap() = Some(what.to_string());
    }

    async fn until_held(&self) {
        self.0.holds.notified().await;
    }

    fn release(&self) {
        *self.0.held.lock().unwrap() = None;
    }

    fn open(&self) {
        self.0.is_open.store(true, Ordering::SeqCst);
    }
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Hotel {
    room: u32,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Lodging {
    room: u64,
    floor: u32,
}

impl From<Hotel> for Lodging {
    fn from(old: Hotel) -> Self {
        Self { room: old.room.into(), floor: old.room / 100 }
    }
}

async fn book(cx: &ActionContext<World>, what: String) {
    cx.call(format!("book {what}"));
    cx.0.booked.lock().unwrap().insert(cx.idempotency_key(), what.clone());
    if *cx.0.held.lock().unwrap() == Some(what) {
        cx.0.holds.notify_one();
        std::future::pending::<()>().await;
    }
}

fn cancel(cx: &ActionContext<World>, what: String) -> Result<(), String> {
    cx.call(format!("cancel {what}"));
    let gone = cx.0.booked.lock().unwrap().remove(&cx.action_key());
    if gone.is_some() { Ok(()) } else { Err(format!("no {what} was booked under this key")) }
}

#[saga_action(undo = cancel_flight(output))]
async fn book_flight(cx: &ActionContext<World>, to: &str) -> Result<String, String> {
    book(cx, format!("flight to {to}")).await;
    Ok(to.to_string())
}

async fn cancel_flight(cx: &ActionContext<World>, to: &str) -> Result<(), String> {
    cancel(cx, format!("flight to {to}"))
}

#[saga_action(undo = cancel_hotel(output))]
async fn book_hotel(cx: &ActionContext<World>, to: &str) -> Result<Hotel, String> {
    book(cx, format!("hotel in {to}")).await;
    Ok(Hotel { room: 301 })
}

async fn cancel_hotel(cx: &ActionContext<World>, hotel: &Hotel) -> Result<(), String> {
    cancel(cx, format!("room {}", hotel.room))
}

#[saga_action(undo = cancel_lodging(output))]
async fn book_lodging(cx: &ActionContext<World>, to: &str) -> Result<Lodging, String> {
    book(cx, format!("lodging in {to}")).await;
    Ok(Lodging { room: 7, floor: 0 })
}

async fn cancel_lodging(cx: &ActionContext<World>, lodging: &Lodging) -> Result<(), String> {
    cancel(cx, format!("room {} on floor {}", lodging.room, lodging.floor))
}

#[saga_action(undo = cancel_car(output))]
async fn book_car(cx: &ActionContext<World>, to: &str) -> Result<String, String> {
    book(cx, format!("car in {to}")).await;
    Ok(to.to_string())
}

async fn cancel_car(cx: &ActionContext<World>, to: &str) -> Result<(), String> {
    cancel(cx, format!("car in {to}"))
}

/// Fails, and leaves no effect, until the gate is open.
#[saga_action(no_undo, retry(forever, base = "1s", cap = "1s"))]
async fn pass(cx: &ActionContext<World>) -> Result<(), String> {
    if cx.0.is_open.load(Ordering::SeqCst) { Ok(()) } else { Err("the gate is closed".into()) }
}

#[saga_action(no_undo, retry(max = 1))]
async fn confirm(cx: &ActionContext<World>, city: &str) -> Result<(), String> {
    cx.call(format!("confirm {city}"));
    if city == "Atlantis" { Err("it has sunk".into()) } else { Ok(()) }
}

mod v1 {
    use super::*;
    saga! {
        pub(crate) BookTrip<World>(city: String) -> String {
            let flight = book_flight { to: city };
            let hotel = book_hotel { to: city };
            pass {};
            confirm { city };
            { format!("{flight}, room {}", hotel.room) }
        }
    }
}

/// One node has another name and another type of output, and there is a new one.
mod v2 {
    use super::*;
    saga! {
        #[version = 2]
        pub(crate) BookTrip<World>(city: String, guests: u32) -> String {
            let flight = book_flight { to: city };
            let lodging = book_lodging { to: city };
            pass {};
            let car = book_car { to: city };
            confirm { city };
            { format!("{flight}, room {} on floor {}, car in {car}, {guests} guests", lodging.room, lodging.floor) }
        }
    }
}

/// One node is gone.
mod v3 {
    use super::*;
    saga! {
        #[version = 3]
        pub(crate) BookTrip<World>(city: String) -> String {
            let flight = book_flight { to: city };
            pass {};
            confirm { city };
            { flight.clone() }
        }
    }
}

fn migration() -> Migration<v1::BookTrip, v2::BookTrip> {
    Migration::new(|old: v1::BookTrip| v2::BookTrip { city: old.city, guests: 1 })
        .node(v1::BookTrip::hotel, v2::BookTrip::lodging)
        .undo_accepted(v1::BookTrip::hotel)
}

/// A store with a saga of version 1 that has booked flight and hotel, and waits at the gate. Its process has shut down.
async fn waiting_at_the_gate(world: &World, city: &str) -> Result<MemoryStore, Any> {
    let store = MemoryStore::new();
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<v1::BookTrip>().build().await?;
    sec.saga(v1::BookTrip { city: city.into() }).id("trip").start().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    sec.shutdown(Duration::from_secs(1)).await?;
    assert_eq!(world.calls().len(), 2);
    Ok(store)
}

/// The words of the saga's log from its migration on.
async fn since_migration(sec: &Coordinator<World>, id: &str) -> Result<Vec<String>, Any> {
    let view = sec.inspect(id).await?.ok_or("it is there")?;
    let words = view.log.entries().iter().map(|entry| match entry.node() {
        Some(node) => format!("{} {node}", entry.kind.name()),
        None => entry.kind.name().to_string(),
    });
    Ok(words.skip_while(|word| word != "migrated").collect())
}
