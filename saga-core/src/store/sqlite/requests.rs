//! Operators' requests and their answers, as rows.

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use uuid::Uuid;

use super::super::{RequestsWithAnswers, StoreError};
use super::database::Database;
use super::rows;
use super::write_job::SqliteError;
use crate::crash_points::crash_point;
use crate::log::{Answer, Command, Request, SagaId, Timestamp};

/// A request whose numbers fit into SQLite's integers.
pub(super) struct RequestRow {
    id: String,
    saga: SagaId,
    kind: &'static str,
    args: Vec<u8>,
    by: String,
    at: i64,
}

impl RequestRow {
    pub(super) fn new(request: Request) -> Result<Self, String> {
        Ok(Self {
            id: request.id.to_string(),
            saga: request.saga,
            kind: request.command.name(),
            args: encode(&request.command)?,
            by: request.by,
            at: rows::int(request.at.0)?,
        })
    }
}

/// Encodes a command or an answer.
pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(value).map_err(|e| e.to_string())
}

pub(super) fn insert(conn: &Database, row: &RequestRow) -> Result<(), SqliteError> {
    let there =
        conn.prepare_cached("SELECT 1 FROM saga WHERE id = ?1")?.exists([row.saga.as_str()])?;
    if !there {
        return Err(StoreError::NotFound { saga: row.saga.clone() }.into());
    }
    conn.prepare_cached(
        "INSERT INTO saga_command (id, saga_id, kind, args, \"by\", at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING",
    )?
    .execute(params![row.id, row.saga.as_str(), row.kind, row.args, row.by, row.at])?;
    crash_point("sqlite.request.written");
    Ok(())
}

pub(super) const WAITING: &str = "SELECT id, saga_id, args, \"by\", at \
    FROM saga_command INDEXED BY saga_command_waiting WHERE answer IS NULL ORDER BY at, id";

pub(super) fn waiting(conn: &Database, limit: usize) -> Result<Vec<Request>, SqliteError> {
    let mut select = conn.prepare_cached(WAITING)?;
    let mut rows = select.query([])?;
    let mut waiting = Vec::new();
    while waiting.len() < limit {
        let Some(row) = rows.next()? else { break };
        // A request left by a newer version must not hide the others.
        waiting.extend(read(row));
    }
    Ok(waiting)
}

/// All requests for a saga, with their answers.
pub(super) fn of_saga(conn: &Database, saga: &SagaId) -> Result<RequestsWithAnswers, SqliteError> {
    let mut select = conn.prepare_cached(OF_SAGA)?;
    let mut rows = select.query([saga.as_str()])?;
    let mut requests = Vec::new();
    while let Some(row) = rows.next()? {
        let answer = row.get_ref(5)?.as_blob_or_null().ok().flatten();
        let answer = answer.map(serde_json::from_slice).transpose();
        // One that a newer version has left, or answered, must not hide the others.
        requests.extend(read(row).zip(answer.ok()));
    }
    Ok(requests)
}

pub(super) const OF_SAGA: &str = "SELECT id, saga_id, args, \"by\", at, answer FROM saga_command \
    WHERE saga_id = ?1 ORDER BY at, id";

fn read(row: &Row<'_>) -> Option<Request> {
    let command: Command = serde_json::from_slice(row.get_ref(2).ok()?.as_blob().ok()?).ok()?;
    Some(Request {
        id: row.get::<_, String>(0).ok()?.parse().ok()?,
        saga: row.get::<_, String>(1).ok()?.try_into().ok()?,
        command,
        by: row.get(3).ok()?,
        at: Timestamp(row.get::<_, i64>(4).ok()?.try_into().ok()?),
    })
}

pub(super) fn answer(conn: &Database, id: &str, answer: &[u8]) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE saga_command SET answer = ?2 WHERE id = ?1 AND answer IS NULL")?
        .execute(params![id, answer])?;
    crash_point("sqlite.answer.written");
    Ok(())
}

pub(super) fn answer_to(conn: &Database, id: Uuid) -> Result<Option<Answer>, SqliteError> {
    let answer: Option<Option<Vec<u8>>> = conn
        .prepare_cached("SELECT answer FROM saga_command WHERE id = ?1")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    let Some(answer) = answer.flatten() else { return Ok(None) };
    let answer = serde_json::from_slice(&answer).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(e))
    })?;
    Ok(Some(answer))
}
