//! The inputs, outputs and errors of the trip saga's nodes. They are stored in the saga's log, so all of them are
//! `Serialize` and `Deserialize`.

use saga_core::ActionError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::world::{ServiceError, World};

/// The context of the saga, which all actions share.
pub(crate) struct Agency {
    pub(crate) world: World,
}

/// A customer's request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TripRequest {
    pub(crate) flight: Leg,
    pub(crate) city: String,
    pub(crate) nights: u32,
    pub(crate) card: Card,
    /// How the itinerary is sent: `email`, `app` or `fax`.
    pub(crate) deliver_by: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leg {
    pub(crate) from: String,
    pub(crate) to: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Card {
    pub(crate) number: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Quote {
    pub(crate) cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Flight {
    /// The key with which it was booked, and with which it is cancelled.
    pub(crate) booking: Uuid,
    pub(crate) number: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hotel {
    pub(crate) name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Car {
    pub(crate) model: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) booking: Uuid,
    pub(crate) cents: u64,
}

/// The result for the customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Itinerary {
    pub(crate) flight: String,
    pub(crate) hotel: String,
    pub(crate) car: String,
    pub(crate) cents: u64,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum PricingError {
    #[error("we don't travel to {city}")]
    UnknownCity { city: String },
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum BookingError {
    #[error("flight to {to} is sold out")]
    SoldOut { to: String },
    #[error("hotel in {city} is full")]
    HotelFull { city: String },
    #[error("no car in {city}")]
    NoCar { city: String },
    #[error(transparent)]
    Service(#[from] ServiceError),
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum PaymentError {
    #[error("card declined")]
    Declined,
    #[error("connection reset")]
    ConnectionReset,
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl PaymentError {
    /// The card may have been charged: the connection was lost before the answer arrived.
    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(self, Self::ConnectionReset)
    }

    /// The same for an error in a saga's report, which is stored as JSON.
    pub(crate) fn leaves_open(error: &ActionError) -> bool {
        error.clone().convert::<Self>().is_ok_and(|error| error.is_ambiguous())
    }
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum ItineraryError {
    #[error("itinerary service is down: no answer by {by}")]
    ServiceDown { by: String },
}
