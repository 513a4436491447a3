use saga_core::prelude::*;
use saga_core::Migration;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Hotel { pub room: u32 }
#[derive(Serialize, Deserialize)]
pub struct Lodging { pub room: u64 }

#[saga_action(no_undo)]
async fn book_hotel(city: &str) -> Result<Hotel, String> { Ok(Hotel { room: city.len() as u32 }) }

#[saga_action(no_undo)]
async fn book_lodging(city: &str) -> Result<Lodging, String> { Ok(Lodging { room: city.len() as u64 }) }

mod v1 {
    use super::{Hotel, book_hotel};
    use saga_core::prelude::*;
    saga! { pub(crate) BookTrip<()>(city: String) -> Hotel { let hotel = book_hotel { city }; hotel } }
}

saga! {
    #[version = 2]
    BookTrip<()>(city: String) -> Lodging { let lodging = book_lodging { city }; lodging }
}

fn main() {
    let _ = Migration::new(|_: v1::BookTrip| BookTrip {});
}
