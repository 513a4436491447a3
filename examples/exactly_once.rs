//! Money moves between accounts in the same SQLite file as the log. Each step happens exactly once, however often
//! the program is killed, and needs no idempotency key.
//!
//! ```text
//! cargo run --example exactly_once
//! cargo run --example exactly_once -- /tmp/bank.db    # kill it, and start it again
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::SqliteStore;
use saga_core::store::rusqlite::{self, Connection, OptionalExtension, Transaction};

const OWNERS: [&str; 4] = ["ada", "bob", "eve", "joe"];
const TRANSFERS: usize = 24;

#[derive(Debug, thiserror::Error)]
enum BankError {
    #[error("{0} has not that much")]
    NotEnough(String),
    #[error("the account of {0} is closed")]
    Closed(String),
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
}

/// Returns the new balance.
fn add(tx: &Transaction<'_>, owner: &str, cents: i64) -> Result<i64, BankError> {
    let sql = "UPDATE account SET cents = cents + ?2 WHERE owner = ?1 AND NOT closed
               RETURNING cents";
    let left = tx.query_row(sql, (owner, cents), |row| row.get(0)).optional()?;
    match left {
        None => Err(BankError::Closed(owner.to_string())),
        Some(left) if left < 0 => Err(BankError::NotEnough(owner.to_string())),
        Some(left) => Ok(left),
    }
}

// The whole action is one transaction, which also writes to the log that it has succeeded. A withdrawal that the log does not
// know has not happened: if the program is killed in the middle, there is nothing to find out and nothing to clean up.
#[saga_action(transaction, undo = put_back(from, cents))]
fn withdraw(tx: &Transaction<'_>, from: &str, cents: i64) -> Result<i64, BankError> {
    add(tx, from, -cents)
}

// The undo is a transaction as well.
fn put_back(tx: &Transaction<'_>, from: &str, cents: i64) -> Result<(), BankError> {
    add(tx, from, cents).map(|_| ())
}

#[saga_action(transaction, no_undo)]
fn deposit(tx: &Transaction<'_>, to: &str, cents: i64) -> Result<i64, BankError> {
    add(tx, to, cents)
}

saga! {
    /// Between the two steps, only the log knows where the money is. A deposit cannot be undone, so it is the point of no
    /// return: whoever cancels the saga meanwhile is too late.
    Transfer<()>(from: String, to: String, cents: i64) {
        withdraw { from, cents: *cents };
        #[pivot]
        deposit { to, cents: *cents };
    }
}

fn open_accounts(bank: &mut Connection) -> rusqlite::Result<()> {
    let tx = bank.transaction()?;
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS account (
             owner TEXT PRIMARY KEY, cents INTEGER NOT NULL, closed INTEGER NOT NULL)",
    )?;
    for owner in OWNERS {
        let sql = "INSERT OR IGNORE INTO account VALUES (?1, 2000, ?2)";
        tx.execute(sql, (owner, owner == "joe"))?;
    }
    tx.commit()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let file = std::env::args().nth(1).map(PathBuf::from);
    let file = file.unwrap_or_else(|| scratch.path().join("bank.db"));

    let store = SqliteStore::open(&file)?;
    let mut bank = Connection::open(&file)?;
    open_accounts(&mut bank)?;
    // tests kill this program many times in a row; keep the default of 3 in yours
    let sec = Coordinator::builder(()).store(store).saga::<Transfer>().crash_limit(1000);
    let sec = sec.build().await?;

    let mut transfers = Vec::new();
    for n in 0..TRANSFERS {
        let (from, to) = (OWNERS[n % 3], OWNERS[(n % 3 + n / 3 % 3 + 1) % 4]);
        let cents = 1 << (n % 11);
        let transfer = Transfer { from: from.into(), to: to.into(), cents };
        // a transfer that an earlier process started is not started again
        let handle = sec.saga(transfer).id(format!("transfer-{n:02}")).start().await?;
        transfers.push((format!("{from} gives {to} {cents}"), handle));
    }
    for (what, transfer) in transfers {
        match transfer.await {
            Ok(()) => println!("{what}"),
            Err(SagaError::RolledBack(report)) => match report.error {
                Some(why) => println!("{what}: no, {why}"),
                None => println!("{what}: no"),
            },
            Err(other) => return Err(other.into()),
        }
    }
    sec.shutdown(Duration::from_secs(5)).await?;

    let sql = "SELECT owner, cents FROM account ORDER BY owner";
    let mut accounts = bank.prepare(sql)?;
    let mut accounts = accounts.query([])?;
    while let Some(account) = accounts.next()? {
        println!("{} has {}", account.get::<_, String>(0)?, account.get::<_, i64>(1)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use saga_core::testing::{Ended, SagaTest};

    use super::*;

    #[test]
    fn a_transfer_happens_once_or_not_at_all() {
        let transfer = || Transfer { from: "ada".into(), to: "bob".into(), cents: 30 };
        let test = SagaTest::<Transfer>::new(|| (), transfer()).sqlite(open_accounts);
        let report = test.check_all(async |ended: &Ended<Transfer>| {
            let sql = "SELECT cents FROM account WHERE owner IN ('ada', 'bob') ORDER BY owner";
            let cents = ended.sqlite(|bank| -> rusqlite::Result<Vec<i64>> {
                bank.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
            });
            let expected = if ended.completed() { [1970, 2030] } else { [2000, 2000] };
            assert_eq!(cents.unwrap(), expected);
        });
        println!("{report}");
    }
}
