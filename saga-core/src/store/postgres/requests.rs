//! Operators' requests and their answers.

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::connection::{Connection, Execute, Params};
use super::rows::{bound, owner_column, plain, text};
use super::trouble::Trouble;
use crate::crash_points::crash_point;
use crate::log::{Answer, Command, Request, SagaId, Timestamp};
use crate::store::{RequestsWithAnswers, StoreError, WorkerId};

/// Stores a request, unless one with its id exists.
pub(super) async fn insert(connection: &Connection, request: &Request) -> Result<(), Trouble> {
    let args = encode(&request.command).map_err(|why| connection.database().failed(why))?;
    let (saga, by, at) = (request.saga.as_str(), text(&request.by), bound(request.at));
    let params: Params<'_> = &[
        (&request.id, Type::UUID),
        (&saga, Type::TEXT),
        (&request.command.name(), Type::TEXT),
        (&args, Type::BYTEA),
        (&by, Type::TEXT),
        (&at, Type::INT8),
    ];
    // the lock keeps the saga from being deleted before its request is stored
    let sql = "WITH s AS (SELECT id FROM saga WHERE id = $2 FOR KEY SHARE), \
        c AS (INSERT INTO saga_command (id, saga_id, kind, args, \"by\", at) \
        SELECT $1, s.id, $3, $4, $5, $6 FROM s ON CONFLICT (id) DO NOTHING) SELECT 1 FROM s";
    crash_point("postgres.request.before");
    let found = connection.query(sql, params).await?;
    crash_point("postgres.request.after");
    match found.is_empty() {
        true => Err(StoreError::NotFound { saga: request.saga.clone() }.into()),
        false => Ok(()),
    }
}

fn encode(value: &impl serde::Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(value).map_err(|e| e.to_string())
}

/// The unanswered requests that a worker may carry out.
pub(super) async fn waiting(
    connection: &Connection,
    worker: &WorkerId,
    limit: usize,
) -> Result<Vec<Request>, Trouble> {
    let sql = "SELECT c.id, c.saga_id, c.args, c.\"by\", c.at FROM saga_command AS c JOIN saga AS s ON s.id = c.saga_id \
        WHERE c.answer IS NULL AND (s.owner IN ('', $1) OR NOT EXISTS (SELECT 1 FROM saga_worker AS w \
        WHERE w.incarnation = s.owner AND w.lease_until > clock_timestamp())) ORDER BY c.at, c.id";
    let mut requests = Vec::new();
    if limit == 0 {
        return Ok(requests);
    }
    let rows = connection.query(sql, &[(&owner_column(worker), Type::TEXT)]).await?;
    // a request that a newer version left must not hide the others
    requests.extend(rows.iter().filter_map(read));
    requests.truncate(limit);
    Ok(requests)
}

/// All requests for a saga, with their answers.
pub(super) async fn of_saga(
    connection: &Connection,
    saga: &SagaId,
) -> Result<RequestsWithAnswers, Trouble> {
    let sql = "SELECT id, saga_id, args, \"by\", at, answer FROM saga_command WHERE saga_id = $1 ORDER BY at, id";
    let rows = connection.query(sql, &[(&saga.as_str(), Type::TEXT)]).await?;
    let mut requests = Vec::new();
    for row in &rows {
        let answer: Option<&[u8]> = row.try_get(5).map_err(Trouble::Sql)?;
        let answer = answer.map(serde_json::from_slice).transpose();
        // one that a newer version has left, or answered, must not hide the others
        requests.extend(read(row).zip(answer.ok()));
    }
    Ok(requests)
}

fn read(row: &Row) -> Option<Request> {
    let command: Command = serde_json::from_slice(row.try_get(2).ok()?).ok()?;
    let saga: SagaId = row.try_get::<_, &str>(1).ok()?.parse().ok()?;
    let at = Timestamp(row.try_get::<_, i64>(4).ok()?.try_into().ok()?);
    let by = plain(row.try_get(3).ok()?);
    Some(Request { id: row.try_get(0).ok()?, saga, command, by, at })
}

/// Answers a request that has no answer, unless another worker owns its saga that is alive, or this one is not.
pub(super) async fn answer(
    connection: &Connection,
    worker: &WorkerId,
    id: Uuid,
    answer: &Answer,
) -> Result<(), Trouble> {
    let answer = encode(answer).map_err(|why| connection.database().failed(why))?;
    // with the lock, no other worker takes the saga between the look at its owner and the answer
    let sql = "WITH owned AS (SELECT s.id, s.owner FROM saga_command AS c JOIN saga AS s ON s.id = c.saga_id \
        WHERE c.id = $1 FOR SHARE OF s), \
        alive AS (SELECT incarnation FROM saga_worker WHERE lease_until > clock_timestamp()), \
        fenced AS (SELECT id FROM owned WHERE owner NOT IN ('', $3) AND (owner IN (SELECT incarnation FROM alive) \
        OR $3 NOT IN (SELECT incarnation FROM alive))), \
        answered AS (UPDATE saga_command SET answer = $2 WHERE id = $1 AND answer IS NULL \
        AND NOT EXISTS (SELECT 1 FROM fenced)) \
        SELECT id FROM fenced";
    crash_point("postgres.answer.before");
    let params: Params<'_> =
        &[(&id, Type::UUID), (&answer, Type::BYTEA), (&owner_column(worker), Type::TEXT)];
    let fenced = connection.query(sql, params).await?;
    crash_point("postgres.answer.after");
    let Some(row) = fenced.first() else { return Ok(()) };
    let saga: &str = row.try_get(0).map_err(Trouble::Sql)?;
    let saga = saga.parse::<SagaId>();
    let saga = saga.map_err(|e| connection.database().failed(e.to_string()))?;
    Err(StoreError::Fenced { saga }.into())
}

pub(super) async fn answer_to(
    connection: &Connection,
    id: Uuid,
) -> Result<Option<Answer>, Trouble> {
    let sql = "SELECT answer FROM saga_command WHERE id = $1";
    let rows = connection.query(sql, &[(&id, Type::UUID)]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let answer: Option<&[u8]> = row.try_get(0).map_err(Trouble::Sql)?;
    let damaged = |e: serde_json::Error| {
        connection.database().failed(format!("the answer to request {id} is damaged: {e}")).into()
    };
    answer.map(|answer| serde_json::from_slice(answer).map_err(damaged)).transpose()
}
