//! The sagas of the tests, and how they go wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use saga_core::UndoError;
use saga_core::prelude::*;
use tokio::sync::Notify;

/// What the shop works with.
#[derive(Default)]
pub(crate) struct Shop {
    /// True if the bank refunds.
    pub(crate) refunds: AtomicBool,
    /// What a payment waits for whose order is of the kind `wait`.
    pub(crate) paid: Notify,
    /// True if the worker does not know orders.
    pub(crate) no_orders: bool,
    /// True if a label that is printed kills the process.
    pub(crate) kills: AtomicBool,
}

type Cx = ActionContext<Arc<Shop>>;

#[saga_action(undo = give_back(output))]
async fn reserve() -> Result<u32, String> {
    Ok(7)
}
async fn give_back(_shelf: &u32) -> Result<(), UndoError> {
    Ok(())
}

#[saga_action(undo = refund(), retry(max = 10, base = "1h"))]
async fn charge(cx: &Cx, how: &str) -> Result<String, String> {
    match how {
        "wait" => cx.paid.notified().await,
        "retry" => return Err("connection reset".into()),
        _ => {}
    }
    Ok("receipt of the bank".into())
}
async fn refund(cx: &Cx) -> Result<(), UndoError> {
    match cx.refunds.load(SeqCst) {
        true => Ok(()),
        false => Err(UndoError::permanent("the account is closed")),
    }
}

#[saga_action(no_undo)]
async fn ship(how: &str) -> Result<(), String> {
    match how {
        "sold out" => Err("sold out".into()),
        "long" => Err("no ".repeat(100_000)),
        "hostile" => Err("\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}all is well".into()),
        _ => Ok(()),
    }
}

#[saga_action(no_undo, timeout = "50ms", retry(max = 1))]
async fn send(_cx: &Cx) -> Result<String, String> {
    tokio::time::sleep(Duration::from_secs(3600)).await;
    Err("it takes too long".into())
}

#[saga_action(no_undo)]
async fn label(cx: &Cx) -> Result<(), String> {
    if cx.kills.load(SeqCst) {
        std::process::exit(9);
    }
    Ok(())
}

/// Somebody has read the article, and likes it.
#[saga_event]
pub(crate) struct Approved {
    pub(crate) by: String,
}

saga! {
    #[allow(unused_variables, reason = "only nodes with a name have keys")]
    pub(crate) Article<Arc<Shop>>() {
        let shelf = reserve {};
        let approved = wait_for::<Approved> { timeout: Duration::from_secs(7 * 86_400) };
        let by = { approved.as_ref().map(|approved| approved.by.clone()).unwrap_or_default() };
        let parcel = ship { how: by };
    }

    #[allow(unused_variables, reason = "only nodes with a name have keys")]
    pub(crate) Gift<Arc<Shop>>() {
        let shelf = reserve {};
        let wrapping = try {
            let payment = charge { how: "ok" };
            let paper = ship { how: "sold out" };
        };
        let parcel = ship { how: "ok" };
    }

    #[allow(unused_variables, reason = "only nodes with a name have keys")]
    pub(crate) Order<Arc<Shop>>(how: String) {
        let shelf = reserve {};
        let payment = charge { how };
        let parcel = ship { how };
    }

    #[allow(unused_variables, reason = "only nodes with a name have keys")]
    pub(crate) Payout<Arc<Shop>>() {
        let shelf = reserve {};
        #[pivot]
        let transfer = send {};
    }

    #[allow(unused_variables, reason = "only nodes with a name have keys")]
    pub(crate) Label<Arc<Shop>>() {
        let shelf = reserve {};
        let printed = label {};
    }
}
