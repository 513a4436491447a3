//! What cannot be an event, and arguments that there are not.

use saga_core::prelude::*;

#[saga_event]
enum Paid {
    Card,
    Cash,
}

#[saga_event]
struct Done;

#[saga_event]
struct Amount(u64);

#[saga_event]
struct Any<T> {
    what: T,
}

#[saga_event(revision = 2)]
struct Shipped {
    parcel: u64,
}

fn main() {}
