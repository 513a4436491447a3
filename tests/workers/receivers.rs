//! The world outside in a database of its own: what workers in processes of their own act on.

use saga_core::prelude::*;
use throwaway_postgres::TestDatabase;
use tokio_postgres::{Client, NoTls};

use crate::common::dice::Dice;
use crate::database::sql;

/// A new database for effects, which is removed when it is dropped.
pub(crate) fn database() -> TestDatabase {
    let url = throwaway_postgres::new_database().unwrap();
    // `key` is the idempotency key of an action. An undo that comes before its action keeps the action from taking effect
    sql(
        &url,
        "CREATE TABLE effect (key text PRIMARY KEY, saga text NOT NULL, node text NOT NULL, \
         calls integer NOT NULL, refused integer NOT NULL DEFAULT 0, undone boolean NOT NULL)",
    );
    url
}

/// What the actions of a worker have in common.
pub(crate) struct Receivers {
    client: Client,
    dice: Dice,
    /// The longest time that a call takes, in milliseconds.
    slowest: u64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{0} is sold out")]
    SoldOut(String),
    #[error("it was undone before")]
    TooLate,
    #[error(transparent)]
    Lost(#[from] tokio_postgres::Error),
}

impl Receivers {
    /// Connects. The connection lives as long as the runtime.
    pub(crate) async fn connect(url: &str, seed: u64, slowest: u64) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        Self { client, dice: Dice::new(seed), slowest }
    }

    async fn take_time(&self) {
        // some take much longer than others
        let longest = if self.dice.one_in(20) { self.slowest * 10 } else { self.slowest };
        tokio::time::sleep(std::time::Duration::from_millis(self.dice.roll(longest + 1))).await;
    }

    async fn act(&self, cx: &ActionContext<Self>, node: &str) -> Result<(), Refused> {
        self.take_time().await;
        let (key, saga) = (cx.idempotency_key().to_string(), cx.saga_id().to_string());
        let act = "INSERT INTO effect (key, saga, node, calls, undone) VALUES ($1, $2, $3, 1, false) \
             ON CONFLICT (key) DO UPDATE SET calls = effect.calls + 1, \
             refused = effect.refused + effect.undone::integer RETURNING undone";
        let undone: bool = self.client.query_one(act, &[&key, &saga, &node]).await?.get(0);
        self.take_time().await;
        if undone { Err(Refused::TooLate) } else { Ok(()) }
    }

    async fn undo(&self, cx: &ActionContext<Self>) -> Result<(), Refused> {
        self.take_time().await;
        let (key, saga) = (cx.action_key().to_string(), cx.saga_id().to_string());
        let undo = "INSERT INTO effect (key, saga, node, calls, undone) VALUES ($1, $2, 'unknown', 0, true) \
             ON CONFLICT (key) DO UPDATE SET undone = true";
        self.client.execute(undo, &[&key, &saga]).await?;
        Ok(())
    }
}

#[saga_action(undo = take_back())]
async fn reserve(cx: &ActionContext<Receivers>) -> Result<(), Refused> {
    cx.user_context().act(cx, "reserve").await
}

#[saga_action(undo = take_back())]
async fn charge(cx: &ActionContext<Receivers>) -> Result<(), Refused> {
    cx.user_context().act(cx, "charge").await
}

#[saga_action(undo = take_back())]
async fn ship(cx: &ActionContext<Receivers>, order: &str, sold_out: &bool) -> Result<(), Refused> {
    match sold_out {
        true => Err(Refused::SoldOut(order.to_string())),
        false => cx.user_context().act(cx, "ship").await,
    }
}

#[saga_action(no_undo)]
async fn mail(cx: &ActionContext<Receivers>, order: &str) -> Result<String, Refused> {
    cx.user_context().act(cx, "mail").await?;
    Ok(format!("mailed about {order}"))
}

async fn take_back(cx: &ActionContext<Receivers>) -> Result<(), Refused> {
    cx.user_context().undo(cx).await
}

saga! {
    /// Reserves and charges at the same time, ships and mails: all of it, or nothing.
    pub(crate) PlaceOrder<Receivers>(order: String, sold_out: bool) -> String {
        parallel {
            reserve {};
            charge {};
        }
        ship { order, sold_out };
        mail { order }
    }
}

/// What the world has seen of all sagas.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) completed: usize,
    pub(crate) rolled_back: usize,
    /// Calls that were made again.
    pub(crate) repeated: i64,
    /// Calls that came after their undo.
    pub(crate) late: i64,
}

/// Checks that each saga has ended, and has all of its effects or none.
pub(crate) fn check(store: &str, receivers: &str, expected: usize) -> Seen {
    let effects = sql(
        receivers,
        "SELECT saga, count(*) FILTER (WHERE NOT undone), sum(greatest(calls - 1, 0)), sum(refused) \
         FROM effect GROUP BY saga",
    );
    let effects = effects
        .iter()
        .map(|row| (row.get::<_, String>(0), (row.get(1), row.get(2), row.get(3))))
        .collect::<std::collections::BTreeMap<_, (i64, i64, i64)>>();
    let sagas = sql(store, "SELECT id, status, parked_reason, owner FROM saga ORDER BY id");
    let mut seen = Seen { completed: 0, rolled_back: 0, repeated: 0, late: 0 };
    for row in &sagas {
        let (id, status): (String, &str) = (row.get(0), row.get(1));
        let (parked, owner): (Option<&str>, &str) = (row.get(2), row.get(3));
        let (there, repeated, late) = effects.get(&id).copied().unwrap_or_default();
        (seen.repeated, seen.late) = (seen.repeated + repeated, seen.late + late);
        match status {
            "completed" => {
                seen.completed += 1;
                assert_eq!(there, 4, "{id} completed, and has not all of its effects");
            }
            "rolled_back" => {
                seen.rolled_back += 1;
                assert_eq!(there, 0, "{id} was rolled back, and has effects left");
            }
            other => panic!("{id} is {other}, owned by {owner:?}, parked: {parked:?}"),
        }
    }
    assert_eq!(sagas.len(), expected, "no saga is lost");
    seen
}
