//! The rows of the log that a statement writes, as arrays: one for each column.

use tokio_postgres::Row;

use super::trouble::Trouble;
use crate::store::StoreError;
use crate::store::log_rows::{LogRow, LogRows};

/// The columns of rows of many sagas. Each row names the place of its saga in the statement.
pub(super) struct LogColumns<'a> {
    pub(super) places: Vec<i64>,
    pub(super) first_seqs: Vec<i64>,
    pub(super) entries: Vec<&'a str>,
    pub(super) payloads: Vec<&'a [u8]>,
}

impl<'a> LogColumns<'a> {
    pub(super) fn of(logs: impl Iterator<Item = (i64, &'a LogRows)>) -> Result<Self, Trouble> {
        let (places, first_seqs) = (Vec::new(), Vec::new());
        let (entries, payloads) = (Vec::new(), Vec::new());
        let mut columns = Self { places, first_seqs, entries, payloads };
        for (place, rows) in logs {
            for row in rows.iter() {
                columns.places.push(place);
                columns.first_seqs.push(row.first_seq);
                columns.entries.push(text(row)?);
                columns.payloads.push(row.payloads.as_bytes());
            }
        }
        Ok(columns)
    }
}

fn text(row: &LogRow) -> Result<&str, Trouble> {
    str::from_utf8(&row.entries).map_err(|e| {
        let why = format!("entries that were just encoded are not UTF-8: {e}");
        Trouble::Store(StoreError::Failed { store: "the database".to_string(), why })
    })
}

/// The places that a statement returns.
pub(super) fn places(rows: &[Row]) -> Result<Vec<usize>, Trouble> {
    let place = |row: &Row| {
        let place: i64 = row.try_get(0).map_err(Trouble::Sql)?;
        Ok(usize::try_from(place).unwrap_or(usize::MAX))
    };
    rows.iter().map(place).collect()
}
