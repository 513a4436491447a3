//! A saga's log file: a line for the saga as it was created, then, for each write, its entries followed by what has changed
//! of the record. A definition under which the saga goes on is in the record's line of the write that brought it.
//!
//! The record's line completes a write. Lines after the last record belong to a write that was cut short by a
//! crash and was never reported as done, so they do not count. Nor does the last write if a power failure has taken sectors
//! out of it: a file system then leaves zeros, which no line contains.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::{NewDefinition, SagaRecord, StoreError, StoredSaga, WorkerId};
use super::sealed_line;
use crate::log::{Answer, Entry, EntryForm, Payload, SagaStatus, Timestamp};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LogLine {
    /// The record as it was created, for the fields that do not change.
    Saga(SagaRecord),
    Entry(EntryForm),
    Record(RecordState),
}

/// The fields of the record that change, and the requests that the write answered.
#[derive(Serialize, Deserialize)]
struct RecordState {
    status: SagaStatus,
    owner: Option<WorkerId>,
    epoch: u64,
    next_seq: u64,
    attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    suspended: bool,
    paused: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parked_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context: Option<Payload>,
    updated_at: Timestamp,
    /// Only if this write brought it; it holds until another write brings one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    definition: Option<Box<NewDefinition>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    answers: Vec<(Uuid, Answer)>,
}

/// Encodes a new saga as lines.
pub(super) fn create(record: &SagaRecord, entries: &[Entry]) -> Result<Vec<u8>, String> {
    let mut lines = Vec::new();
    sealed_line::seal(&mut lines, &LogLine::Saga(record.clone()))?;
    lines.extend(change(record, entries, None, &[])?);
    Ok(lines)
}

/// Encodes one write as lines: its entries, and the record as it is after them. The record has the definition that the
/// write brings, if it brings one.
pub(super) fn change(
    record: &SagaRecord,
    entries: &[Entry],
    definition: Option<Box<NewDefinition>>,
    answers: &[(Uuid, Answer)],
) -> Result<Vec<u8>, String> {
    let mut lines = Vec::new();
    for entry in entries {
        sealed_line::seal(&mut lines, &LogLine::Entry(entry.into()))?;
    }
    let state = RecordState {
        status: record.status,
        owner: record.owner.clone(),
        epoch: record.epoch,
        next_seq: record.next_seq,
        attempts: record.attempts,
        wake_at: record.wake_at,
        suspended: record.suspended,
        paused: record.paused,
        parked_reason: record.parked_reason.clone(),
        error: record.error.clone(),
        context: record.context.clone(),
        updated_at: record.updated_at,
        definition,
        answers: answers.to_vec(),
    };
    sealed_line::seal(&mut lines, &LogLine::Record(state))?;
    Ok(lines)
}

/// A decoded log file.
#[derive(Debug)]
pub(super) struct LogFile {
    /// The saga after the last complete write. If there is damage, do not use the entries.
    pub(super) saga: StoredSaga,
    /// The number of bytes of complete writes.
    pub(super) len: u64,
    /// True if more bytes follow, of a write that was cut short.
    pub(super) cut_short: bool,
    /// The requests that the last write answered.
    pub(super) answers: Vec<(Uuid, Answer)>,
    /// The damage before the end of the last complete write, if any. A damaged log must not grow.
    pub(super) damage: Option<StoreError>,
}

/// A saga, as the bytes of its log file have it, and what is wrong with them.
pub(in crate::store) fn read_log(bytes: &[u8]) -> Result<(StoredSaga, Option<String>), String> {
    let read = read(bytes)?;
    Ok((read.saga, read.damage.map(|damage| damage.to_string())))
}

/// Decodes a log file.
///
/// # Errors
/// Returns what is wrong, if not even the record can be decoded.
pub(super) fn read(bytes: &[u8]) -> Result<LogFile, String> {
    let mut lines = bytes.split_inclusive(|b| *b == b'\n');
    let first = lines.next().and_then(sealed_line::open).ok_or("its first line is damaged")?;
    let Ok(LogLine::Saga(created)) = decode(&first) else {
        return Err("its first line does not contain a saga".to_string());
    };
    let mut reading = LogReader::default();
    let mut offset = bytes.len() - lines.clone().map(<[u8]>::len).sum::<usize>();
    for line in lines {
        offset += line.len();
        reading.line(line, offset as u64);
    }
    let LogReader { entries, last, definition, damage, .. } = reading;
    let (state, len) = last.ok_or("its record is missing")?;
    let answers = state.answers.clone();
    let record = record(created, state, definition);
    let damage = damage.map(|(seq, why)| StoreError::Corrupt { saga: record.id.clone(), seq, why });
    let cut_short = len < bytes.len() as u64;
    Ok(LogFile { saga: StoredSaga { record, entries }, len, cut_short, answers, damage })
}

#[derive(Default)]
struct LogReader {
    /// The entries of complete writes.
    entries: Vec<Entry>,
    /// The entries of a write whose record has not been read yet.
    pending: Vec<Entry>,
    /// The first invalid line since the last record. It is damage if a complete write follows; otherwise the
    /// write was cut short by a crash.
    suspect: Option<(u64, String)>,
    /// True if an invalid line since the last record has zeros, as where a sector was never written.
    has_zeros: bool,
    /// What is wrong with a complete write that has zeros. If it is the last one, it was not durable yet when the power
    /// failed, and was never reported as done. If another one follows, it was durable, and this is damage.
    torn: Option<(u64, String)>,
    damage: Option<(u64, String)>,
    last: Option<(RecordState, u64)>,
    /// The last definition that a complete write has brought.
    definition: Option<Box<NewDefinition>>,
}

impl LogReader {
    fn line(&mut self, line: &[u8], end: u64) {
        let next = self.entries.len() as u64 + self.pending.len() as u64 + 1;
        let Some(body) = sealed_line::open(line) else {
            self.suspect.get_or_insert((next, "its line is damaged".to_string()));
            self.has_zeros |= line.contains(&0);
            return;
        };
        // A line with a valid checksum is as it was written, so it is never cut off.
        let wrong = match decode(&body) {
            Ok(LogLine::Record(mut state)) => {
                if let Some(torn) = self.torn.take() {
                    self.damage.get_or_insert(torn);
                }
                if std::mem::take(&mut self.has_zeros) {
                    self.torn = self.suspect.take();
                    self.pending.clear();
                    return;
                }
                self.entries.append(&mut self.pending);
                let wrong = self.suspect.take().or_else(|| {
                    let next = self.entries.len() as u64 + 1;
                    let why = || {
                        format!(
                            "the log ends before entry {next}, but its record says that it ends before entry {}",
                            state.next_seq
                        )
                    };
                    (state.next_seq != next).then(|| (next, why()))
                });
                if let Some(definition) = state.definition.take() {
                    self.definition = Some(definition);
                }
                self.last = Some((state, end));
                wrong
            }
            Ok(LogLine::Entry(entry)) if entry.seq != next && self.suspect.is_none() => {
                Some((next, format!("the entry is missing; the next one is entry {}", entry.seq)))
            }
            Ok(LogLine::Entry(entry)) => match Entry::try_from(entry) {
                Ok(entry) => {
                    self.pending.push(entry);
                    None
                }
                Err(e) => Some((next, e.to_string())),
            },
            Ok(LogLine::Saga(_)) => {
                Some((next, "the first line of another saga follows".to_string()))
            }
            Err(why) => Some((next, why)),
        };
        if let Some(wrong) = wrong {
            self.damage.get_or_insert(wrong);
        }
    }
}

/// Drops the decoder's own message, because it may quote the user's data.
fn decode(body: &[u8]) -> Result<LogLine, String> {
    serde_json::from_slice(body)
        .map_err(|e| format!("its line cannot be decoded (column {})", e.column()))
}

fn record(
    created: SagaRecord,
    state: RecordState,
    definition: Option<Box<NewDefinition>>,
) -> SagaRecord {
    let (fingerprint, params, dag) = match definition {
        Some(new) => (new.fingerprint, new.params, new.dag),
        None => (created.fingerprint, created.params, created.dag),
    };
    SagaRecord {
        fingerprint,
        params,
        dag,
        status: state.status,
        owner: state.owner,
        epoch: state.epoch,
        next_seq: state.next_seq,
        attempts: state.attempts,
        wake_at: state.wake_at,
        suspended: state.suspended,
        paused: state.paused,
        parked_reason: state.parked_reason,
        error: state.error,
        context: state.context,
        updated_at: state.updated_at,
        ..created
    }
}
