//! Appends: compared and written for many sagas in one statement.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use tokio::sync::oneshot;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::connection::{Database, Execute};
use super::detailed_appends;
use super::group_commit::Write;
use super::log_columns;
use super::retries::Tries;
use super::rows::{int, owner_column, text};
use super::schema;
use super::trouble::Trouble;
use crate::crash_points::crash_point;
use crate::log::Payload;
use crate::store::log_rows::{LogRow, LogRows};
use crate::store::{Append, StoreError};

/// An append whose values fit into the database's columns.
pub(super) struct AppendRow {
    pub(super) append: Append,
    pub(super) epoch: i64,
    pub(super) expected_next_seq: i64,
    next_seq: i64,
    wake_at: Option<i64>,
    updated_at: i64,
    pub(super) error: Option<String>,
    pub(super) parked_reason: Option<String>,
    pub(super) log: LogRows,
    pub(super) answers: Vec<(Uuid, Vec<u8>)>,
}

/// An append that waits, and whom to reply to.
pub(super) struct AppendJob {
    pub(super) row: AppendRow,
    pub(super) reply: oneshot::Sender<Result<(), StoreError>>,
}

impl Write for AppendJob {
    fn bytes(&self) -> usize {
        let log = self.row.log.iter();
        let log = log.map(|row| row.payloads.as_bytes().len() + row.entries.len() + 256);
        let definition = self.row.append.change.definition.as_deref();
        log.sum::<usize>() + definition.map_or(0, |new| new.params.len() + new.dag.len())
    }

    fn key(&self) -> &str {
        self.row.append.saga.as_str()
    }
}

impl AppendRow {
    pub(super) fn new(append: Append) -> Result<Self, String> {
        let next_seq = append.check()?;
        let updated_at = append.entries.last().map_or(Ok(0), |last| int(last.at.0))?;
        let answers = append
            .answers
            .iter()
            .map(|(id, answer)| Ok((*id, serde_json::to_vec(answer).map_err(|e| e.to_string())?)));
        let change = &append.change;
        Ok(Self {
            epoch: int(append.epoch)?,
            expected_next_seq: int(append.expected_next_seq)?,
            next_seq: int(next_seq)?,
            wake_at: change.wake_at.map(|at| int(at.0)).transpose()?,
            updated_at,
            error: change.error.as_deref().map(|error| text(error).into_owned()),
            parked_reason: change
                .parked_reason
                .as_ref()
                .and_then(Option::as_deref)
                .map(|reason| text(reason).into_owned()),
            log: LogRows::new(append.expected_next_seq, &append.entries)?,
            answers: answers.collect::<Result<_, String>>()?,
            append,
        })
    }

    /// Replaces the output in the first entry, if that is a `succeeded`.
    pub(super) fn replace_output(&mut self, output: Payload) -> Result<(), String> {
        if self.append.replace_output(output) {
            self.log = LogRows::new(self.append.expected_next_seq, &self.append.entries)?;
        }
        Ok(())
    }

    /// True if more of the record changes than every append changes.
    fn has_details(&self) -> bool {
        let change = &self.append.change;
        change.error.is_some()
            || change.context.is_some()
            || change.paused.is_some()
            || change.parked_reason.is_some()
            || change.definition.is_some()
    }
}

/// Commits appends, and replies to each.
pub(super) async fn commit(database: &Arc<Database>, jobs: Vec<AppendJob>) {
    let (rows, replies): (Vec<_>, Vec<_>) =
        jobs.into_iter().map(|job| (job.row, job.reply)).unzip();
    let results = append_all(database, &rows).await;
    crash_point("postgres.append.telling");
    for (reply, result) in replies.into_iter().zip(results) {
        // the caller may have stopped waiting
        let _ = reply.send(result);
    }
}

async fn append_all(database: &Arc<Database>, rows: &[AppendRow]) -> Vec<Result<(), StoreError>> {
    let all = rows.iter().collect::<Vec<_>>();
    let mut tries = Tries::default();
    match append_batch(database, &all, &mut tries).await {
        Ok(results) => results,
        // one of them may be to blame
        Err(trouble) if rows.len() > 1 && trouble.blames_the_values() => {
            let mut results = Vec::with_capacity(rows.len());
            for row in rows {
                let alone = append_batch(database, &[row], &mut tries.of_a_part()).await;
                results.push(match alone {
                    Ok(alone) => alone.into_iter().next().unwrap_or(Ok(())),
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

/// Appends in one statement. A commit whose result is unknown is tried again: what was committed is found then.
async fn append_batch(
    database: &Arc<Database>,
    rows: &[&AppendRow],
    tries: &mut Tries,
) -> Result<Vec<Result<(), StoreError>>, Trouble> {
    let written = loop {
        let connection = tries.connection(database).await?;
        crash_point("postgres.append.before");
        match append(&connection, rows).await {
            Ok(written) => break written,
            Err(trouble) => tries.failed(connection, trouble).await?,
        }
    };
    crash_point("postgres.append.after");
    let mut results = rows.iter().map(|_| Ok(())).collect::<Vec<_>>();
    let missing = (0..).zip(&written).filter(|(_, written)| !**written);
    let missing = missing.map(|(index, _)| index).collect::<Vec<usize>>();
    if missing.is_empty() {
        return Ok(results);
    }
    crash_point("postgres.append.unknown");
    let of_missing =
        missing.iter().filter_map(|index| rows.get(*index).copied()).collect::<Vec<_>>();
    let mut reading = Tries::default();
    let found = loop {
        let connection = reading.connection(database).await?;
        let found = match why_not(&connection, &of_missing).await {
            Ok(found) if tries.is_unknown() && found.contains(&Found::Written) => {
                schema::wait_for_standbys(&connection).await.map(|()| found)
            }
            found => found,
        };
        match found {
            Ok(found) => break found,
            Err(trouble) => reading.failed(connection, trouble).await?,
        }
    };
    for (index, found) in missing.into_iter().zip(found) {
        if let Some(result) = results.get_mut(index) {
            let saga = rows.get(index).map(|row| row.append.saga.clone());
            *result = match (found, saga) {
                (Found::Written, _) if tries.is_unknown() => Ok(()),
                (Found::Nothing, Some(saga)) => Err(StoreError::NotFound { saga }),
                (Found::Written | Found::Other, Some(saga)) => Err(StoreError::Fenced { saga }),
                (_, None) => Ok(()),
            };
        }
    }
    Ok(results)
}

/// Why an append changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The saga does not exist.
    Nothing,
    /// Its entries are in the log: this epoch wrote them in an earlier try.
    Written,
    /// Owner, epoch or sequence number differ.
    Other,
}

/// Reads back what the log has where appends wanted to write.
pub(super) async fn why_not(
    connection: &impl Execute,
    rows: &[&AppendRow],
) -> Result<Vec<Found>, Trouble> {
    let ids = rows.iter().map(|row| row.append.saga.as_str()).collect::<Vec<_>>();
    let seqs = rows.iter().map(|row| row.expected_next_seq).collect::<Vec<_>>();
    let sql = "SELECT s.number IS NOT NULL, l.entries FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS a (id, seq, place) \
         LEFT JOIN saga AS s ON s.id = a.id LEFT JOIN saga_log AS l ON l.number = s.number AND l.first_seq = a.seq \
         ORDER BY a.place";
    let params: super::connection::Params<'_> =
        &[(&ids, Type::TEXT_ARRAY), (&seqs, Type::INT8_ARRAY)];
    let found = connection.query(sql, params).await?;
    let mut results = Vec::with_capacity(rows.len());
    for (row, append) in found.iter().zip(rows) {
        let exists: bool = row.try_get(0).map_err(Trouble::Sql)?;
        let entries: Option<&str> = row.try_get(1).map_err(Trouble::Sql)?;
        // An epoch has one owner, and one append of it begins at one sequence number: what it wrote there is this.
        let ours = append.log.iter().next().map(|row| &*row.entries);
        results.push(match entries {
            _ if !exists => Found::Nothing,
            Some(entries) if Some(entries.as_bytes()) == ours => Found::Written,
            Some(_) | None => Found::Other,
        });
    }
    Ok(results)
}

/// Compares and writes, and returns for each append whether it was written, and not fenced.
pub(super) async fn append(
    connection: &impl Execute,
    rows: &[&AppendRow],
) -> Result<Vec<bool>, Trouble> {
    match log_columns::only_rows(rows.iter().map(|row| &row.log)) {
        Some(log) if are_plain(rows) => append_plain(connection, rows, &log).await,
        _ => detailed_appends::append(connection, rows).await,
    }
}

/// True if only those columns change that every append changes, and if all appends have one owner.
fn are_plain(rows: &[&AppendRow]) -> bool {
    let owner = rows.first().map(|row| &row.append.owner);
    rows.iter()
        .all(|row| !row.has_details() && row.answers.is_empty() && Some(&row.append.owner) == owner)
}

/// What most batches are: each append has one row of the log. So little is passed for each append, because the server
/// needs most of the time for that.
async fn append_plain(
    connection: &impl Execute,
    rows: &[&AppendRow],
    log: &[&LogRow],
) -> Result<Vec<bool>, Trouble> {
    let Common { ids, epochs, expected, next, statuses, wake, updated, ended, progress } =
        Common::of(rows);
    let owner = rows.first().map_or(Cow::Borrowed(""), |row| owner_column(&row.append.owner));
    let entries = log.iter().map(|row| log_columns::text(row)).collect::<Result<Vec<_>, _>>()?;
    let payloads = log.iter().map(|row| row.payloads.as_bytes()).collect::<Vec<_>>();
    let params: super::connection::Params<'_> = &[
        (&ids, Type::TEXT_ARRAY),
        (&epochs, Type::INT8_ARRAY),
        (&expected, Type::INT8_ARRAY),
        (&next, Type::INT8_ARRAY),
        (&statuses, Type::TEXT_ARRAY),
        (&wake, Type::INT8_ARRAY),
        (&updated, Type::INT8_ARRAY),
        (&ended, Type::BOOL_ARRAY),
        (&progress, Type::BOOL_ARRAY),
        (&entries, Type::TEXT_ARRAY),
        (&payloads, Type::BYTEA_ARRAY),
        (&owner, Type::TEXT),
    ];
    let written = connection.query_often(&PLAIN, params).await?;
    log_columns::are_among(&written, &ids)
}

/// The columns that every statement needs.
pub(super) struct Common<'a> {
    pub(super) ids: Vec<&'a str>,
    pub(super) epochs: Vec<i64>,
    pub(super) expected: Vec<i64>,
    pub(super) next: Vec<i64>,
    pub(super) statuses: Vec<&'static str>,
    pub(super) wake: Vec<Option<i64>>,
    pub(super) updated: Vec<i64>,
    pub(super) ended: Vec<bool>,
    pub(super) progress: Vec<bool>,
}

impl<'a> Common<'a> {
    pub(super) fn of(rows: &[&'a AppendRow]) -> Self {
        Self {
            ids: rows.iter().map(|row| row.append.saga.as_str()).collect(),
            epochs: rows.iter().map(|row| row.epoch).collect(),
            expected: rows.iter().map(|row| row.expected_next_seq).collect(),
            next: rows.iter().map(|row| row.next_seq).collect(),
            statuses: rows.iter().map(|row| row.append.change.status.as_str()).collect(),
            wake: rows.iter().map(|row| row.wake_at).collect(),
            updated: rows.iter().map(|row| row.updated_at).collect(),
            ended: rows.iter().map(|row| row.append.change.status.is_ended()).collect(),
            progress: rows.iter().map(|row| row.append.change.progress).collect(),
        }
    }
}

/// The last condition makes the planner expect one append, whatever their number: it then looks up each saga by its id,
/// which is right for every size of the table, and not only for the size at which the statement was planned.
pub(super) const COMPARE: &str =
    "s.id = a.id AND s.epoch = a.epoch AND s.next_seq = a.expected AND a.epoch = abs(a.epoch)";

/// The columns that every append changes.
pub(super) const CHANGES: &str = "next_seq = a.next, status = a.status, wake_at = a.wake, updated_at = a.updated, \
    ended_at = CASE WHEN a.ended THEN a.updated END, \
    attempts = CASE WHEN a.progress THEN 1 ELSE s.attempts END";

/// Functions that return rows in a list of columns are evaluated row by row. In a `FROM`, the server would first collect
/// the rows of each, which takes it several times as long.
static PLAIN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH a AS (SELECT unnest($1::text[]) AS id, unnest($2::bigint[]) AS epoch, unnest($3::bigint[]) AS expected, \
         unnest($4::bigint[]) AS next, unnest($5::text[]) AS status, unnest($6::bigint[]) AS wake, \
         unnest($7::bigint[]) AS updated, unnest($8::boolean[]) AS ended, unnest($9::boolean[]) AS progress, \
         unnest($10::text[]) AS entries, unnest($11::bytea[]) AS payloads), \
         u AS (UPDATE saga AS s SET {CHANGES} FROM a WHERE s.owner = $12 AND {COMPARE} \
         RETURNING s.number, a.id, a.expected, a.entries, a.payloads), \
         l AS (INSERT INTO saga_log (number, first_seq, entries, payloads) SELECT number, expected, entries, payloads FROM u) \
         SELECT array_agg(id) FROM u"
    )
});
