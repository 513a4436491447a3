//! The sagas of orders and of payouts. Their partners are played by this program: each call takes a moment, and some orders go wrong.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use saga_core::UndoError;
use saga_core::prelude::*;

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

/// The owner of the shop has agreed to a payout.
#[saga_event]
pub(crate) struct Approved {
    pub(crate) by: String,
}

saga! {
    /// A payout to a supplier, once it is approved. The bank takes no transfer back, so the transfer is the pivot: before it, all is
    /// undone if something fails.
    #[allow(unused_variables, reason = "nodes with a name have keys, by which they are found")]
    pub(crate) Payout<Arc<Partners>>(supplier: String, cents: u64) -> String {
        let budget = reserve_budget { cents: *cents };
        let approved = wait_for::<Approved> {};
        #[pivot]
        let transfer = transfer { supplier, cents: *cents };
        transfer
    }
}

#[saga_action(undo = release_budget(), timeout = "30s")]
async fn reserve_budget(cx: &Cx, cents: u64) -> Result<String, String> {
    let done = cx.call(cx, Duration::from_millis(100)).await;
    Ok(format!("{cents} cents, {done}"))
}

async fn release_budget(cx: &Cx) -> Result<(), UndoError> {
    cx.call(cx, Duration::from_millis(100)).await;
    Ok(())
}

/// If the bank does not answer, nobody knows whether the money is on its way. The call is repeated under the same key, and then
/// somebody must find out.
#[saga_action(no_undo, timeout = "2s", retry(max = 2, base = "1s"))]
async fn transfer(cx: &Cx, supplier: &str, cents: u64) -> Result<String, String> {
    let takes = if supplier == "Silent" { 3600 } else { 1 };
    let done = cx.call(cx, Duration::from_secs(takes)).await;
    Ok(format!("{cents} cents to {supplier}, {done}"))
}

/// Orders and payouts of every kind, so that the page for operators has something to show. Those that are there from an earlier
/// start go on.
pub(crate) async fn place_some(sec: &Coordinator<Arc<Partners>>) -> Result<(), Box<dyn Error>> {
    let orders = [
        ("Ada", "lamp"),
        ("Grace", "chair"),
        ("Slow", "table"),
        ("Nobody", "mirror"),
        ("Mallory", "safe"),
        ("Linus", "unicorn"),
        ("Clara", "piano"),
    ];
    let there = sec.operator("demo").position("demo-1").await?.is_some();
    for (n, (customer, item)) in orders.into_iter().enumerate() {
        let order = Order { customer: customer.into(), item: item.into(), cents: 4200 };
        sec.saga(order).id(format!("demo-{}", n + 1)).start().await?;
    }
    // the bank does not answer to this one: it is parked, and somebody decides
    let silent = Payout { supplier: "Silent".into(), cents: 130_000 };
    sec.saga(silent).id("demo-8").start().await?;
    // this one waits for its approval
    sec.saga(Payout { supplier: "Lamps Ltd".into(), cents: 99_000 }).id("demo-9").start().await?;
    if there {
        println!(
            "demo: demo-1 to demo-9 are there from an earlier start; another --state begins anew"
        );
    } else {
        let approved = Approved { by: "the owner".into() };
        sec.signal("demo-8", approved).event_id("demo").await?;
        println!(
            "demo: demo-1 to demo-9 are placed; in ten seconds, demo-5 is stuck, and demo-8 in doubt"
        );
    }
    Ok(())
}
