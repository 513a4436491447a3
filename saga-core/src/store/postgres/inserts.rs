//! The statements that insert new sagas.

use std::borrow::Cow;
use std::sync::LazyLock;

use tokio_postgres::types::Type;

use super::connection::{Execute, Params};
use super::creates::{NewSagaRow, StoredVersion};
use super::log_columns::{self, LogColumns};
use super::rows::{owner_column, suspended_until};
use super::trouble::Trouble;
use crate::log::{Payload, SagaStatus};
use crate::store::log_rows::LogRow;

/// Inserts sagas whose ids are free, and returns for each whether it was.
pub(super) async fn insert(
    connection: &impl Execute,
    rows: &[&NewSagaRow],
    versions: &[StoredVersion],
) -> Result<Vec<bool>, Trouble> {
    match log_columns::only_rows(rows.iter().map(|row| &row.log)) {
        Some(log) if are_plain(rows, versions) => {
            insert_plain(connection, rows, versions, &log).await
        }
        _ => insert_detailed(connection, rows, versions).await,
    }
}

/// True if nothing has happened to the sagas yet, and if all have one owner.
fn are_plain(rows: &[&NewSagaRow], versions: &[StoredVersion]) -> bool {
    let owner = rows.first().and_then(|row| row.record.owner.as_ref());
    owner.is_some()
        && rows.iter().zip(versions).all(|(row, (_, dag))| {
            let record = &row.record;
            record.status == SagaStatus::Running
                && record.owner.as_ref() == owner
                && record.dag == *dag
                && record.context.is_none()
                && !record.paused
                && (row.wake_at, row.deadline, row.ended_at) == (None, None, None)
                && !record.suspended
                && (&row.parked_reason, &row.error) == (&None, &None)
        })
}

/// What most batches are. As with appends, little is passed for each saga, and it is passed so that the server evaluates it
/// row by row.
async fn insert_plain(
    connection: &impl Execute,
    rows: &[&NewSagaRow],
    versions: &[StoredVersion],
    log: &[&LogRow],
) -> Result<Vec<bool>, Trouble> {
    let records = || rows.iter().map(|row| &row.record);
    let ids = records().map(|record| record.id.as_str()).collect::<Vec<_>>();
    let numbers = versions.iter().map(|(number, _)| *number).collect::<Vec<_>>();
    let epochs = rows.iter().map(|row| row.epoch).collect::<Vec<_>>();
    let next = rows.iter().map(|row| row.next_seq).collect::<Vec<_>>();
    let attempts = records().map(|record| i64::from(record.attempts)).collect::<Vec<_>>();
    let created = rows.iter().map(|row| row.created_at).collect::<Vec<_>>();
    let updated = rows.iter().map(|row| row.updated_at).collect::<Vec<_>>();
    let births = records().map(|record| record.run_key).collect::<Vec<_>>();
    let inputs = records().map(|record| record.params.as_bytes()).collect::<Vec<_>>();
    let entries = log.iter().map(|row| log_columns::text(row)).collect::<Result<Vec<_>, _>>()?;
    let payloads = log.iter().map(|row| row.payloads.as_bytes()).collect::<Vec<_>>();
    let owner = records().next().and_then(|record| record.owner.as_ref());
    let owner = owner.map_or(Cow::Borrowed(""), owner_column);
    let params: Params<'_> = &[
        (&ids, Type::TEXT_ARRAY),
        (&numbers, Type::INT4_ARRAY),
        (&epochs, Type::INT8_ARRAY),
        (&next, Type::INT8_ARRAY),
        (&attempts, Type::INT8_ARRAY),
        (&created, Type::INT8_ARRAY),
        (&updated, Type::INT8_ARRAY),
        (&births, Type::UUID_ARRAY),
        (&inputs, Type::BYTEA_ARRAY),
        (&entries, Type::TEXT_ARRAY),
        (&payloads, Type::BYTEA_ARRAY),
        (&owner, Type::TEXT),
    ];
    let created = connection.query_often(&PLAIN, params).await?;
    log_columns::are_among(&created, &ids)
}

static PLAIN: LazyLock<String> = LazyLock::new(|| {
    let running = SagaStatus::Running.as_str();
    format!(
        "WITH n AS (SELECT unnest($1::text[]) AS id, unnest($2::integer[]) AS version, unnest($3::bigint[]) AS epoch, \
         unnest($4::bigint[]) AS next, unnest($5::bigint[]) AS attempts, unnest($6::bigint[]) AS created, \
         unnest($7::bigint[]) AS updated, unnest($8::uuid[]) AS birth, unnest($9::bytea[]) AS params, \
         unnest($10::text[]) AS entries, unnest($11::bytea[]) AS payloads), \
         s AS (INSERT INTO saga (id, version, status, owner, epoch, next_seq, attempts, paused, created_at, updated_at) \
         SELECT n.id, n.version, '{running}', $12, n.epoch, n.next, n.attempts, false, n.created, n.updated \
         FROM n JOIN saga_version AS v ON v.version = n.version AND v.retired_at IS NULL \
         ON CONFLICT (id) DO NOTHING RETURNING id, number), \
         c AS (SELECT s.number, s.id, n.birth, n.params, n.entries, n.payloads FROM s JOIN n ON n.id = s.id), \
         i AS (INSERT INTO saga_input (number, birth, params) SELECT number, birth, params FROM c), \
         l AS (INSERT INTO saga_log (number, first_seq, entries, payloads) SELECT number, 1, entries, payloads FROM c) \
         SELECT array_agg(id) FROM c"
    )
});

async fn insert_detailed(
    connection: &impl Execute,
    rows: &[&NewSagaRow],
    versions: &[StoredVersion],
) -> Result<Vec<bool>, Trouble> {
    let index = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
    let places = (0..rows.len()).map(index).collect::<Vec<_>>();
    let numbers = versions.iter().map(|(number, _)| *number).collect::<Vec<_>>();
    let dags = rows
        .iter()
        .zip(versions)
        .map(|(row, (_, dag))| (*dag != row.record.dag).then(|| row.record.dag.as_bytes()));
    let dags = dags.collect::<Vec<_>>();
    let records = || rows.iter().map(|row| &row.record);
    let ids = records().map(|record| record.id.as_str()).collect::<Vec<_>>();
    let statuses = records().map(|record| record.status.as_str()).collect::<Vec<_>>();
    let owners = records()
        .map(|record| record.owner.as_ref().map_or(Cow::Borrowed(""), owner_column))
        .collect::<Vec<_>>();
    let epochs = rows.iter().map(|row| row.epoch).collect::<Vec<_>>();
    let next = rows.iter().map(|row| row.next_seq).collect::<Vec<_>>();
    let attempts = records().map(|record| i64::from(record.attempts)).collect::<Vec<_>>();
    let wake = rows.iter().map(|row| row.wake_at).collect::<Vec<_>>();
    let deadlines = rows.iter().map(|row| row.deadline).collect::<Vec<_>>();
    let paused = records().map(|record| record.paused).collect::<Vec<_>>();
    let parked = rows.iter().map(|row| row.parked_reason.as_deref()).collect::<Vec<_>>();
    let created = rows.iter().map(|row| row.created_at).collect::<Vec<_>>();
    let updated = rows.iter().map(|row| row.updated_at).collect::<Vec<_>>();
    let ended = rows.iter().map(|row| row.ended_at).collect::<Vec<_>>();
    let errors = rows.iter().map(|row| row.error.as_deref()).collect::<Vec<_>>();
    let contexts = records().map(|record| record.context.as_ref().map(Payload::as_bytes));
    let contexts = contexts.collect::<Vec<_>>();
    let births = records().map(|record| record.run_key).collect::<Vec<_>>();
    let inputs = records().map(|record| record.params.as_bytes()).collect::<Vec<_>>();
    let suspended = records()
        .map(|record| record.suspended.then(|| suspended_until(record.wake_at)))
        .collect::<Vec<_>>();
    let logs = LogColumns::of((0..).zip(rows.iter().map(|row| &row.log)))?;
    let params: Params<'_> = &[
        (&places, Type::INT8_ARRAY),
        (&ids, Type::TEXT_ARRAY),
        (&numbers, Type::INT4_ARRAY),
        (&statuses, Type::TEXT_ARRAY),
        (&owners, Type::TEXT_ARRAY),
        (&epochs, Type::INT8_ARRAY),
        (&next, Type::INT8_ARRAY),
        (&attempts, Type::INT8_ARRAY),
        (&wake, Type::INT8_ARRAY),
        (&deadlines, Type::INT8_ARRAY),
        (&paused, Type::BOOL_ARRAY),
        (&parked, Type::TEXT_ARRAY),
        (&created, Type::INT8_ARRAY),
        (&updated, Type::INT8_ARRAY),
        (&ended, Type::INT8_ARRAY),
        (&errors, Type::TEXT_ARRAY),
        (&contexts, Type::BYTEA_ARRAY),
        (&births, Type::UUID_ARRAY),
        (&inputs, Type::BYTEA_ARRAY),
        (&dags, Type::BYTEA_ARRAY),
        (&logs.places, Type::INT8_ARRAY),
        (&logs.first_seqs, Type::INT8_ARRAY),
        (&logs.entries, Type::TEXT_ARRAY),
        (&logs.payloads, Type::BYTEA_ARRAY),
        (&suspended, Type::INT8_ARRAY),
    ];
    let created = connection.query_often(DETAILED, params).await?;
    log_columns::are_at(&created, rows.len())
}

const DETAILED: &str = "WITH n AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::text[], $5::text[], \
    $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::boolean[], $12::text[], $13::bigint[], \
    $14::bigint[], $15::bigint[], $16::text[], $17::bytea[], $18::uuid[], $19::bytea[], $20::bytea[], $25::bigint[]) \
    AS n (place, id, version, status, owner, epoch, next, attempts, wake, deadline, paused, parked, created, updated, ended, \
    error, context, birth, params, dag, suspended)), \
    s AS (INSERT INTO saga (id, version, status, owner, epoch, next_seq, attempts, wake_at, deadline, paused, parked_reason, \
    created_at, updated_at, ended_at, error, context, suspended_until) \
    SELECT n.id, n.version, n.status, n.owner, n.epoch, n.next, n.attempts, n.wake, n.deadline, n.paused, n.parked, n.created, \
    n.updated, n.ended, n.error, n.context, n.suspended FROM n JOIN saga_version AS v ON v.version = n.version AND v.retired_at IS NULL \
    ON CONFLICT (id) DO NOTHING RETURNING id, number), \
    c AS (SELECT s.number, n.place, n.birth, n.params, n.dag FROM s JOIN n ON n.id = s.id), \
    i AS (INSERT INTO saga_input (number, birth, params, dag) SELECT number, birth, params, dag FROM c), \
    l AS (INSERT INTO saga_log (number, first_seq, entries, payloads) \
    SELECT c.number, r.first_seq, r.entries, r.payloads \
    FROM unnest($21::bigint[], $22::bigint[], $23::text[], $24::bytea[]) AS r (place, first_seq, entries, payloads) \
    JOIN c ON c.place = r.place) \
    SELECT place FROM c";
