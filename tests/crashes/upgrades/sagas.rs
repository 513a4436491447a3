//! Two versions of a saga, and what each does outside. An effect is said with its idempotency key.

use std::time::Duration;

use saga_core::Migration;
use saga_core::prelude::*;
use serde::{Deserialize, Serialize};

use crate::sagas::Outside;
use crate::said::Said;

type Cx = ActionContext<Outside>;

fn done(cx: &Cx, what: &str) {
    let what = format!("{what}/{}", cx.idempotency_key());
    cx.says.say(&Said::Done { saga: cx.saga_id().to_string(), what });
}

fn undone(cx: &Cx, what: &str) {
    let what = format!("{what}/{}", cx.action_key());
    cx.says.say(&Said::Undone { saga: cx.saga_id().to_string(), what });
}

#[saga_action(undo = give_back(what))]
async fn reserve(cx: &Cx, what: &str) -> Result<String, String> {
    done(cx, what);
    Ok(what.to_string())
}

async fn give_back(cx: &Cx, what: &str) -> Result<(), String> {
    undone(cx, what);
    Ok(())
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Lodging {
    pub(crate) name: String,
}

impl From<String> for Lodging {
    fn from(name: String) -> Self {
        Self { name }
    }
}

#[saga_action(undo = leave(output))]
async fn lodge(cx: &Cx) -> Result<Lodging, String> {
    done(cx, "hotel");
    Ok(Lodging { name: "hotel".to_string() })
}

async fn leave(cx: &Cx, lodging: &Lodging) -> Result<(), String> {
    undone(cx, &lodging.name);
    Ok(())
}

/// Takes its time; some fail a few times first, without an effect.
#[saga_action(no_undo, retry(forever, base = "15ms", cap = "15ms"))]
async fn pass(cx: &Cx, n: u64) -> Result<(), String> {
    if n.is_multiple_of(3) && cx.attempt() < 5 {
        return Err("not yet".to_string());
    }
    tokio::time::sleep(Duration::from_millis(n * 7 % 60)).await;
    Ok(())
}

#[saga_action(no_undo)]
async fn approve(n: u64) -> Result<(), String> {
    if n.is_multiple_of(4) { Err("declined".to_string()) } else { Ok(()) }
}

#[saga_action(no_undo, retry(forever, base = "5ms"))]
async fn pay(cx: &Cx) -> Result<(), String> {
    done(cx, "payment");
    Ok(())
}

/// Behind the point of no return.
#[saga_action(no_undo, retry(forever, base = "5ms"))]
async fn tell(n: u64) -> Result<(), String> {
    tokio::time::sleep(Duration::from_millis(n * 5 % 40)).await;
    Ok(())
}

pub(crate) mod v1 {
    use super::{approve, pass, pay, reserve, tell};
    use crate::sagas::Outside;
    use saga_core::prelude::*;

    saga! {
        pub(crate) Upgraded<Outside>(n: u64) -> String {
            let flight = reserve { what: "flight" };
            let hotel = reserve { what: "hotel" };
            pass { n: *n };
            approve { n: *n };
            #[pivot]
            pay {};
            tell { n: *n };
            { format!("{flight} and {hotel}") }
        }
    }
}

pub(crate) mod v2 {
    use super::{approve, lodge, pass, pay, reserve, tell};
    use crate::sagas::Outside;
    use saga_core::prelude::*;

    saga! {
        #[version = 2]
        pub(crate) Upgraded<Outside>(n: u64, guests: u32) -> String {
            let flight = reserve { what: "flight" };
            let lodging = lodge {};
            pass { n: *n };
            let car = reserve { what: "car" };
            approve { n: *n };
            #[pivot]
            pay {};
            tell { n: *n };
            { format!("{flight} and {} and {car} for {guests}", lodging.name) }
        }
    }
}

pub(crate) fn migration() -> Migration<v1::Upgraded, v2::Upgraded> {
    Migration::new(|old: v1::Upgraded| v2::Upgraded { n: old.n, guests: 1 })
        .node(v1::Upgraded::hotel, v2::Upgraded::lodging)
        .undo_accepted(v1::Upgraded::hotel)
}
