//! Converts records to columns and back.

use std::borrow::Cow;
use std::sync::Arc;

use tokio_postgres::Row;

use super::trouble::Trouble;
use crate::log::{Payload, SagaId, Timestamp};
use crate::store::{SagaRecord, StoreError, WorkerId};

/// The columns that [`record`] reads, in order, of `saga AS s` with [`WITH_REST`].
pub(super) const RECORD: &str = "s.id, v.name, v.fingerprint, coalesce(i.dag, v.dag), s.status, s.owner, s.epoch, s.next_seq, \
    s.attempts, s.wake_at, s.deadline, s.paused, s.parked_reason, s.created_at, s.updated_at, s.error, s.context, \
    i.birth, i.params, s.number, s.suspended_until";

/// Which of the [`RECORD`] columns is the saga's epoch.
pub(super) const EPOCH: usize = 6;

/// Which of the [`RECORD`] columns is the saga's number, which is not part of the record.
pub(super) const NUMBER: usize = 19;

/// Which of the [`RECORD`] columns says until when the saga is suspended. It is the last one.
pub(super) const SUSPENDED: usize = 20;

/// The joins that [`RECORD`] needs. They are left joins, so that a missing row makes the record corrupt instead of hiding
/// the saga.
pub(super) const WITH_REST: &str = "LEFT JOIN saga_version AS v ON v.version = s.version \
    LEFT JOIN saga_input AS i ON i.number = s.number";

/// Converts a number to the database's integers, which are signed.
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

/// Stands before what the database does not accept in a text.
const ESCAPE: char = '\u{e000}';

/// A text as the database accepts it: it has no character for zero. See [`plain`].
pub(super) fn text(plain: &str) -> Cow<'_, str> {
    if !plain.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(plain);
    }
    let mut text = String::with_capacity(plain.len() + 8);
    for character in plain.chars() {
        match character {
            '\0' => text.extend([ESCAPE, '0']),
            ESCAPE => text.extend([ESCAPE, ESCAPE]),
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

/// The text from which [`text`] was made.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ESCAPE if characters.next() == Some('0') => plain.push('\0'),
            other => plain.push(other),
        }
    }
    plain
}

/// Decodes a row with the [`RECORD`] columns.
pub(super) fn record(row: &Row) -> Result<SagaRecord, Trouble> {
    let id: &str = row.try_get(0).map_err(Trouble::Sql)?;
    let corrupt_id = |e: &dyn std::fmt::Display| {
        let why = format!("a row of the table `saga` has the id {id:?}, which is not one: {e}");
        Trouble::Store(StoreError::Failed { store: "the database".to_string(), why })
    };
    let id: SagaId = id.parse().map_err(|e: crate::log::InvalidSagaId| corrupt_id(&e))?;
    read(row, id.clone()).map_err(|why| StoreError::Corrupt { saga: id, seq: 0, why }.into())
}

fn read(row: &Row, id: SagaId) -> Result<SagaRecord, String> {
    let mut columns = Columns { row, next: 1 };
    let missing = |what: &str| format!("its {what} is missing");
    let name = columns.take::<Option<&str>>()?.ok_or_else(|| missing("definition"))?;
    let fingerprint = columns.take::<Option<&str>>()?.ok_or_else(|| missing("definition"))?;
    let dag = columns.take::<Option<&[u8]>>()?.ok_or_else(|| missing("definition"))?;
    Ok(SagaRecord {
        id,
        name: plain(name).into(),
        fingerprint: plain(fingerprint).into(),
        dag: dag.into(),
        status: columns
            .take::<&str>()?
            .parse()
            .map_err(|e: crate::log::InvalidSagaStatus| e.to_string())?,
        owner: owner(columns.take()?),
        epoch: columns.unsigned()?,
        next_seq: columns.unsigned()?,
        attempts: u32::try_from(columns.take::<i64>()?).unwrap_or(u32::MAX),
        wake_at: columns.unsigned_or_none()?.map(Timestamp),
        deadline: columns.unsigned_or_none()?.map(Timestamp),
        paused: columns.take()?,
        parked_reason: columns.take::<Option<&str>>()?.map(plain),
        created_at: Timestamp(columns.unsigned()?),
        updated_at: Timestamp(columns.unsigned()?),
        error: columns.take::<Option<&str>>()?.map(plain),
        context: columns.take::<Option<&[u8]>>()?.map(Payload::from),
        run_key: columns.take::<Option<uuid::Uuid>>()?.ok_or_else(|| missing("input"))?,
        params: columns.take::<Option<&[u8]>>()?.ok_or_else(|| missing("input"))?.into(),
        suspended: row
            .try_get::<_, Option<i64>>(SUSPENDED)
            .map_err(|e| crate::causes::with_causes(&e))?
            .is_some(),
    })
}

/// The owner in the column `owner`.
fn owner(column: &str) -> Option<WorkerId> {
    (!column.is_empty()).then(|| WorkerId::from(&*plain(column)))
}

/// The value of the column `owner`.
pub(super) fn owner_column(owner: &WorkerId) -> Cow<'_, str> {
    text(owner.as_str())
}

/// Reads the columns of a row in order.
struct Columns<'r> {
    row: &'r Row,
    next: usize,
}

impl<'r> Columns<'r> {
    fn take<T: tokio_postgres::types::FromSql<'r>>(&mut self) -> Result<T, String> {
        let column = self.next;
        self.next += 1;
        self.row.try_get(column).map_err(|e| crate::causes::with_causes(&e))
    }

    fn unsigned(&mut self) -> Result<u64, String> {
        unsigned(self.take()?)
    }

    fn unsigned_or_none(&mut self) -> Result<Option<u64>, String> {
        self.take::<Option<i64>>()?.map(unsigned).transpose()
    }
}

pub(super) fn unsigned(n: i64) -> Result<u64, String> {
    u64::try_from(n).map_err(|_| format!("{n} cannot be negative"))
}

/// A name and a fingerprint.
pub(super) type VersionKey = (Arc<str>, Arc<str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_stored_without_zeros_and_read_back() {
        for original in ["", "a\\b", "\0", "a\0\0b", "\u{e000}", "\u{e000}0\0\u{e000}\u{e000}"] {
            let stored = text(original);
            assert!(!stored.contains('\0'));
            assert_eq!(plain(&stored), original);
        }
    }
}
