//! What the actions take and return.

use serde::{Deserialize, Serialize};

/// The context.
#[derive(Default)]
pub struct Agency;

/// Another context.
pub struct Airline;

macro_rules! data {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty),* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct $name { $(#[allow(missing_docs)] pub $field: $ty),* }
    )*};
}

data! {
    /// Of a saga.
    TripRequest { city: String, nights: u32, flight: Leg, card: Card }
    /// Of a flight.
    Leg { from: String, to: String }
    /// To charge.
    Card { number: String }
    /// What it costs.
    Quote { cents: u64 }
    /// Booked.
    Flight { no: u32 }
    /// Booked.
    Hotel { id: u32, name: String }
    /// Rented.
    Car { id: u32 }
    /// Charged.
    Payment { id: String, cents: u64 }
    /// What the customer gets.
    Itinerary { text: String }
}

/// What goes wrong with cards.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub enum PaymentError {
    /// By the bank.
    #[error("card declined")]
    Declined,
    /// No answer.
    #[error("connection lost")]
    Lost,
}

impl PaymentError {
    /// True if the card may have been charged.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Lost)
    }
}
