//! A saga and what may become of it.

use saga_core::prelude::*;

#[saga_action(no_undo)]
pub(crate) async fn price(city: &str) -> Result<u64, String> {
    Ok(city.len() as u64)
}
#[saga_action(undo = cancel(), retry(max = 3, base = "10ms"), timeout = "5s")]
pub(crate) async fn book(what: &str) -> Result<u64, String> {
    Ok(what.len() as u64)
}
#[saga_action(undo = cancel(), rev = 1, name = "book")]
pub(crate) async fn book_otherwise(what: &str) -> Result<u64, String> {
    Ok(what.len() as u64)
}
#[saga_action(no_undo, name = "book")]
pub(crate) async fn book_for_good(what: &str) -> Result<u64, String> {
    Ok(what.len() as u64)
}
#[saga_action(undo = cancel())]
pub(crate) async fn pay(cents: u64) -> Result<u64, String> {
    Ok(cents)
}
#[saga_action(no_undo)]
pub(crate) async fn mail(text: String) -> Result<String, String> {
    Ok(text)
}
async fn cancel() -> Result<(), String> {
    Ok(())
}

/// One version of the saga, in a module of its own.
macro_rules! trips {
    ($($(#[$doc:meta])* $name:ident { $($saga:tt)* })*) => {$(
        $(#[$doc])*
        pub(crate) mod $name {
            #[allow(unused_imports)]
            use super::{book, book_for_good, book_otherwise, mail, pay, price};
            use saga_core::prelude::*;

            saga! { $($saga)* }
        }
    )*};
}

trips! {
    first {
        pub(crate) Trip<()>(city: String, guests: u32) -> u64 {
            let quote = price { city };
            parallel {
                let flight = book { what: "flight" };
                let hotel = book { what: city };
            }
            let seats = for guest in 0..*guests {
                let number: u32 = { guest + 1 };
                book { what: &format!("seat {number}") }
            };
            let total: u64 = { quote + flight + hotel + seats.len() as u64 };
            let paid = pay { cents: *total };
            mail { text: format!("paid {paid}") };
            paid
        }
    }
    other_options {
        pub(crate) Trip<()>(city: String, guests: u32) -> u64 {
            #[label = "ask for the price"]
            let quote = price { city };
            parallel {
                #[timeout = "9s"]
                let flight = book { what: "flight" };
                #[retry(forever)]
                let hotel = book { what: city };
            }
            #[concurrency = 2]
            let seats = for guest in 0..*guests {
                let number: u32 = { guest + 1 };
                #[undo_retry(max = 99)]
                book { what: &format!("seat {number}") }
            };
            let total: u64 = { quote + flight + hotel + seats.len() as u64 };
            let paid = pay { cents: *total };
            mail { text: format!("paid {paid}") };
            paid
        }
    }
    other_types {
        pub(crate) Trip<()>(city: String, guests: u32) -> u64 {
            let quote = price { city };
            parallel {
                let flight = book { what: "flight" };
                let hotel = book { what: city };
            }
            let seats = for guest in 0..*guests {
                let number: u64 = { u64::from(guest + 1) };
                book { what: &format!("seat {number}") }
            };
            let total: u128 = { u128::from(quote + flight + hotel + seats.len() as u64) };
            let paid = pay { cents: *total as u64 };
            mail { text: format!("paid {paid}") };
            paid
        }
    }
    /// In other words, and without the last node.
    wherever_they_are {
        pub(crate) Trip<()>(city: String, guests: u32) -> u64 {
            let quote = price { city };
            parallel {
                let hotel = book { what: city };
                let flight = book { what: "flight" };
            }
            let seats = for guest in 0..*guests {
                let number: u32 = { guest + 1 };
                book { what: &format!("seat {number}") }
            };
            let total: u64 = { quote + flight + hotel + seats.len() as u64 };
            pay { cents: *total };
            { *total }
        }
    }
    new_nodes {
        pub(crate) Trip<()>(city: String, guests: u32) -> u64 {
            let quote = price { city };
            parallel {
                let flight = book { what: "flight" };
                let hotel = book { what: city };
                let car = book { what: "car" };
            }
            let seats = for guest in 0..*guests {
                let number: u32 = { guest + 1 };
                book { what: &format!("seat {number}") }
            };
            let total: u64 = { quote + flight + hotel + car + seats.len() as u64 };
            let paid = pay { cents: *total };
            mail { text: format!("paid {paid}") };
            let _reminder = mail { text: format!("do not forget {paid}") };
            paid
        }
    }
    /// Every saga asks for the price first, and now for something before it.
    new_first_node {
        pub(crate) Trip<()>(city: String, guests: u32) -> u64 {
            let fee = price { city: "fee" };
            let quote = price { city };
            parallel {
                let flight = book { what: "flight" };
                let hotel = book { what: city };
            }
            let seats = for guest in 0..*guests {
                let number: u32 = { guest + 1 };
                book { what: &format!("seat {number}") }
            };
            let total: u64 = { fee + quote + flight + hotel + seats.len() as u64 };
            let paid = pay { cents: *total };
            mail { text: format!("paid {paid}") };
            paid
        }
    }
    gone_and_renamed {
        pub(crate) Trip<()>(city: String, guests: u32) -> u64 {
            let quote = price { city };
            parallel {
                let lodging = book { what: city };
            }
            let seats = for guest in 0..*guests {
                let number: u32 = { guest + 1 };
                book { what: &format!("seat {number}") }
            };
            let total: u64 = { quote + lodging + seats.len() as u64 };
            let paid = pay { cents: *total };
            mail { text: format!("paid {paid}") };
            paid
        }
    }
    other_actions_and_inputs {
        pub(crate) Trip<()>(city: String, guests: u32) -> u64 {
            let quote = price { city };
            parallel {
                let flight = book_otherwise { what: &format!("flight to {city}") };
                let hotel = book_for_good { what: city };
            }
            let seats = for guest in 0..*guests {
                let number: u32 = { guest + 1 };
                book { what: &format!("seat {number}") }
            };
            let total: u64 = { quote + flight + hotel + seats.len() as u64 };
            let paid = pay { cents: *total };
            mail { text: city.clone() };
            paid
        }
    }
    another_order {
        pub(crate) Trip<()>(city: String, guests: u32) -> u64 {
            let quote = price { city };
            let flight = book { what: "flight" };
            let hotel = book { what: city };
            let seats = for guest in 0..*guests {
                let number: u32 = { guest + 1 };
                book { what: &format!("seat {number}") }
            };
            let total: u64 = { quote + flight + hotel + seats.len() as u64 };
            let paid = pay { cents: *total };
            mail { text: format!("paid {paid}") };
            paid
        }
    }
    other_parts_and_a_pivot {
        pub(crate) Trip<()>(city: String, guests: u32) -> u64 {
            let quote = price { city };
            parallel {
                let flight = book { what: "flight" };
                let hotel = book { what: city };
            }
            let seats = for guest in 0..*guests {
                let number: u32 = { guest + 2 };
                let again: u32 = { number + 1 };
                book { what: &format!("seat {again}") }
            };
            let total: u64 = { quote + flight + hotel + seats.len() as u64 };
            #[pivot]
            let paid = pay { cents: *total };
            #[retry(forever)]
            mail { text: format!("paid {paid}") };
            paid
        }
    }
    /// A node of another kind, and another type, under a number of its own.
    other_kinds {
        pub(crate) Trip<()>(city: String, guests: u32) -> u64 {
            let quote = price { city };
            parallel {
                let flight: u64 = { 7 };
                let hotel = book { what: city };
            }
            let seats = for guest in 0..*guests {
                let number: u32 = { guest + 1 };
                book { what: &format!("seat {number}") }
            };
            let total: u128 = { u128::from(quote + flight + hotel + seats.len() as u64) };
            let paid = pay { cents: *total as u64 };
            let receipt: String = { format!("paid {paid}") };
            { *paid + receipt.len() as u64 }
        }
    }
}

/// The same as the first one, under another number.
pub(crate) mod second {
    use super::{book, mail, pay, price};
    use saga_core::prelude::*;

    saga! {
        #[version = 2]
        pub(crate) Trip<()>(city: String, guests: u32) -> u64 {
            let quote = price { city };
            parallel {
                let flight = book { what: "flight" };
                let hotel = book { what: city };
            }
            let seats = for guest in 0..*guests {
                let number: u32 = { guest + 1 };
                book { what: &format!("seat {number}") }
            };
            let total: u64 = { quote + flight + hotel + seats.len() as u64 };
            let paid = pay { cents: *total };
            mail { text: format!("paid {paid}") };
            paid
        }
    }
}

/// With everything that a saga can consist of.
pub(crate) mod whole {
    use super::{book, pay};
    use saga_core::prelude::*;

    saga! {
        #[version = 3]
        pub(crate) Tour<()>(cities: Vec<String>, night: bool) -> u64 {
            const FEE: u64 = 7;
            let ride = if *night { book { what: "taxi" } } else { Train { stops: cities.clone() } };
            let way = match cities.as_slice() {
                [] => {
                    let rest = book { what: "a \"quiet\" room" };
                    book { what: &format!("{rest}") }
                }
                [_, ..] => { { 0 } }
            };
            let train = Train { stops: cities.clone() };
            #[pivot]
            let paid = pay { cents: ride + way + train + FEE };
            paid
        }
        pub(crate) Train<()>(stops: Vec<String>) -> u64 {
            let tickets = for stop in stops { book { what: stop } };
            { tickets.iter().sum::<u64>() }
        }
    }
}
