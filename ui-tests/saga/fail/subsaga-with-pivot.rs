//! The saga around it could still fail, and would have to unwind behind its point of no return.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    Paid<Agency>(card: Card) -> Payment {
        #[pivot]
        charge_card { card, cents: 1 }
    }
    Statement<Agency>(card: Card) -> Payment {
        let paid = Paid { card: card.clone() };
        { paid.clone() }
    }
    WithType<Agency>(card: Card) -> Payment {
        let paid: Payment = Paid { card: card.clone() };
        { paid.clone() }
    }
    LastLine<Agency>(card: Card) -> Payment {
        Paid { card: card.clone() }
    }
    InBody<Agency>(cards: Vec<Card>) -> Vec<Payment> {
        for card in cards { Paid { card: card.clone() } }
    }
}

fn main() {}
