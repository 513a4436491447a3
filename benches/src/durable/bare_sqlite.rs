//! The floor of a store in SQLite: a saga is six commits, one after the other. Each append compares owner, epoch
//! and sequence number in the transaction that writes.

use std::path::Path;

use rusqlite::params;
use uuid::Uuid;

use super::group_commit::GroupCommit;
use crate::Any;
use crate::booking::Booking;
use crate::closed_loop::{Durations, Load, closed_loop};

const SCHEMA: &str = "
    CREATE TABLE saga (
        id       TEXT    NOT NULL PRIMARY KEY,
        owner    TEXT    NOT NULL,
        epoch    INTEGER NOT NULL,
        next_seq INTEGER NOT NULL,
        params   BLOB    NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE saga_event (
        saga_id TEXT    NOT NULL,
        seq     INTEGER NOT NULL,
        entries BLOB    NOT NULL,
        PRIMARY KEY (saga_id, seq)
    ) STRICT, WITHOUT ROWID;";

const OWNER: &str = "0190a0a0-0000-7000-8000-000000000001";

pub(super) async fn run(path: &Path, at_once: usize, load: Load) -> Result<Durations, Any> {
    let writer = GroupCommit::open(path, SCHEMA)?;
    closed_loop(at_once, load, move |number| {
        let writer = writer.clone();
        async move { saga(&writer, number).await }
    })
    .await
}

async fn saga(writer: &GroupCommit, number: u64) -> Result<(), Any> {
    let id = Uuid::now_v7().to_string();
    create(writer, id.clone(), number).await?;
    for seq in 1..=5 {
        let output = serde_json::to_vec(&Booking::new(number + seq))?;
        append(writer, id.clone(), seq, output).await?;
    }
    Ok(())
}

async fn create(writer: &GroupCommit, id: String, number: u64) -> Result<(), Any> {
    let params = format!(r#"{{"number":{number}}}"#);
    let write = writer.write(move |conn| {
        conn.prepare_cached("INSERT INTO saga VALUES (?1, ?2, 1, 1, ?3)")?.execute(params![
            id,
            OWNER,
            params.as_bytes()
        ])?;
        conn.prepare_cached("INSERT INTO saga_event VALUES (?1, 0, ?2)")?
            .execute(params![id, b"created, started"])?;
        Ok(())
    });
    write.await
}

async fn append(writer: &GroupCommit, id: String, seq: u64, entries: Vec<u8>) -> Result<(), Any> {
    let seq = i64::try_from(seq)?;
    let write = writer.write(move |conn| {
        let update = "UPDATE saga SET next_seq = next_seq + 1 \
                      WHERE id = ?1 AND owner = ?2 AND epoch = 1 AND next_seq = ?3";
        if conn.prepare_cached(update)?.execute(params![id, OWNER, seq])? == 0 {
            return Err(rusqlite::Error::QueryReturnedNoRows);
        }
        conn.prepare_cached("INSERT INTO saga_event VALUES (?1, ?2, ?3)")?
            .execute(params![id, seq, entries])?;
        Ok(())
    });
    write.await
}
