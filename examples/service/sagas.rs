//! The saga of an order. Its partners are played by this program: each call takes a moment, and some orders go wrong.

use std::sync::Arc;
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::{StartError, UndoError};

/// Clients of the services that an order needs, such as HTTP clients, would be here.
pub(crate) struct Partners;

type Cx = ActionContext<Arc<Partners>>;

impl Partners {
    /// A call of a partner. A real one gets the key with the request, and does for each key only once what it is asked for.
    async fn call(&self, cx: &Cx, takes: Duration) -> String {
        let key = cx.idempotency_key();
        tokio::time::sleep(takes).await;
        format!("done under the key {key}")
    }
}

saga! {
    /// An order: goods from the stock, money from the bank, a parcel for the carrier. All of it, or nothing.
    pub(crate) Order<Arc<Partners>>(customer: String, item: String, cents: u64) -> String {
        let goods = reserve_stock { item };
        parallel {
            let payment = charge_card { customer, cents: *cents };
            let parcel = pack { item };
        }
        ship { customer, goods, payment, parcel }
    }
}

#[saga_action(undo = release_stock(), timeout = "30s")]
async fn reserve_stock(cx: &Cx, item: &str) -> Result<String, String> {
    match item {
        "unicorn" => Err("there are no unicorns in stock".into()),
        _ => Ok(cx.call(cx, Duration::from_millis(300)).await),
    }
}

async fn release_stock(cx: &Cx) -> Result<(), UndoError> {
    cx.call(cx, Duration::from_millis(200)).await;
    Ok(())
}

/// Retried if the bank cannot be reached, with the same key, so that it is charged once.
#[saga_action(undo = refund(customer), retry(max = 5, base = "1s"), timeout = "30s")]
async fn charge_card(cx: &Cx, customer: &str, cents: u64) -> Result<String, String> {
    let receipt = cx.call(cx, Duration::from_millis(500)).await;
    match customer {
        "Slow" if cx.attempt() < 4 => Err("the bank cannot be reached".into()),
        _ => Ok(format!("{cents} cents, {receipt}")),
    }
}

async fn refund(cx: &Cx, customer: &str) -> Result<(), UndoError> {
    cx.call(cx, Duration::from_millis(200)).await;
    match customer {
        "Mallory" => Err(UndoError::permanent("the account is closed; call the bank")),
        _ => Ok(()),
    }
}

#[saga_action(undo = unpack(), timeout = "5m")]
async fn pack(cx: &Cx, item: &str) -> Result<String, String> {
    let takes = if item == "piano" { 120 } else { 3 };
    Ok(cx.call(cx, Duration::from_secs(takes)).await)
}

async fn unpack(cx: &Cx) -> Result<(), UndoError> {
    cx.call(cx, Duration::from_millis(200)).await;
    Ok(())
}

#[saga_action(no_undo = "a parcel that is on its way comes back by itself", timeout = "30s")]
async fn ship(
    cx: &Cx,
    customer: &str,
    goods: &str,
    payment: &str,
    parcel: &str,
) -> Result<String, String> {
    match customer {
        "Mallory" | "Nobody" => Err("there is no such address".into()),
        _ => {
            let label = cx.call(cx, Duration::from_millis(300)).await;
            Ok(format!("{label}: {goods}, {payment}, {parcel}"))
        }
    }
}

/// Orders of every kind, so that the page for operators has something to show.
pub(crate) async fn place_some(sec: &Coordinator<Arc<Partners>>) -> Result<(), StartError> {
    let orders = [
        ("Ada", "lamp"),
        ("Grace", "chair"),
        ("Slow", "table"),
        ("Nobody", "mirror"),
        ("Mallory", "safe"),
        ("Linus", "unicorn"),
        ("Clara", "piano"),
    ];
    for (n, (customer, item)) in orders.into_iter().enumerate() {
        let order = Order { customer: customer.into(), item: item.into(), cents: 4200 };
        sec.saga(order).id(format!("demo-{}", n + 1)).start().await?;
    }
    Ok(())
}
