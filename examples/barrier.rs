//! A service that sagas call over an unreliable network, made safe by `saga_core::barrier`.
//!
//! ```text
//! cargo run --example barrier
//! ```
//!
//! The network loses one answer and delivers one message after its undo. The bank carries out each call at most once.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use saga_core::FencingToken;
use saga_core::barrier;
use saga_core::prelude::*;
use saga_core::store::rusqlite::{Connection, Transaction};

/// The service. It is safe because all of its writes go through the barrier.
struct Bank(Mutex<Connection>);

type Refused = Box<dyn Error + Send + Sync>;

impl Bank {
    fn open() -> Result<Self, Refused> {
        let conn = Connection::open_in_memory()?;
        conn.execute_batch(
            "CREATE TABLE account (owner TEXT PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0));
             INSERT INTO account VALUES ('ada', 10000), ('bob', 0)",
        )?;
        barrier::install(&conn)?;
        Ok(Self(Mutex::new(conn)))
    }

    fn deposit(
        &self,
        key: &str,
        token: FencingToken,
        owner: &str,
        cents: i64,
    ) -> Result<i64, Refused> {
        let mut conn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(barrier::once(&mut conn, key, token, |tx| add(tx, owner, cents).map(|()| cents))?)
    }

    fn take_back(&self, action_key: &str, token: FencingToken, owner: &str) -> Result<(), Refused> {
        let mut conn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(barrier::undo(&mut conn, action_key, token, |tx, cents: i64| add(tx, owner, -cents))?)
    }

    fn cents(&self, owner: &str) -> Result<i64, Refused> {
        let conn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sql = "SELECT cents FROM account WHERE owner = ?1";
        Ok(conn.query_row(sql, [owner], |row| row.get(0))?)
    }
}

fn add(tx: &Transaction<'_>, owner: &str, cents: i64) -> saga_core::store::rusqlite::Result<()> {
    let sql = "UPDATE account SET cents = cents + ?2 WHERE owner = ?1";
    tx.execute(sql, (owner, cents)).map(|_| ())
}

/// The connection of the actions to the bank: a network that spoils some of the calls.
struct Network {
    bank: Arc<Bank>,
    spoilt: Mutex<u32>,
}

impl Network {
    fn spoils(&self) -> u32 {
        let mut spoilt = self.spoilt.lock().unwrap_or_else(PoisonError::into_inner);
        *spoilt += 1;
        *spoilt
    }
}

// the retry has the same key, so the bank recognizes it as a duplicate
#[saga_action(undo = withdraw(owner), timeout = "50ms", retry(max = 2, base = "1ms"))]
async fn deposit(cx: &ActionContext<Network>, owner: &str, cents: i64) -> Result<i64, Refused> {
    let (bank, owner) = (cx.bank.clone(), owner.to_string());
    let (key, token) = (cx.idempotency_key().to_string(), cx.token());
    let arrives = move || bank.deposit(&key, token, &owner, cents);
    match cx.spoils() {
        1 => {
            let answer = arrives();
            println!("the deposit arrives: {answer:?}; its answer is lost");
            std::future::pending().await
        }
        // the two attempts of the second saga
        3 | 4 => {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                match arrives() {
                    Ok(_) => println!("the late deposit was carried out"),
                    Err(why) => println!("the late deposit was refused: {why}"),
                }
            });
            std::future::pending().await
        }
        _ => {
            let answer = arrives();
            println!("the deposit arrives: {answer:?}");
            answer
        }
    }
}

// uses the action's key; an undo that finds nothing blocks the key, so the late deposit is refused
async fn withdraw(cx: &ActionContext<Network>, owner: &str) -> Result<(), Refused> {
    println!("the withdrawal arrives");
    cx.bank.take_back(&cx.action_key().to_string(), cx.token(), owner)
}

saga! {
    Give<Network>(owner: String, cents: i64) -> i64 {
        let given = deposit { owner, cents: *cents };
        given
    }
}

#[tokio::main]
async fn main() -> Result<(), Refused> {
    let bank = Arc::new(Bank::open()?);
    let network = Network { bank: bank.clone(), spoilt: Mutex::new(0) };
    let sec = Coordinator::builder(network).saga::<Give>().build().await?;

    sec.run(Give { owner: "ada".into(), cents: 500 }).await?;
    println!("ada has {} cents\n", bank.cents("ada")?);

    if let Err(error) = sec.run(Give { owner: "bob".into(), cents: 500 }).await {
        println!("{error}");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    println!("bob has {} cents", bank.cents("bob")?);
    Ok(())
}
