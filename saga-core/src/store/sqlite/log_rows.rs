//! Log entries as rows: one row for each append, with all of its entries.

use std::borrow::Cow;
use std::fmt;

use rusqlite::Row;
use serde::{Deserialize, Serialize};

use super::rows::int;
use crate::log::{Entry, EntryKind, NodePath, Timestamp};

/// The entries of one append, encoded.
pub(super) struct LogRow {
    pub(super) first_seq: i64,
    /// How many entries there are.
    pub(super) count: u64,
    /// A JSON array of [`Head`]s.
    pub(super) entries: String,
    /// The payloads, one after the other.
    pub(super) payloads: Vec<u8>,
}

/// An entry without its sequence number, which follows from its place: its kind, its epoch, its time, its node, its
/// attempt, and the number of bytes of its payload.
#[derive(Serialize, Deserialize)]
struct Head<'a>(#[serde(borrow)] Text<'a>, u64, u64, Option<Text<'a>>, u32, usize);

#[derive(Serialize, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl LogRow {
    pub(super) fn new(first_seq: u64, entries: &[Entry]) -> Result<Self, String> {
        let mut payloads = Vec::new();
        let heads = entries.iter().map(|entry| {
            let payload = entry.kind.encode().unwrap_or_default();
            payloads.extend_from_slice(payload.as_bytes());
            let (kind, node) = (entry.kind.name().into(), entry.node().map(|n| n.as_str().into()));
            Head(kind, entry.epoch, entry.at.0, node, entry.attempt(), payload.len())
        });
        let heads = heads.collect::<Vec<_>>();
        Ok(Self {
            first_seq: int(first_seq)?,
            count: entries.len() as u64,
            entries: serde_json::to_string(&heads).map_err(|e| e.to_string())?,
            payloads,
        })
    }
}

/// The rows of a log, in order.
pub(super) const READ_LOG: &str =
    "SELECT first_seq, entries, payloads FROM saga_log WHERE number = ?1 ORDER BY first_seq";

/// Adds the entries of a row of [`READ_LOG`] to those before it.
///
/// # Errors
/// Which entry is damaged, and how.
pub(super) fn read_row(row: &Row<'_>, log: &mut Vec<Entry>) -> Result<(), (u64, String)> {
    let columns = || Ok::<_, rusqlite::Error>((row.get(0)?, row.get_ref(1)?, row.get_ref(2)?));
    let damaged = |e: &dyn fmt::Display| (log.len() as u64 + 1, e.to_string());
    let (first_seq, entries, payloads) = columns().map_err(|e| damaged(&e))?;
    let entries = entries.as_bytes().map_err(|e| damaged(&e))?;
    let payloads = payloads.as_bytes().map_err(|e| damaged(&e))?;
    read(first_seq, entries, payloads, log)
}

/// Adds the entries of a row to those before it, of which there are as many as the row's first sequence number says.
///
/// # Errors
/// Which entry is damaged, and how.
fn read(
    first_seq: i64,
    entries: &[u8],
    payloads: &[u8],
    log: &mut Vec<Entry>,
) -> Result<(), (u64, String)> {
    let expected = log.len() as u64 + 1;
    if u64::try_from(first_seq) != Ok(expected) {
        let why = format!("the entry is missing; the next one is entry {first_seq}");
        return Err((expected, why));
    }
    // The decoder's own message may quote what it found.
    let heads = serde_json::from_slice::<Vec<Head<'_>>>(entries).map_err(|e| {
        (expected, format!("the row that begins with it does not decode (column {})", e.column()))
    })?;
    let mut rest = payloads;
    for Head(kind, epoch, at, node, attempt, size) in heads {
        let seq = log.len() as u64 + 1;
        let Some((payload, after)) = rest.split_at_checked(size) else {
            return Err((seq, "its payload is cut off".to_string()));
        };
        rest = after;
        let node = node.map(|Text(node)| NodePath::from(&*node));
        let kind = EntryKind::decode(&kind.0, node, attempt, Some(payload));
        let kind = kind.map_err(|e| (seq, e.to_string()))?;
        log.push(Entry { seq, epoch, at: Timestamp(at), kind });
    }
    match (log.len() as u64 + 1, rest) {
        (next, _) if next == expected => Err((expected, "its row is empty".to_string())),
        (_, []) => Ok(()),
        (next, _) => Err((next, "bytes of no payload precede it".to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{NodeEntry, Payload, SagaEntry, Uuid};

    fn entries() -> Vec<Entry> {
        let kinds = [
            SagaEntry::Created { run_key: Uuid::nil() }.into(),
            NodeEntry::Started.about("a \"b\"/ü", 1),
            NodeEntry::Succeeded(Payload::from(&b"\x00\xff\n"[..])).about("a \"b\"/ü", 1),
            NodeEntry::Succeeded(Payload::default()).about("c", u32::MAX),
        ];
        let entry = |(seq, kind)| Entry { seq, epoch: seq, at: Timestamp(seq * 9), kind };
        (1..).zip(kinds).map(entry).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let all = entries();
        for split in 1..all.len() {
            let (first, second) = all.split_at(split);
            let mut log = Vec::new();
            for part in [first, second] {
                let row = LogRow::new(part[0].seq, part).unwrap();
                assert_eq!(row.count, part.len() as u64);
                read(row.first_seq, row.entries.as_bytes(), &row.payloads, &mut log).unwrap();
            }
            assert_eq!(log, all);
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let LogRow { first_seq, entries, payloads, .. } = LogRow::new(1, &entries()).unwrap();
        let damage = |entries: &str, payloads: &[u8]| {
            read(first_seq, entries.as_bytes(), payloads, &mut Vec::new()).unwrap_err()
        };
        for cut in (0..entries.len()).filter(|cut| entries.is_char_boundary(*cut)) {
            let (seq, why) = damage(&entries[..cut], &payloads);
            assert_eq!(seq, 1);
            assert!(why.starts_with("the row that begins with it does not decode"), "{why}");
        }
        for cut in 0..payloads.len() {
            let (seq, why) = damage(&entries, &payloads[..cut]);
            let expected = if cut < payloads.len() - 3 { 1 } else { 3 };
            assert_eq!((seq, &*why), (expected, "its payload is cut off"), "cut at {cut}");
        }
        let more = [&payloads[..], b"x"].concat();
        assert_eq!(damage(&entries, &more), (5, "bytes of no payload precede it".to_string()));
        assert_eq!(damage("[]", b""), (1, "its row is empty".to_string()));
        let why = "the entry is missing; the next one is entry 3".to_string();
        assert_eq!(read(3, entries.as_bytes(), &payloads, &mut Vec::new()), Err((1, why)));
    }
}
