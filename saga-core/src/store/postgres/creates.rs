//! New sagas: many in one statement.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio_postgres::types::{ToSql, Type};

use super::connection::{Connection, Database, Execute};
use super::group_commit::Write;
use super::log_columns::{self, LogColumns};
use super::reads;
use super::retries::Tries;
use super::rows::{VersionKey, int, owner_column, text};
use super::trouble::Trouble;
use crate::log::Payload;
use crate::store::log_rows::LogRows;
use crate::store::{Created, NewSaga, SagaRecord, StoreError};

/// How many versions a store remembers; more are only used by programs that build their DAGs at run time.
const KNOWN: usize = 256;

/// How often a saga is tried to be created that neither exists nor can be created.
const ROUNDS: usize = 3;

/// A new saga whose values fit into the database's columns.
pub(super) struct NewSagaRow {
    record: SagaRecord,
    epoch: i64,
    next_seq: i64,
    wake_at: Option<i64>,
    deadline: Option<i64>,
    created_at: i64,
    updated_at: i64,
    ended_at: Option<i64>,
    parked_reason: Option<String>,
    error: Option<String>,
    log: LogRows,
}

/// A saga that waits to be created, and whom to reply to.
pub(super) struct CreateJob {
    pub(super) row: NewSagaRow,
    pub(super) reply: oneshot::Sender<Result<Created, StoreError>>,
}

impl Write for CreateJob {
    fn bytes(&self) -> usize {
        let log = self.row.log.iter().map(|row| row.payloads.as_bytes().len() + row.entries.len());
        log.sum::<usize>() + self.row.record.params.len() + 512
    }

    fn key(&self) -> &str {
        self.row.record.id.as_str()
    }
}

impl NewSagaRow {
    pub(super) fn new(saga: NewSaga) -> Result<Self, String> {
        saga.check()?;
        let NewSaga { record, entries } = saga;
        let updated_at = int(record.updated_at.0)?;
        Ok(Self {
            epoch: int(record.epoch)?,
            next_seq: int(record.next_seq)?,
            wake_at: record.wake_at.map(|at| int(at.0)).transpose()?,
            deadline: record.deadline.map(|at| int(at.0)).transpose()?,
            created_at: int(record.created_at.0)?,
            updated_at,
            ended_at: record.status.is_ended().then_some(updated_at),
            parked_reason: record.parked_reason.as_deref().map(|reason| text(reason).into_owned()),
            error: record.error.as_deref().map(|error| text(error).into_owned()),
            log: LogRows::new(1, &entries)?,
            record,
        })
    }

    fn version_key(&self) -> VersionKey {
        (self.record.fingerprint.clone(), self.record.name.clone())
    }
}

/// The versions that this store has seen: their numbers and DAGs.
#[derive(Default)]
pub(super) struct KnownVersions(Mutex<HashMap<VersionKey, (i32, Payload)>>);

impl KnownVersions {
    fn get(&self, key: &VersionKey) -> Option<(i32, Payload)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn remember(&self, key: VersionKey, version: (i32, Payload)) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(key, version);
    }

    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Commits new sagas, and replies to each.
pub(super) async fn commit(
    database: &Arc<Database>,
    versions: &KnownVersions,
    jobs: Vec<CreateJob>,
) {
    let (rows, replies): (Vec<_>, Vec<_>) =
        jobs.into_iter().map(|job| (job.row, job.reply)).unzip();
    let results = create_all(database, versions, &rows).await;
    for (reply, result) in replies.into_iter().zip(results) {
        // the caller may have stopped waiting
        let _ = reply.send(result);
    }
}

async fn create_all(
    database: &Arc<Database>,
    versions: &KnownVersions,
    rows: &[NewSagaRow],
) -> Vec<Result<Created, StoreError>> {
    let all = rows.iter().collect::<Vec<_>>();
    let mut tries = Tries::default();
    match create_batch(database, versions, &all, &mut tries).await {
        Ok(results) => results,
        // one of them may be to blame
        Err(trouble) if rows.len() > 1 && trouble.blames_the_values() => {
            let mut results = Vec::with_capacity(rows.len());
            for row in rows {
                let alone = create_batch(database, versions, &[row], &mut tries.of_a_part()).await;
                results.push(match alone {
                    Ok(alone) => alone.into_iter().next().unwrap_or(Ok(Created::New)),
                    Err(trouble) => Err(trouble.into_store_error(database)),
                });
            }
            results
        }
        Err(trouble) => {
            let error = trouble.into_store_error(database);
            rows.iter().map(|_| Err(error.clone())).collect()
        }
    }
}

/// Creates sagas in one statement. A commit whose result is unknown is tried again: what was committed is found then.
async fn create_batch(
    database: &Arc<Database>,
    versions: &KnownVersions,
    rows: &[&NewSagaRow],
    tries: &mut Tries,
) -> Result<Vec<Result<Created, StoreError>>, Trouble> {
    let mut results: Vec<Option<Created>> = vec![None; rows.len()];
    for _ in 0..ROUNDS {
        let left = (0..).zip(rows).filter(|(place, _)| matches!(results.get(*place), Some(None)));
        let (places, left): (Vec<usize>, Vec<&NewSagaRow>) = left.map(|(i, row)| (i, *row)).unzip();
        if left.is_empty() {
            break;
        }
        let found = loop {
            let connection = tries.connection(database).await?;
            match create(&connection, versions, &left, tries.is_unknown()).await {
                Ok(found) => break found,
                Err(trouble) => tries.failed(connection, trouble).await?,
            }
        };
        for (place, found) in places.into_iter().zip(found) {
            if let Some(result) = results.get_mut(place) {
                *result = found;
            }
        }
        if results.iter().any(Option::is_none) {
            // a version that was removed is stored again in the next round
            versions.forget();
        }
    }
    let saga = |row: &&NewSagaRow| row.record.id.clone();
    let unsettled = |row| {
        database
            .failed(format!("saga {} is created and deleted by others at the same time", saga(row)))
    };
    let results = results.into_iter().zip(rows);
    Ok(results.map(|(result, row)| result.ok_or_else(|| unsettled(row))).collect())
}

/// Creates sagas. `None` for one that was not created although no saga has its id: its version was just removed.
async fn create(
    connection: &Connection,
    versions: &KnownVersions,
    rows: &[&NewSagaRow],
    tried_before: bool,
) -> Result<Vec<Option<Created>>, Trouble> {
    let created = insert(connection, versions, rows).await?;
    let mut results = vec![None; rows.len()];
    for (place, (row, result)) in rows.iter().zip(&mut results).enumerate() {
        if created.contains(&place) {
            *result = Some(Created::New);
            continue;
        }
        *result = reads::find(connection, &row.record.id).await?.map(|found| {
            if tried_before && found.run_key == row.record.run_key {
                Created::New
            } else {
                Created::Exists(Box::new(found))
            }
        });
    }
    Ok(results)
}

/// Inserts sagas whose ids are free, and returns their places.
async fn insert(
    connection: &Connection,
    versions: &KnownVersions,
    rows: &[&NewSagaRow],
) -> Result<Vec<usize>, Trouble> {
    let index = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
    let places = (0..rows.len()).map(index).collect::<Vec<_>>();
    let mut version_numbers = Vec::with_capacity(rows.len());
    let mut dags = Vec::with_capacity(rows.len());
    for row in rows {
        let (number, dag) = version(connection, versions, row).await?;
        version_numbers.push(number);
        dags.push((dag != row.record.dag).then(|| row.record.dag.as_bytes()));
    }
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
    let logs = LogColumns::of((0..).zip(rows.iter().map(|row| &row.log)))?;
    let params: Vec<(&(dyn ToSql + Sync), Type)> = vec![
        (&places, Type::INT8_ARRAY),
        (&ids, Type::TEXT_ARRAY),
        (&version_numbers, Type::INT4_ARRAY),
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
    ];
    let rows = connection.query_often(CREATE, &params).await?;
    log_columns::places(&rows)
}

const CREATE: &str = "WITH n AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::text[], $5::text[], \
    $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::boolean[], $12::text[], $13::bigint[], \
    $14::bigint[], $15::bigint[], $16::text[], $17::bytea[], $18::uuid[], $19::bytea[], $20::bytea[]) \
    AS n (place, id, version, status, owner, epoch, next, attempts, wake, deadline, paused, parked, created, updated, ended, \
    error, context, birth, params, dag)), \
    s AS (INSERT INTO saga (id, version, status, owner, epoch, next_seq, attempts, wake_at, deadline, paused, parked_reason, \
    created_at, updated_at, ended_at, error, context) \
    SELECT n.id, n.version, n.status, n.owner, n.epoch, n.next, n.attempts, n.wake, n.deadline, n.paused, n.parked, n.created, \
    n.updated, n.ended, n.error, n.context FROM n JOIN saga_version AS v ON v.version = n.version AND v.retired_at IS NULL \
    ON CONFLICT (id) DO NOTHING RETURNING id, number), \
    c AS (SELECT s.number, n.place, n.birth, n.params, n.dag FROM s JOIN n ON n.id = s.id), \
    i AS (INSERT INTO saga_input (number, birth, params, dag) SELECT number, birth, params, dag FROM c), \
    l AS (INSERT INTO saga_log (number, first_seq, entries, payloads) \
    SELECT c.number, r.first_seq, r.entries, r.payloads \
    FROM unnest($21::bigint[], $22::bigint[], $23::text[], $24::bytea[]) AS r (place, first_seq, entries, payloads) \
    JOIN c ON c.place = r.place) \
    SELECT place FROM c";

/// The number of a saga's version, and the DAG that is stored with it. It is stored if it is new.
async fn version(
    connection: &Connection,
    versions: &KnownVersions,
    row: &NewSagaRow,
) -> Result<(i32, Payload), Trouble> {
    let key = row.version_key();
    if let Some(known) = versions.get(&key) {
        return Ok(known);
    }
    let (fingerprint, name) = (text(&row.record.fingerprint), text(&row.record.name));
    let dag = row.record.dag.as_bytes();
    let params: super::connection::Params<'_> =
        &[(&fingerprint, Type::TEXT), (&name, Type::TEXT), (&dag, Type::BYTEA)];
    let rows = connection.query(INSERT_VERSION, params).await?;
    let Some(found) = rows.first() else {
        return Err(connection
            .database()
            .failed("it did not store a new version of a saga")
            .into());
    };
    let dag: &[u8] = found.try_get(1).map_err(Trouble::Sql)?;
    let version = (found.try_get(0).map_err(Trouble::Sql)?, Payload::from(dag));
    versions.remember(key, version.clone());
    Ok(version)
}

const INSERT_VERSION: &str = "INSERT INTO saga_version (fingerprint, name, dag) VALUES ($1, $2, $3) \
    ON CONFLICT (fingerprint, name) DO UPDATE SET retired_at = NULL RETURNING version, dag";
