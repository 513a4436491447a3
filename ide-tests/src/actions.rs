//! Actions, one with each kind of parameter, and what they take and return.

use saga_core::prelude::*;
use serde::{Deserialize, Serialize};

/// Of the saga.
#[derive(Serialize, Deserialize)]
pub struct TripRequest {
    /// Where to.
    pub city: String,
    /// For how long.
    pub nights: u32,
}

/// A flight or a hotel.
#[derive(Debug, Serialize, Deserialize)]
pub struct Booking {
    /// What it costs.
    pub cents: u64,
    /// Where it is found.
    pub number: String,
}

/// Takes a reference.
#[saga_action(no_undo)]
pub async fn book_flight(city: &str) -> Result<Booking, String> {
    Ok(Booking { cents: 18_900, number: city.to_string() })
}

/// Takes a reference and a value.
#[saga_action(undo = cancel_hotel(output))]
pub async fn book_hotel(city: &str, nights: u32) -> Result<Booking, String> {
    Ok(Booking { cents: 9_500 * u64::from(nights), number: city.to_string() })
}

async fn cancel_hotel(_hotel: &Booking) -> Result<(), String> {
    Ok(())
}

/// With a context, which is no input.
#[saga_action(no_undo, timeout = "30s")]
pub async fn rent_car(_cx: &ActionContext<()>, city: &str, days: u32) -> Result<u32, String> {
    Ok(days + u32::try_from(city.len()).unwrap_or(0))
}

/// Takes outputs of other actions.
#[saga_action(no_undo)]
pub async fn confirm(flight: &Booking, hotel: &Booking, cents: u64) -> Result<String, String> {
    Ok(format!("{} {} {cents}", flight.number, hotel.number))
}
