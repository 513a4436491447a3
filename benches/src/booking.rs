//! What every action of every workload returns.

use serde::{Deserialize, Serialize};

/// The output of an action: a struct of five fields, about 100 bytes of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Booking {
    /// Tells bookings apart.
    pub number: u64,
    /// Who travels.
    pub guest: String,
    /// Where to.
    pub city: String,
    /// What it costs.
    pub cents: u64,
    /// Whether it is certain.
    pub confirmed: bool,
}

impl Booking {
    /// Makes one up.
    pub fn new(number: u64) -> Self {
        let (guest, city) = ("Emmy Noether".to_owned(), "Göttingen, Lower Saxony".to_owned());
        Self { number, guest, city, cents: 18_900, confirmed: true }
    }
}
