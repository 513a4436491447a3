//! The saga: five actions, the undos of four of them, and the order in which they run.

use saga_core::prelude::*;

use crate::types::{
    Agency, BookingError, Car, Card, Flight, Hotel, Itinerary, ItineraryError, Leg, Payment,
    PaymentError, PricingError, Quote, TripRequest,
};
use crate::world::{Call, ServiceError};

saga! {
    /// Books a flight, a hotel and a car and charges for them: all of it, or nothing.
    pub(crate) BookTrip<Agency>(trip: TripRequest) -> Itinerary {
        let quote = price_trip { trip };
        parallel {
            let flight = book_flight { leg: &trip.flight };
            let hotel  = book_hotel { city: &trip.city, nights: trip.nights };
            let car    = rent_car { city: &trip.city };
        }
        let payment = charge_card { card: &trip.card, cents: quote.cents };
        issue_itinerary { trip, flight, hotel, car, payment }
    }
}

// The process may die after the airline has booked and before the log says so, and when we ask again, the flight may
// be sold out. An undo `cancel_flight(output)` could not run then, because it would have no output, and the saga would
// be stuck. So every undo here also works without an output, by the key of the call.

#[saga_action(no_undo = "read only")]
pub(crate) async fn price_trip(
    cx: &ActionContext<Agency>,
    trip: &TripRequest,
) -> Result<Quote, PricingError> {
    cx.world.quote(trip)
}

/// The undo uses the output if there is one.
#[saga_action(undo = cancel_flight(output?), timeout = "5s")]
pub(crate) async fn book_flight(
    cx: &ActionContext<Agency>,
    leg: &Leg,
) -> Result<Flight, BookingError> {
    cx.world.book_flight(Call::of(cx), leg).await
}

async fn cancel_flight(
    cx: &ActionContext<Agency>,
    flight: Option<&Flight>,
) -> Result<(), ServiceError> {
    let call = Call::of(cx);
    let key = flight.map_or(call.key, |flight| flight.booking);
    cx.world.cancel(Call { key, ..call }, "flight").await
}

/// The undo uses only the key of the call, and needs no output.
#[saga_action(undo = cancel_hotel(), timeout = "5s", undo_timeout = "5s")]
pub(crate) async fn book_hotel(
    cx: &ActionContext<Agency>,
    city: &str,
    nights: u32,
) -> Result<Hotel, BookingError> {
    cx.world.book_hotel(Call::of(cx), city, nights).await
}

async fn cancel_hotel(cx: &ActionContext<Agency>) -> Result<(), ServiceError> {
    cx.world.cancel(Call::of(cx), "hotel").await
}

/// The undo is retried until it succeeds.
#[saga_action(undo = return_car(), timeout = "5s", undo_retry(forever, base = "10ms", cap = "1s"))]
pub(crate) async fn rent_car(cx: &ActionContext<Agency>, city: &str) -> Result<Car, BookingError> {
    cx.world.rent_car(Call::of(cx), city).await
}

async fn return_car(cx: &ActionContext<Agency>) -> Result<(), ServiceError> {
    cx.world.cancel(Call::of(cx), "car").await
}

/// Charges the card once, however often it is called with this key.
#[saga_action(
    undo = refund(output?),
    retry(max = 3, base = "10ms", when = PaymentError::is_ambiguous),
    timeout = "5s",
    in_doubt = PaymentError::is_ambiguous
)]
pub(crate) async fn charge_card(
    cx: &ActionContext<Agency>,
    card: &Card,
    cents: u64,
) -> Result<Payment, PaymentError> {
    cx.world.charge(Call::of(cx), card, cents).await
}

/// `None`: it is unknown whether the charge went through; the key of the call finds it.
async fn refund(cx: &ActionContext<Agency>, payment: Option<&Payment>) -> Result<(), ServiceError> {
    let call = Call::of(cx);
    let key = payment.map_or(call.key, |payment| payment.booking);
    cx.world.cancel(Call { key, ..call }, "payment").await
}

#[saga_action(no_undo = "only renders what is booked", retry(max = 3, base = "10ms"))]
pub(crate) async fn issue_itinerary(
    cx: &ActionContext<Agency>,
    trip: &TripRequest,
    flight: &Flight,
    hotel: &Hotel,
    car: &Car,
    payment: &Payment,
) -> Result<Itinerary, ItineraryError> {
    let itinerary = Itinerary {
        flight: flight.number.clone(),
        hotel: hotel.name.clone(),
        car: car.model.clone(),
        cents: payment.cents,
    };
    cx.world.issue(itinerary, &trip.deliver_by).await
}
