//! Every construct of the language.

use std::borrow::Cow;

use saga_core::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Desk;
use crate::actions::{Booking, book, lock, pause, remember};

/// How many places are wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Wish {
    /// None.
    Nothing,
    /// So many.
    Seats(u32),
    /// Of several.
    Rows {
        /// How many in each.
        rows: Vec<u32>,
        /// Whether together.
        together: bool,
    },
}

saga! {
    /// Books what each guest wishes.
    #[derive(PartialEq)]
    #[name = "pedantic.dinner"]
    #[serde(deny_unknown_fields)]
    pub Dinner<Desk>(
        /// Who comes.
        guests: Vec<String>,
        #[serde(default)]
        late: Option<u32>,
        r#type: String,
    ) -> String {
        const HOUSE: String = "inn".to_string();
        const SIZES: [u32; 2] = [1, 2];
        let id = new_uuid {};
        let started = now {};
        fail_if { condition: guests.len() > 100, message: "a full house" };
        #[label = "the table"]
        #[retry(max = 2, base = "1s")]
        #[timeout = "5s"]
        let table = book { name: HOUSE, seats: 1, remarks: &[Cow::Borrowed("by the window")] };
        lock {};
        let total: usize = { guests.len() + table.name.len() };
        parallel {
            let first = remember { text: guests.first() };
            {
                let again = remember { text: Some(first) };
                let last = remember { text: guests.last() };
            }
            #[cfg(not(feature = "patient"))]
            #[after(again)]
            let waited = pause { r#for: 1 };
            #[cfg(feature = "patient")]
            #[after(again)]
            let waited = pause { r#for: 2 };
        }
        #[concurrency = 2]
        let places = for (i, guest) in guests.iter().enumerate().collect::<Vec<_>>() {
            let wish: Wish = { wish_of(guest, SIZES) };
            let seats = match wish {
                Wish::Nothing => pause { r#for: 0 },
                Wish::Seats(n) if *n > 3 => pause { r#for: *n },
                Wish::Seats(0) | Wish::Rows { rows: _, together: true } if let Some(n) = late => pause { r#for: *n },
                Wish::Seats(n) => {
                    let booking = Places { name: guest.clone(), seats: *n };
                    { booking.seats }
                }
                Wish::Rows { rows, .. } => {
                    let booked = for row in rows { pause { r#for: *row } };
                    { booked.iter().sum() }
                }
            };
            let extra = if let Some(late) = late && *late > 0 { pause { r#for: *late } };
            { format!("{i}:{guest}:{seats}:{extra:?}") }
        };
        let nobody = for _ in Vec::<u8>::new() { lock {} };
        let kind = if r#type.is_empty() {
            remember { text: None }
        } else if guests.is_empty() {
            Named { text: format!("{type}{id}"), of: Vec::new() }
        } else {
            let text = { format!("{last}{total}{waited}{}{}", started > &0, nobody.len()) };
            remember { text: Some(text) }
        };
        match places.as_slice() {
            [] => Named { text: kind.clone(), of: guests.clone() },
            [first, ..] => remember { text: Some(first) },
        }
    }

    Places<Desk>(name: String, seats: u32) -> Booking {
        let booking = book { name, seats: *seats, remarks: &[] };
        Booking { name: booking.name.to_uppercase(), seats: booking.seats }
    }

    /// Goes forward only.
    #[retry(forever)]
    pub Named<Desk>(text: String, of: Vec<String>) -> String {
        let waited = pause { r#for: 1 };
        { format!("{text}{}{waited}", of.join(",")) }
    }
}

saga! {
    /// With a point of no return.
    pub Pay<Desk>(name: String) {
        #[pivot]
        let paid = book { name, seats: 1, remarks: &[] };
        #[retry(forever)]
        remember { text: Some(&paid.name) };
        let other = pause { r#for: 2 };
        pause { r#for: *other };
    }
}

fn wish_of(guest: &str, sizes: &[u32]) -> Wish {
    match guest.len() {
        0 => Wish::Nothing,
        1..5 => Wish::Seats(sizes.iter().sum()),
        n => Wish::Rows { rows: sizes.to_vec(), together: n % 2 == 0 },
    }
}
