//! New sagas: many at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio_postgres::types::Type;

use super::connection::{Connection, Database, Execute};
use super::group_commit::Write;
use super::inserts;
use super::reads;
use super::retries::Tries;
use super::rows::{VersionKey, int, text};
use super::schema;
use super::trouble::Trouble;
use crate::crash_points::crash_point;
use crate::log::Payload;
use crate::store::log_rows::LogRows;
use crate::store::{Created, NewSaga, SagaRecord, StoreError};

/// How many versions a store remembers; more are only used by programs that build their DAGs at run time.
const KNOWN: usize = 256;

/// How often a saga is tried to be created that neither exists nor can be created.
const ROUNDS: usize = 3;

/// A new saga whose values fit into the database's columns.
pub(super) struct NewSagaRow {
    pub(super) record: SagaRecord,
    pub(super) epoch: i64,
    pub(super) next_seq: i64,
    pub(super) wake_at: Option<i64>,
    pub(super) deadline: Option<i64>,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) ended_at: Option<i64>,
    pub(super) parked_reason: Option<String>,
    pub(super) error: Option<String>,
    pub(super) log: LogRows,
}

/// The number of a version, and the DAG that is stored with it.
pub(super) type StoredVersion = (i32, Payload);

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
pub(super) struct KnownVersions(Mutex<HashMap<VersionKey, StoredVersion>>);

impl KnownVersions {
    fn get(&self, key: &VersionKey) -> Option<StoredVersion> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn remember(&self, key: VersionKey, version: StoredVersion) {
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
    crash_point("postgres.create.telling");
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
    let mut stored = Vec::with_capacity(rows.len());
    for row in rows {
        stored.push(version(connection, versions, row).await?);
    }
    crash_point("postgres.create.before");
    let created = inserts::insert(connection, rows, &stored).await?;
    crash_point("postgres.create.after");
    let mut results = vec![None; rows.len()];
    let mut found_again = false;
    for ((row, created), result) in rows.iter().zip(created).zip(&mut results) {
        if created {
            *result = Some(Created::New);
            continue;
        }
        *result = reads::find(connection, &row.record.id).await?.map(|found| {
            if tried_before && found.run_key == row.record.run_key {
                found_again = true;
                Created::New
            } else {
                Created::Exists(Box::new(found))
            }
        });
    }
    if found_again {
        schema::wait_for_standbys(connection).await?;
    }
    Ok(results)
}

/// The number of a saga's version, and the DAG that is stored with it. It is stored if it is new.
async fn version(
    connection: &Connection,
    versions: &KnownVersions,
    row: &NewSagaRow,
) -> Result<StoredVersion, Trouble> {
    let key = row.version_key();
    if let Some(known) = versions.get(&key) {
        return Ok(known);
    }
    let (fingerprint, name) = (text(&row.record.fingerprint), text(&row.record.name));
    let dag = row.record.dag.as_bytes();
    let params: super::connection::Params<'_> =
        &[(&fingerprint, Type::TEXT), (&name, Type::TEXT), (&dag, Type::BYTEA)];
    crash_point("postgres.version.before");
    let rows = connection.query(INSERT_VERSION, params).await?;
    crash_point("postgres.version.after");
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
