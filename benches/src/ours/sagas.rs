//! The actions of the workloads, and the sagas of a fixed shape.

use saga_core::prelude::*;

use crate::booking::Booking;
use crate::gate::Gate;

/// Makes a booking.
#[saga_action(undo = cancel(output?))]
pub async fn book(number: u64) -> Result<Booking, String> {
    Ok(Booking::new(number))
}

/// Makes a booking after another one.
#[saga_action(undo = cancel(output?))]
pub async fn book_next(before: &Booking) -> Result<Booking, String> {
    Ok(Booking::new(before.number + 1))
}

async fn cancel(_booking: Option<&Booking>) -> Result<(), String> {
    Ok(())
}

/// Waits until the gate is open.
#[saga_action(no_undo)]
pub async fn wait(cx: &ActionContext<Gate>, before: &Booking) -> Result<Booking, String> {
    cx.pass().await;
    Ok(Booking::new(before.number + 1))
}

/// Fails.
#[saga_action(no_undo)]
pub async fn fail(before: &Booking) -> Result<Booking, String> {
    Err(format!("booking {} is one too many", before.number))
}

/// The numbers below `count`.
#[saga_action(no_undo)]
pub async fn list(count: u64) -> Result<Vec<u64>, String> {
    Ok((0..count).collect())
}

saga! {
    /// Five steps, one after the other.
    pub FiveSteps<Gate>(number: u64) -> Booking {
        let first = book { number: *number };
        let second = book_next { before: first };
        let third = book_next { before: second };
        let fourth = book_next { before: third };
        book_next { before: fourth }
    }

    /// Five steps, the third of which waits.
    pub Parked<Gate>(number: u64) -> Booking {
        let first = book { number: *number };
        let second = book_next { before: first };
        let third = wait { before: second };
        let fourth = book_next { before: third };
        book_next { before: fourth }
    }

    /// One booking for each item of a list.
    pub Items<Gate>(count: u64) {
        let numbers = list { count: *count };
        for number in numbers { book { number: *number } }
    }
}
