//! A saga's log as lines: one for what never changes, then for each write its entries and, last,
//! the record as it is after them.
//!
//! That last line is what makes a write whole. Lines after the last of them belong to a write that
//! was cut short by a crash and that nobody was told of, so they do not count.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::{SagaRecord, StoreError, StoredSaga, WorkerId};
use super::sealed_line;
use crate::log::{Answer, Entry, EntryForm, Payload, SagaStatus, Timestamp};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LogLine {
    /// As it was created: for what never changes.
    Saga(SagaRecord),
    Entry(EntryForm),
    Record(RecordState),
}

/// What changes of the record, and the requests that the write answered.
#[derive(Serialize, Deserialize)]
struct RecordState {
    status: SagaStatus,
    owner: Option<WorkerId>,
    epoch: u64,
    next_seq: u64,
    attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake_at: Option<Timestamp>,
    paused: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parked_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context: Option<Payload>,
    updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    answers: Vec<(Uuid, Answer)>,
}

/// The lines of a new saga.
pub(super) fn create(record: &SagaRecord, entries: &[Entry]) -> Result<Vec<u8>, String> {
    let mut lines = Vec::new();
    sealed_line::seal(&mut lines, &LogLine::Saga(record.clone()))?;
    lines.extend(change(record, entries, &[])?);
    Ok(lines)
}

/// The lines of one write: the entries, and the record as it is after it.
pub(super) fn change(
    record: &SagaRecord,
    entries: &[Entry],
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
        paused: record.paused,
        parked_reason: record.parked_reason.clone(),
        error: record.error.clone(),
        context: record.context.clone(),
        updated_at: record.updated_at,
        answers: answers.to_vec(),
    };
    sealed_line::seal(&mut lines, &LogLine::Record(state))?;
    Ok(lines)
}

/// A log as it was found.
#[derive(Debug)]
pub(super) struct LogFile {
    /// The saga as of the last whole write; its entries are of no use if there is damage.
    pub(super) saga: StoredSaga,
    /// So many bytes are whole writes.
    pub(super) len: u64,
    /// True if there are more bytes, of a write that was cut short.
    pub(super) torn: bool,
    /// The requests that the last write answered.
    pub(super) answers: Vec<(Uuid, Answer)>,
    /// What is wrong in the middle, if something is. Such a log must not grow.
    pub(super) damage: Option<StoreError>,
}

/// Reads a log.
///
/// # Errors
/// What is wrong, if not even the record can be read.
pub(super) fn read(bytes: &[u8]) -> Result<LogFile, String> {
    let mut lines = bytes.split_inclusive(|b| *b == b'\n');
    let first = lines.next().and_then(sealed_line::open).ok_or("its first line is damaged")?;
    let Ok(LogLine::Saga(created)) = decode(&first) else {
        return Err("its first line does not say which saga it is".to_string());
    };
    let mut reading = LogReader::default();
    let mut offset = bytes.len() - lines.clone().map(<[u8]>::len).sum::<usize>();
    for line in lines {
        offset += line.len();
        reading.line(line, offset as u64);
    }
    let LogReader { entries, last, damage, .. } = reading;
    let (state, len) = last.ok_or("its record is missing")?;
    let answers = state.answers.clone();
    let record = record(created, state);
    let damage = damage.map(|(seq, why)| StoreError::Corrupt { saga: record.id.clone(), seq, why });
    let torn = len < bytes.len() as u64;
    Ok(LogFile { saga: StoredSaga { record, entries }, len, torn, answers, damage })
}

#[derive(Default)]
struct LogReader {
    /// Of whole writes.
    entries: Vec<Entry>,
    /// Of a write whose last line has not come yet.
    pending: Vec<Entry>,
    /// A line that is no line: damage, if a whole write follows, or else cut short by a crash.
    suspect: Option<(u64, String)>,
    damage: Option<(u64, String)>,
    last: Option<(RecordState, u64)>,
}

impl LogReader {
    fn line(&mut self, line: &[u8], end: u64) {
        let next = self.entries.len() as u64 + self.pending.len() as u64 + 1;
        let Some(body) = sealed_line::open(line) else {
            self.suspect.get_or_insert((next, "its line is damaged".to_string()));
            return;
        };
        // From here on nothing is cut off: such a line is as it was written.
        let wrong = match decode(&body) {
            Ok(LogLine::Record(state)) => {
                self.entries.append(&mut self.pending);
                let wrong = self.suspect.take().or_else(|| {
                    let next = self.entries.len() as u64 + 1;
                    let why = || {
                        format!(
                            "the log ends before entry {next}, its record says before entry {}",
                            state.next_seq
                        )
                    };
                    (state.next_seq != next).then(|| (next, why()))
                });
                self.last = Some((state, end));
                wrong
            }
            Ok(LogLine::Entry(entry)) if entry.seq != next && self.suspect.is_none() => {
                Some((next, format!("it is missing; the next one is entry {}", entry.seq)))
            }
            Ok(LogLine::Entry(entry)) => match Entry::try_from(entry) {
                Ok(entry) => {
                    self.pending.push(entry);
                    None
                }
                Err(e) => Some((next, e.to_string())),
            },
            Ok(LogLine::Saga(_)) => Some((next, "another saga begins there".to_string())),
            Err(why) => Some((next, why)),
        };
        if let Some(wrong) = wrong {
            self.damage.get_or_insert(wrong);
        }
    }
}

/// The decoder's own message may quote what it found, which is the user's.
fn decode(body: &[u8]) -> Result<LogLine, String> {
    serde_json::from_slice(body)
        .map_err(|e| format!("its line holds something else (column {})", e.column()))
}

fn record(created: SagaRecord, state: RecordState) -> SagaRecord {
    SagaRecord {
        status: state.status,
        owner: state.owner,
        epoch: state.epoch,
        next_seq: state.next_seq,
        attempts: state.attempts,
        wake_at: state.wake_at,
        paused: state.paused,
        parked_reason: state.parked_reason,
        error: state.error,
        context: state.context,
        updated_at: state.updated_at,
        ..created
    }
}
