//! The sagas that a process runs until it dies, and the world outside that they act on.

use std::sync::Arc;

use saga_core::Probe;
use saga_core::prelude::*;
use tokio::sync::Semaphore;

use crate::places::Kind;
use crate::said::{Said, Says};

/// The world outside, with the receiver of effects. It lives on when the process dies.
pub(crate) struct World {
    pub(crate) says: Says,
    pub(crate) kind: Kind,
    /// Sagas of gate 1, 2 and 3 wait for one of these.
    gates: [Semaphore; 3],
}

pub(crate) type Outside = Arc<World>;

impl World {
    pub(crate) fn new(says: Says, kind: Kind) -> Outside {
        Arc::new(Self { says, kind, gates: [0; 3].map(Semaphore::new) })
    }

    /// Lets sagas through this gate.
    pub(crate) fn open(&self, gate: usize) {
        self.gates[gate - 1].add_permits(10_000);
    }
}

type Cx = ActionContext<Outside>;

fn done(cx: &Cx, what: &str) {
    cx.says.say(&Said::Done { saga: cx.saga_id().to_string(), what: what.to_string() });
}

fn undone(cx: &Cx, what: &str) {
    cx.says.say(&Said::Undone { saga: cx.saga_id().to_string(), what: what.to_string() });
}

/// An effect outside. The receiver keeps one for each saga, and none after its undo.
#[saga_action(undo = give_back(what, output?))]
pub(crate) async fn reserve(cx: &Cx, what: &str) -> Result<String, String> {
    done(cx, what);
    Ok(format!("{what} of {}", cx.saga_id()))
}

async fn give_back(cx: &Cx, what: &str, _reserved: Option<&String>) -> Result<(), String> {
    undone(cx, what);
    Ok(())
}

/// A row of its own in the database of the log, where there is one. A second row for the same saga is an error.
#[saga_action(undo = pay_back(output?))]
pub(crate) async fn pay(cx: &Cx) -> Result<u32, String> {
    let saga = cx.saga_id().to_string();
    match cx.kind {
        Kind::File => {
            done(cx, "payment");
            Ok(1)
        }
        Kind::Sqlite => {
            cx.transaction(move |tx| {
                let rows = tx.execute("INSERT INTO payment (saga) VALUES (?1)", [saga]);
                rows.map(|_| 1).map_err(|e| e.to_string())
            })
            .await
        }
        #[cfg(feature = "postgres")]
        Kind::Postgres => {
            cx.postgres_transaction(async move |tx| {
                let rows = tx.execute("INSERT INTO payment (saga) VALUES ($1)", &[&saga]).await;
                rows.map(|_| 1).map_err(|e| e.to_string())
            })
            .await
        }
    }
}

async fn pay_back(cx: &Cx, paid: Option<&u32>) -> Result<(), String> {
    let saga = cx.saga_id().to_string();
    match cx.kind {
        Kind::File => {
            undone(cx, "payment");
            Ok(())
        }
        // nothing was committed
        _ if paid.is_none() => Ok(()),
        Kind::Sqlite => {
            cx.transaction(move |tx| {
                let rows = tx.execute("DELETE FROM payment WHERE saga = ?1", [saga]);
                rows.map(drop).map_err(|e| e.to_string())
            })
            .await
        }
        #[cfg(feature = "postgres")]
        Kind::Postgres => {
            cx.postgres_transaction(async move |tx| {
                let rows = tx.execute("DELETE FROM payment WHERE saga = $1", &[&saga]).await;
                rows.map(drop).map_err(|e| e.to_string())
            })
            .await
        }
    }
}

#[saga_action(no_undo)]
pub(crate) async fn wait(cx: &Cx, gate: usize) -> Result<(), String> {
    if let Some(gate) = gate.checked_sub(1) {
        let _through = cx.gates[gate].acquire().await.map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Whoever approves never answers, and has to be asked.
#[saga_action(no_undo, retry(max = 2, base = "1ms", when = is_unclear), in_doubt = is_unclear, probe = approval)]
pub(crate) async fn approve(cx: &Cx, approved: bool) -> Result<(), String> {
    let _ = cx;
    Err(if approved { UNCLEAR } else { "declined" }.to_string())
}

const UNCLEAR: &str = "no answer";

fn is_unclear(error: &String) -> bool {
    error == UNCLEAR
}

async fn approval(cx: &Cx, approved: bool) -> Result<Probe<()>, String> {
    let _ = cx;
    Ok(if approved { Probe::Done(()) } else { Probe::NotDone })
}

saga! {
    /// Has all of its effects, or none.
    pub(crate) Trip<Outside>(gate: usize, approved: bool) {
        parallel {
            let _flight = reserve { what: "flight" };
            let _hotel = reserve { what: "hotel" };
        }
        pay {};
        wait { gate: *gate };
        let _car = reserve { what: "car" };
        approve { approved: *approved };
    }
}

/// What a trip does outside, whatever the store.
pub(crate) const EFFECTS: [&str; 3] = ["car", "flight", "hotel"];
