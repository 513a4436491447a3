//! The rows of the log that a statement writes, as arrays: one for each column.

use std::collections::HashSet;

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

/// The rows of these logs, if each has only one.
pub(super) fn only_rows<'a>(logs: impl Iterator<Item = &'a LogRows>) -> Option<Vec<&'a LogRow>> {
    logs.map(LogRows::only).collect()
}

/// The entries of a row as a text.
pub(super) fn text(row: &LogRow) -> Result<&str, Trouble> {
    str::from_utf8(&row.entries).map_err(|e| {
        let why = format!("entries that were just encoded are not UTF-8: {e}");
        Trouble::Store(StoreError::Failed { store: "the database".to_string(), why })
    })
}

/// Which of so many writes are among the places that a statement returns, one a row.
pub(super) fn are_at(rows: &[Row], count: usize) -> Result<Vec<bool>, Trouble> {
    let mut written = vec![false; count];
    for row in rows {
        let place: i64 = row.try_get(0).map_err(Trouble::Sql)?;
        if let Some(written) = usize::try_from(place).ok().and_then(|place| written.get_mut(place))
        {
            *written = true;
        }
    }
    Ok(written)
}

/// Which of the sagas with these ids are among those that a statement returns as an array: mostly all of them.
pub(super) fn are_among(rows: &[Row], ids: &[&str]) -> Result<Vec<bool>, Trouble> {
    let found = rows.first().map(|row| row.try_get::<_, Option<Vec<&str>>>(0)).transpose();
    let found = found.map_err(Trouble::Sql)?.flatten().unwrap_or_default();
    if found.len() == ids.len() {
        return Ok(vec![true; ids.len()]);
    }
    let found = found.into_iter().collect::<HashSet<_>>();
    Ok(ids.iter().map(|id| found.contains(id)).collect())
}
