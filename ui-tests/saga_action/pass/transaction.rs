// Transactions, with all that they can take.
use std::borrow::Cow;

use saga_core::prelude::*;
use saga_core::store::rusqlite;

#[derive(Clone)]
pub struct Article {
    pub name: String,
}

/// Without a context.
#[saga_action(transaction, undo = put_back(output, name))]
pub fn take(tx: &rusqlite::Transaction<'_>, name: &str, n: u32) -> Result<u32, rusqlite::Error> {
    let sql = "UPDATE shelf SET items = items - ?2 WHERE name = ?1 RETURNING items";
    tx.query_row(sql, (name, n), |row| row.get(0))
}
fn put_back(tx: &rusqlite::Transaction<'_>, left: &u32, name: &str) -> Result<(), rusqlite::Error> {
    tx.execute("UPDATE shelf SET items = ?2 WHERE name = ?1", (name, left)).map(drop)
}

/// With a context, and an undo that needs no output.
#[saga_action(transaction, undo = put_all_back(article, also), retry(max = 3), timeout = "5s")]
pub fn take_all<'a>(
    cx: &ActionContext<u32>,
    tx: &rusqlite::Transaction<'a>,
    article: &Article,
    also: Option<&Article>,
    notes: Vec<Cow<'static, str>>,
) -> Result<usize, rusqlite::Error> {
    let _ = (**cx, also, notes);
    tx.execute("UPDATE shelf SET items = 0 WHERE name = ?1", [&article.name])
}
fn put_all_back(
    cx: &ActionContext<u32>,
    tx: &rusqlite::Transaction<'_>,
    article: &Article,
    also: Option<&Article>,
) -> Result<(), rusqlite::Error> {
    let _ = (cx, also);
    tx.execute("UPDATE shelf SET items = 1 WHERE name = ?1", [&article.name])?;
    Ok(())
}

/// Generic lifetimes and no inputs.
#[saga_action(transaction, no_undo)]
pub fn count<'a, 'b>(tx: &'a rusqlite::Transaction<'b>) -> Result<u32, rusqlite::Error> {
    tx.query_row("SELECT count(*) FROM shelf", [], |row| row.get(0))
}

saga! {
    pub Take<u32>(name: String) -> u32 {
        let left = take { name, n: 3 };
        let _counted = count {};
        { *left }
    }
}

fn main() {}
