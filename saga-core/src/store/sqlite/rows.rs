//! Converts records and appends to rows and back.

use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlResult, Type, ValueRef};

use super::super::log_rows::LogRows;
use super::super::{Append, NewSaga, SagaRecord, StoreError, Suspension, WorkerId};
use super::database::Database;
use super::write_job::SqliteError;
use super::{definitions, log_key, requests};
use crate::log::{InvalidSagaId, Payload, SagaId, SagaStatus, Timestamp};

/// The columns that [`record`] reads, in order.
pub(super) const RECORD: &str = "id, definition, status, owner, epoch, next_seq, attempts, wake_at, \
    deadline, paused, parked_reason, created_at, updated_at, error, context, birth, params, number, suspended_until";

/// Which of the [`RECORD`] columns is the number of the saga's definition.
pub(super) const DEFINITION: usize = 1;

/// Which of the [`RECORD`] columns is the saga's number, which is not part of the record.
pub(super) const NUMBER: usize = 17;

/// Which of the [`RECORD`] columns says until when the saga is suspended.
const SUSPENDED: usize = 18;

/// The join that [`RECORD`] needs. It is a left join, so that a missing row there makes the record corrupt
/// instead of hiding the saga.
pub(super) const WITH_INPUT: &str = "LEFT JOIN saga_input USING (number)";

/// A new saga whose numbers fit into SQLite's integers. It is built before it reaches the writer, so that a bad
/// argument does not cost a transaction.
pub(super) struct NewSagaRow {
    pub(super) record: SagaRecord,
    pub(super) run_key: String,
    pub(super) epoch: i64,
    pub(super) next_seq: i64,
    pub(super) wake_at: Option<i64>,
    pub(super) deadline: Option<i64>,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) ended_at: Option<i64>,
    pub(super) suspended_until: Option<i64>,
    pub(super) log: LogRows,
}

impl NewSagaRow {
    pub(super) fn new(saga: NewSaga) -> Result<Self, String> {
        saga.check()?;
        let NewSaga { record, entries } = saga;
        log_key::check_end(record.next_seq)?;
        let updated_at = int(record.updated_at.0)?;
        Ok(Self {
            run_key: record.run_key.to_string(),
            epoch: int(record.epoch)?,
            next_seq: int(record.next_seq)?,
            wake_at: record.wake_at.map(|at| int(at.0)).transpose()?,
            deadline: record.deadline.map(|at| int(at.0)).transpose()?,
            created_at: int(record.created_at.0)?,
            updated_at,
            ended_at: record.status.is_ended().then_some(updated_at),
            suspended_until: record.suspended.then(|| suspended_until(record.wake_at)),
            log: LogRows::new(1, &entries)?,
            record,
        })
    }
}

/// An append whose numbers fit into SQLite's integers.
pub(super) struct AppendRow {
    /// Mostly without its entries, which are in the log's rows.
    pub(super) append: Append,
    pub(super) epoch: i64,
    pub(super) expected_next_seq: i64,
    pub(super) next_seq: i64,
    pub(super) wake_at: Option<i64>,
    pub(super) updated_at: i64,
    pub(super) ended_at: Option<i64>,
    pub(super) log: LogRows,
    pub(super) answers: Vec<(String, Vec<u8>)>,
}

impl AppendRow {
    pub(super) fn new(append: Append) -> Result<Self, String> {
        let mut row = Self::with_entries(append)?;
        // dropped by the thread that has made them, since to free what another thread has allocated takes longer
        row.append.entries = Vec::new();
        Ok(row)
    }

    /// The same for a row whose output may be [replaced](Self::replace_output).
    pub(super) fn with_entries(append: Append) -> Result<Self, String> {
        let next_seq = append.check()?;
        log_key::check_end(next_seq)?;
        let updated_at = append.entries.last().map_or(Ok(0), |last| int(last.at.0))?;
        Ok(Self {
            epoch: int(append.epoch)?,
            expected_next_seq: int(append.expected_next_seq)?,
            next_seq: int(next_seq)?,
            wake_at: append.change.wake_at.map(|at| int(at.0)).transpose()?,
            updated_at,
            ended_at: append.change.status.is_ended().then_some(updated_at),
            log: LogRows::new(append.expected_next_seq, &append.entries)?,
            answers: append
                .answers
                .iter()
                .map(|(id, answer)| Ok((id.to_string(), requests::encode(answer)?)))
                .collect::<Result<_, String>>()?,
            append,
        })
    }

    /// Replaces the output of the first entry, if that is a `succeeded`.
    pub(super) fn replace_output(&mut self, output: Payload) -> Result<(), String> {
        if self.append.replace_output(output) {
            self.log = LogRows::new(self.append.expected_next_seq, &self.append.entries)?;
        }
        Ok(())
    }
}

/// A suspension whose numbers fit into SQLite's integers.
pub(super) struct SuspensionRow {
    pub(super) saga: SagaId,
    pub(super) owner: WorkerId,
    pub(super) epoch: i64,
    pub(super) next_seq: i64,
    pub(super) wake_at: Option<i64>,
    pub(super) suspended_until: i64,
}

impl SuspensionRow {
    pub(super) fn new(suspension: Suspension) -> Result<Self, String> {
        let Suspension { saga, owner, epoch, next_seq, wake_at } = suspension;
        Ok(Self {
            saga,
            owner,
            epoch: int(epoch)?,
            next_seq: int(next_seq)?,
            wake_at: wake_at.map(|at| int(at.0)).transpose()?,
            suspended_until: suspended_until(wake_at),
        })
    }
}

/// Converts a number to SQLite's integers, which are signed.
pub(super) fn int(n: u64) -> Result<i64, String> {
    i64::try_from(n).map_err(|_| format!("{n} is too large to store; the limit is {}", i64::MAX))
}

/// Converts a time that is only compared with others: one that is too large is later than all of them.
pub(super) fn bound(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// The column `suspended_until` of a saga that is suspended.
pub(super) fn suspended_until(wake_at: Option<Timestamp>) -> i64 {
    wake_at.map_or(NEVER, due_time)
}

/// The column `suspended_until` of a saga that waits for no time. None that has one is due then.
pub(super) const NEVER: i64 = i64::MAX;

/// A time at which sagas are due.
pub(super) fn due_time(at: Timestamp) -> i64 {
    bound(at).min(NEVER - 1)
}

/// Decodes a row with the [`RECORD`] columns.
pub(super) fn record(conn: &Database, row: &Row<'_>) -> Result<SagaRecord, SqliteError> {
    let odd = |e: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, e)
    };
    let id = row.get_ref(0)?.as_str().map_err(|e| odd(e.into()))?;
    let id: SagaId = id.parse().map_err(|e: InvalidSagaId| odd(e.into()))?;
    let definition = definitions::find(conn, row.get(DEFINITION)?)?;
    let read = || -> Result<SagaRecord, String> {
        let definition = definition.ok_or("its definition is missing")?;
        let mut columns = Columns { row, next: 2 };
        Ok(SagaRecord {
            id: id.clone(),
            name: definition.name,
            fingerprint: definition.fingerprint,
            dag: definition.dag,
            status: columns.text()?.parse::<SagaStatus>().map_err(|e| e.to_string())?,
            owner: columns.read(ValueRef::as_str_or_null)?.map(WorkerId::from),
            epoch: columns.unsigned()?,
            next_seq: columns.unsigned()?,
            attempts: columns.take()?,
            wake_at: columns.unsigned_or_none()?.map(Timestamp),
            deadline: columns.unsigned_or_none()?.map(Timestamp),
            paused: columns.take()?,
            parked_reason: columns.take()?,
            created_at: Timestamp(columns.unsigned()?),
            updated_at: Timestamp(columns.unsigned()?),
            error: columns.take()?,
            context: columns.read(ValueRef::as_blob_or_null)?.map(Payload::from),
            run_key: columns
                .text()?
                .parse()
                .map_err(|e: uuid::Error| format!("its run key is not a UUID: {e}"))?,
            params: columns.read(ValueRef::as_blob)?.into(),
            suspended: row.get::<_, Option<i64>>(SUSPENDED).map_err(|e| e.to_string())?.is_some(),
        })
    };
    read().map_err(|why| StoreError::Corrupt { saga: id.clone(), seq: 0, why }.into())
}

/// Reads the columns of a row in order.
struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r> Columns<'r, '_> {
    fn text(&mut self) -> Result<&'r str, String> {
        self.read(ValueRef::as_str)
    }

    /// A value that is borrowed from the row.
    fn read<T>(&mut self, read: fn(&ValueRef<'r>) -> FromSqlResult<T>) -> Result<T, String> {
        let column = self.next;
        self.next += 1;
        let value = self.row.get_ref(column).map_err(|e| e.to_string())?;
        read(&value).map_err(|_| {
            let name = self.row.as_ref().column_name(column).unwrap_or_default().to_string();
            rusqlite::Error::InvalidColumnType(column, name, value.data_type()).to_string()
        })
    }

    fn take<T: FromSql>(&mut self) -> Result<T, String> {
        let column = self.next;
        self.next += 1;
        self.row.get(column).map_err(|e| e.to_string())
    }

    fn unsigned(&mut self) -> Result<u64, String> {
        unsigned(self.take()?)
    }

    fn unsigned_or_none(&mut self) -> Result<Option<u64>, String> {
        self.take::<Option<i64>>()?.map(unsigned).transpose()
    }
}

fn unsigned(n: i64) -> Result<u64, String> {
    u64::try_from(n).map_err(|_| format!("{n} cannot be negative"))
}
