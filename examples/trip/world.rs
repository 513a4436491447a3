//! The outside world: airlines, hotels, car rentals and a bank, as rows in a SQLite file of their own.
//!
//! It meets the obligations of a service that sagas call:
//! - a booking has a key, and repeated calls with this key return the same result and book nothing more, even
//!   after the booking was cancelled;
//! - cancelling twice is the same as cancelling once;
//! - cancelling a booking that does not exist leaves a tombstone, so that a late call with this key is refused
//!   when it arrives.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use saga_core::ActionContext;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::types::{
    Agency, BookingError, Car, Card, Flight, Hotel, Itinerary, ItineraryError, Leg, Payment,
    PaymentError, PricingError, Quote, TripRequest,
};

/// The kinds of bookings, which are also the names of the nodes that make them.
pub(crate) const KINDS: [&str; 4] = ["flight", "hotel", "car", "payment"];

/// `calls` counts the booking calls that arrived with the key; it is 0 for a tombstone.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS effect (
        key   TEXT    NOT NULL PRIMARY KEY,
        kind  TEXT    NOT NULL,
        trip  TEXT    NOT NULL,
        state TEXT    NOT NULL CHECK (state IN ('booked', 'cancelled')),
        cents INTEGER NOT NULL,
        calls INTEGER NOT NULL
    ) STRICT";

struct City {
    name: &'static str,
    /// Number and price; `None` if sold out.
    flight: Option<(&'static str, u64)>,
    /// Name and price per night; `None` if full.
    hotel: Option<(&'static str, u64)>,
    /// Model and price; `None` if there is no car.
    car: Option<(&'static str, u64)>,
}

const CITIES: [City; 6] = [
    city(
        "Rome",
        Some(("AZ 417", 18_900)),
        Some(("Hotel Tevere", 9_500)),
        Some(("Fiat 500", 7_000)),
    ),
    city(
        "Lisbon",
        Some(("TP 533", 21_400)),
        Some(("Casa Tejo", 8_200)),
        Some(("Seat Ibiza", 6_400)),
    ),
    city(
        "Vienna",
        Some(("OS 226", 12_000)),
        Some(("Am Ring", 11_000)),
        Some(("Skoda Fabia", 5_900)),
    ),
    city("Oslo", None, Some(("Fjordheim", 14_000)), Some(("VW Golf", 9_900))),
    city("Paris", Some(("AF 1735", 14_300)), None, Some(("Renault Clio", 6_800))),
    city("Venice", Some(("AZ 469", 16_100)), Some(("Ca' Laguna", 13_500)), None),
];

const fn city(
    name: &'static str,
    flight: Option<(&'static str, u64)>,
    hotel: Option<(&'static str, u64)>,
    car: Option<(&'static str, u64)>,
) -> City {
    City { name, flight, hotel, car }
}

fn find(name: &str) -> Option<&'static City> {
    CITIES.iter().find(|city| city.name == name)
}

/// The errors that every service may return.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum ServiceError {
    #[error("the {kind} was cancelled before it was booked")]
    Cancelled { kind: String },
    #[error("the outside world is broken: {0}")]
    Broken(String),
}

impl From<rusqlite::Error> for ServiceError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// The trip that calls, and the key of the call.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) key: Uuid,
    pub(crate) trip: String,
}

impl Call {
    /// In an action, its own key; in an undo, the key of the action that it undoes.
    pub(crate) fn of(cx: &ActionContext<Agency>) -> Self {
        Self { key: cx.action_key(), trip: cx.saga_id().to_string() }
    }
}

/// The bookings of each trip, by kind, with the amounts.
pub(crate) type Booked = BTreeMap<String, BTreeMap<String, u64>>;

/// The connection to the outside world.
pub(crate) struct World {
    db: Arc<Mutex<Connection>>,
    crash_at: Option<String>,
}

impl World {
    /// Opens the world's file. The process aborts as soon as a booking of the kind `crash_at` is committed.
    pub(crate) fn open(path: &Path, crash_at: Option<String>) -> rusqlite::Result<Self> {
        let db = Connection::open(path)?;
        db.pragma_update(None, "journal_mode", "wal")?;
        db.pragma_update(None, "synchronous", "normal")?;
        db.execute(SCHEMA, [])?;
        Ok(Self { db: Arc::new(Mutex::new(db)), crash_at })
    }

    pub(crate) fn quote(&self, trip: &TripRequest) -> Result<Quote, PricingError> {
        let unknown = || PricingError::UnknownCity { city: trip.city.clone() };
        let city = find(&trip.city).ok_or_else(unknown)?;
        let price = |offer: Option<(&str, u64)>| offer.map_or(0, |(_, cents)| cents);
        let nights = price(city.hotel) * u64::from(trip.nights);
        Ok(Quote { cents: price(city.flight) + nights + price(city.car) })
    }

    pub(crate) async fn book_flight(&self, call: Call, leg: &Leg) -> Result<Flight, BookingError> {
        let offer = find(&leg.to).and_then(|city| city.flight);
        let offer = offer.ok_or_else(|| BookingError::SoldOut { to: leg.to.clone() });
        let (number, booking) = (offer.as_ref().map_or("", |(number, _)| number), call.key);
        self.book(call, "flight", offer.map(|(_, cents)| cents)).await?;
        Ok(Flight { booking, number: format!("{number} {}-{}", leg.from, leg.to) })
    }

    pub(crate) async fn book_hotel(
        &self,
        call: Call,
        city: &str,
        nights: u32,
    ) -> Result<Hotel, BookingError> {
        let offer = find(city).and_then(|city| city.hotel);
        let offer = offer.ok_or_else(|| BookingError::HotelFull { city: city.to_string() });
        let name = offer.as_ref().map_or("", |(name, _)| name);
        self.book(call, "hotel", offer.map(|(_, cents)| cents * u64::from(nights))).await?;
        Ok(Hotel { name: format!("{name} ({nights} nights)") })
    }

    pub(crate) async fn rent_car(&self, call: Call, city: &str) -> Result<Car, BookingError> {
        let offer = find(city).and_then(|city| city.car);
        let offer = offer.ok_or_else(|| BookingError::NoCar { city: city.to_string() });
        let model = offer.as_ref().map_or("", |(model, _)| model);
        self.book(call, "car", offer.map(|(_, cents)| cents)).await?;
        Ok(Car { model: model.to_string() })
    }

    /// The last digits of the card determine the result, as with the test cards of real payment providers.
    pub(crate) async fn charge(
        &self,
        call: Call,
        card: &Card,
        cents: u64,
    ) -> Result<Payment, PaymentError> {
        let booking = call.key;
        let declined = card.number.ends_with("0002");
        let amount = if declined { Err(PaymentError::Declined) } else { Ok(cents) };
        let calls = self.book(call, "payment", amount).await?;
        // the card is charged, but the answer does not arrive
        let lost = match card.number.get(card.number.len().saturating_sub(4)..) {
            Some("9995") => calls == 1,
            Some("9999") => true,
            _ => false,
        };
        if lost { Err(PaymentError::ConnectionReset) } else { Ok(Payment { booking, cents }) }
    }

    pub(crate) async fn issue(
        &self,
        itinerary: Itinerary,
        by: &str,
    ) -> Result<Itinerary, ItineraryError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        match by {
            "fax" => Err(ItineraryError::ServiceDown { by: by.to_string() }),
            _ => Ok(itinerary),
        }
    }

    /// Books once per key, if there is something to book. Returns how many calls arrived with this key.
    async fn book<E>(&self, call: Call, kind: &'static str, offer: Result<u64, E>) -> Result<u32, E>
    where
        E: From<ServiceError> + Send + 'static,
    {
        let crash = self.crash_at.as_deref() == Some(kind);
        let key = call.key;
        self.ask(key, move |db| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate);
            let tx = tx.map_err(ServiceError::from)?;
            let key = call.key.to_string();
            let earlier =
                "UPDATE effect SET calls = calls + 1 WHERE key = ?1 AND calls > 0 RETURNING calls";
            let earlier = tx.query_row(earlier, [&key], |row| row.get::<_, u32>(0)).optional();
            let calls = match earlier.map_err(ServiceError::from)? {
                Some(calls) => calls,
                None => {
                    let tombstone = "SELECT count(*) FROM effect WHERE key = ?1";
                    let tombstone = tx.query_row(tombstone, [&key], |row| row.get::<_, u32>(0));
                    if tombstone.map_err(ServiceError::from)? > 0 {
                        return Err(ServiceError::Cancelled { kind: kind.to_string() }.into());
                    }
                    let new = "INSERT INTO effect VALUES (?1, ?2, ?3, 'booked', ?4, 1)";
                    let row = (&key, kind, &call.trip, offer?.cast_signed());
                    tx.execute(new, row).map_err(ServiceError::from)?;
                    1
                }
            };
            tx.commit().map_err(ServiceError::from)?;
            if crash && calls == 1 {
                eprintln!("crashing now, after the effect of `{kind}` on {}", call.trip);
                std::process::abort();
            }
            Ok(calls)
        })
        .await
    }

    /// Cancels the booking with this key, or leaves a tombstone.
    pub(crate) async fn cancel(&self, call: Call, kind: &'static str) -> Result<(), ServiceError> {
        self.ask(call.key, move |db| {
            let sql = "INSERT INTO effect VALUES (?1, ?2, ?3, 'cancelled', 0, 0)
                       ON CONFLICT (key) DO UPDATE SET state = 'cancelled'";
            db.execute(sql, (call.key.to_string(), kind, &call.trip))?;
            Ok(())
        })
        .await
    }

    /// All bookings that are not cancelled.
    pub(crate) async fn booked(&self) -> Result<Booked, ServiceError> {
        self.ask(Uuid::nil(), |db| {
            let mut booked = Booked::new();
            let sql = "SELECT trip, kind, cents FROM effect WHERE state = 'booked'";
            let mut rows = db.prepare(sql)?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                let cents = row.get::<_, i64>(2)?.cast_unsigned();
                booked.entry(row.get(0)?).or_default().insert(row.get(1)?, cents);
            }
            Ok(booked)
        })
        .await
    }

    /// Runs a request on the database; the answer takes 5 to 20 ms.
    async fn ask<T, E, F>(&self, key: Uuid, request: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<ServiceError> + Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        let db = self.db.clone();
        let answer = tokio::task::spawn_blocking(move || {
            request(&mut db.lock().unwrap_or_else(PoisonError::into_inner))
        })
        .await
        .map_err(|e| ServiceError::Broken(e.to_string()))?;
        tokio::time::sleep(Duration::from_millis(5 + u64::from(key.as_bytes()[15]) % 16)).await;
        answer
    }
}
