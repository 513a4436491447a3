//! One action for each form that `#[saga_action]` accepts.

use std::convert::Infallible;
use std::io;

use saga_core::prelude::*;

use crate::types::{
    Agency, Airline, Car, Card, Flight, Hotel, Itinerary, Leg, Payment, PaymentError, Quote,
    TripRequest,
};

type Cx = ActionContext<Agency>;

/// Has no effect.
#[saga_action(no_undo = "only reads")]
pub async fn price_trip(
    _cx: &ActionContext<Agency>,
    trip: &TripRequest,
) -> Result<Quote, Infallible> {
    Ok(Quote { cents: u64::from(trip.nights) * 100 })
}

/// Undone with its output and an input.
#[saga_action(undo = cancel_flight(output, leg))]
pub async fn book_flight(_cx: &ActionContext<Agency>, leg: &Leg) -> Result<Flight, io::Error> {
    Ok(Flight { no: u32::try_from(leg.to.len()).unwrap_or(0) })
}

async fn cancel_flight(_cx: &Cx, _flight: &Flight, _leg: &Leg) -> Result<(), io::Error> {
    Ok(())
}

/// Undone with its output, if there is one.
#[saga_action(undo = cancel_hotel(output?, city), timeout = "3s", undo_timeout = "1m")]
pub async fn book_hotel<'h>(
    _cx: &ActionContext<Agency>,
    city: &'h str,
    nights: u32,
) -> Result<Hotel, io::Error> {
    Ok(Hotel { id: nights, name: city.to_string() })
}

async fn cancel_hotel(_cx: &Cx, _hotel: Option<&Hotel>, _city: &str) -> Result<(), io::Error> {
    Ok(())
}

/// Undone by its input alone, and its context is behind an alias.
#[saga_action(undo = return_car(city), undo_retry(forever, cap = "5m"))]
pub async fn rent_car(cx: &Cx, city: &str) -> io::Result<Car> {
    let _ = (cx.attempt(), city);
    Ok(Car { id: 1 })
}

async fn return_car(_cx: &Cx, _city: &str) -> io::Result<()> {
    Ok(())
}

/// Retried, and in doubt after some errors.
#[saga_action(
    undo = refund(output?),
    retry(max = 5, base = "100ms", cap = "10s", factor = 1.5, jitter = 1, when = is_transient),
    timeout = "30s",
    in_doubt = PaymentError::is_ambiguous,
    label = "charge the card",
    name = "charge",
    rev = 2
)]
pub async fn charge_card(
    _cx: &ActionContext<Agency>,
    card: &Card,
    cents: u64,
) -> Result<Payment, PaymentError> {
    Ok(Payment { id: card.number.clone(), cents })
}

async fn refund(_cx: &Cx, _payment: Option<&Payment>) -> Result<(), PaymentError> {
    Ok(())
}

fn is_transient(error: &PaymentError) -> bool {
    !matches!(error, PaymentError::Declined)
}

/// Goes forward only.
#[saga_action(no_undo, retry(forever))]
pub async fn issue_itinerary(
    _cx: &ActionContext<Agency>,
    trip: &TripRequest,
    flight: &Flight,
    hotel: &Hotel,
    car: &Car,
    payment: &Payment,
) -> Result<Itinerary, io::Error> {
    let text = format!("{} {flight:?} {hotel:?} {car:?} {payment:?}", trip.city);
    Ok(Itinerary { text })
}

/// For sagas of any context.
#[saga_action(no_undo)]
pub async fn note(text: &str) -> Result<String, String> {
    Ok(text.to_string())
}

/// The same, without inputs, and its output is none.
#[saga_action(undo = unpoke())]
pub async fn poke() -> Result<(), String> {
    Ok(())
}

async fn unpoke() -> Result<(), String> {
    Ok(())
}

/// Takes values.
#[saga_action(no_undo)]
pub async fn add(a: u32, b: u32) -> Result<u32, Infallible> {
    Ok(a + b)
}

/// Another context.
#[saga_action(no_undo)]
pub async fn take_off(_cx: &ActionContext<Airline>) -> Result<(), String> {
    Ok(())
}

/// A keyword for a name, and one for a parameter.
#[saga_action(no_undo)]
pub async fn r#match(r#type: &str) -> Result<usize, String> {
    Ok(r#type.len())
}
