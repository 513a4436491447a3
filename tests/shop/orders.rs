//! The order saga of the shop.

use std::net::SocketAddr;

use saga_core::prelude::*;
use saga_core::store::rusqlite::{self, OptionalExtension, Transaction};
use serde::{Deserialize, Serialize};

use crate::partners::{self, Answer, Call, What};

/// Orders above this amount are checked first.
const CHECKED_ABOVE: u32 = 30_000;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) article: String,
    pub(crate) pieces: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) customer: String,
    pub(crate) card: String,
    pub(crate) lines: Vec<Line>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Taken {
    article: String,
    pieces: u32,
    cents: u32,
    grams: u32,
}

pub(crate) struct Shop {
    pub(crate) partners: SocketAddr,
}

type Cx = ActionContext<Shop>;

#[derive(Debug, thiserror::Error)]
enum StockError {
    #[error("{0} is sold out")]
    SoldOut(String),
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
}

#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("refused: {0}")]
    Refused(String),
    #[error("busy")]
    Busy,
    #[error("no answer: {0}")]
    Lost(#[from] std::io::Error),
    #[error(transparent)]
    Ended(#[from] tokio::task::JoinError),
}

impl CallError {
    fn is_transient(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }

    /// The call may have taken effect.
    fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Ended(_))
    }
}

async fn call(cx: &Cx, what: What, key: String, of: &str, cents: u32) -> Result<String, CallError> {
    let (order, of) = (cx.saga_id().to_string(), of.to_string());
    let (partners, call) = (cx.partners, Call { what, key, order, of, cents });
    let asked = tokio::task::spawn_blocking(move || partners::ask(partners, &call));
    match asked.await?? {
        Answer::Done(reference) => Ok(reference),
        Answer::Busy => Err(CallError::Busy),
        Answer::Refused(why) => Err(CallError::Refused(why)),
    }
}

fn take(tx: &Transaction<'_>, article: &str, pieces: u32) -> Result<Taken, StockError> {
    let sql = "UPDATE article SET stock = stock - ?2 WHERE name = ?1 AND stock >= ?2
               RETURNING cents * ?2, grams * ?2";
    let row = tx.query_row(sql, (article, pieces), |row| Ok((row.get(0)?, row.get(1)?)));
    let Some((cents, grams)) = row.optional()? else {
        return Err(StockError::SoldOut(article.to_string()));
    };
    Ok(Taken { article: article.to_string(), pieces, cents, grams })
}

fn give_back(tx: &Transaction<'_>, taken: &Taken) -> Result<(), StockError> {
    let sql = "UPDATE article SET stock = stock + ?2 WHERE name = ?1";
    tx.execute(sql, (&taken.article, taken.pieces))?;
    Ok(())
}

#[saga_action(transaction, undo = give_back(output))]
fn reserve(tx: &Transaction<'_>, article: &str, pieces: u32) -> Result<Taken, StockError> {
    take(tx, article, pieces)
}

/// Written by a newcomer who thinks neither of crashes nor of saying that this is a transaction.
#[saga_action(undo = give_back_naively(output))]
async fn reserve_naively(cx: &Cx, article: &str, pieces: u32) -> Result<Taken, StockError> {
    let article = article.to_string();
    cx.transaction(move |tx| take(tx, &article, pieces)).await
}

async fn give_back_naively(cx: &Cx, taken: &Taken) -> Result<(), StockError> {
    let taken = taken.clone();
    cx.transaction(move |tx| give_back(tx, &taken)).await
}

#[saga_action(no_undo, timeout = "2s", retry(max = 5, when = CallError::is_transient))]
async fn check_customer(cx: &Cx, customer: &str) -> Result<(), CallError> {
    let key = cx.idempotency_key().to_string();
    call(cx, What::CheckCustomer, key, customer, 0).await.map(|_| ())
}

#[saga_action(
    undo = take_back(),
    timeout = "250ms",
    retry(max = 4, base = "20ms", when = CallError::is_transient),
    undo_retry(forever, base = "20ms", cap = "1s"),
    undo_timeout = "250ms",
    in_doubt = CallError::is_ambiguous,
)]
async fn charge(cx: &Cx, card: &str, cents: u32) -> Result<String, CallError> {
    call(cx, What::Charge, cx.idempotency_key().to_string(), card, cents).await
}

#[saga_action(
    undo = take_back(),
    timeout = "250ms",
    retry(max = 4, base = "20ms", when = CallError::is_transient),
    undo_retry(forever, base = "20ms", cap = "1s"),
    undo_timeout = "250ms",
    in_doubt = CallError::is_ambiguous,
)]
async fn ship(cx: &Cx, carrier: &str) -> Result<String, CallError> {
    call(cx, What::Ship, cx.idempotency_key().to_string(), carrier, 0).await
}

/// Undoes the call with the action's key.
async fn take_back(cx: &Cx) -> Result<(), CallError> {
    call(cx, What::Undo, cx.action_key().to_string(), "", 0).await.map(|_| ())
}

#[saga_action(transaction, no_undo)]
fn confirm(cx: &Cx, tx: &Transaction<'_>, cents: u32, parcel: &str) -> Result<(), rusqlite::Error> {
    let row = (cx.saga_id().as_str(), cents, parcel);
    tx.execute("INSERT INTO confirmed (id, cents, parcel) VALUES (?1, ?2, ?3)", row)?;
    Ok(())
}

#[saga_action(no_undo, timeout = "2s", retry(forever, base = "20ms", cap = "1s"))]
async fn mail(cx: &Cx, customer: &str) -> Result<(), CallError> {
    let key = cx.idempotency_key().to_string();
    call(cx, What::Mail, key, customer, 0).await.map(|_| ())
}

saga! {
    /// Reserves, charges and ships: either all of it, or nothing.
    pub(crate) PlaceOrder<Shop>(order: Order, naive: bool) -> u32 {
        let lines = for line in &order.lines {
            if *naive {
                reserve_naively { article: &line.article, pieces: line.pieces }
            } else {
                reserve { article: &line.article, pieces: line.pieces }
            }
        };
        let cents: u32 = { lines.iter().map(|line| line.cents).sum() };
        let grams: u32 = { lines.iter().map(|line| line.grams).sum() };
        let _checked = if *cents > CHECKED_ABOVE { check_customer { customer: &order.customer } };
        charge { card: &order.card, cents: *cents };
        let parcel = match grams {
            0..=999 => ship { carrier: "letter" },
            1000..=9999 => ship { carrier: "parcel" },
            _ => ship { carrier: "freight" },
        };
        #[pivot]
        confirm { cents: *cents, parcel };
        mail { customer: &order.customer };
        { *cents }
    }
}
