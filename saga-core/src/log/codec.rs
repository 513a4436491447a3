//! How an entry's kind is written: a word, and bytes for what it carries. Stores keep both as they are.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use super::{
    Cause, Command, CorruptEntry, EntryKind, Failure, Fault, NodePath, Payload, Refusal,
    SagaStatus, Timestamp,
};

#[derive(Serialize, Deserialize)]
struct RunKey {
    #[serde(rename = "birth")]
    run_key: uuid::Uuid,
}

#[derive(Serialize, Deserialize)]
struct At {
    at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct UndoRetry {
    at: Timestamp,
    failure: Failure,
}

#[derive(Serialize, Deserialize)]
struct Resolution {
    by: String,
    note: String,
}

#[derive(Serialize, Deserialize)]
struct Reason {
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct Suspected {
    crashes: u32,
    alone: bool,
}

#[derive(Serialize, Deserialize)]
struct Requested {
    id: uuid::Uuid,
    by: String,
    #[serde(flatten)]
    command: Command,
}

#[derive(Serialize, Deserialize)]
struct Refused {
    id: uuid::Uuid,
    #[serde(flatten)]
    why: Refusal,
}

#[derive(Serialize, Deserialize)]
struct Injected {
    at: NodePath,
    fault: Fault,
}

impl EntryKind {
    /// The bytes that go into the store beside [`name`](Self::name); none where the word says it all.
    ///
    /// An output is stored as it was encoded; everything else is JSON.
    pub fn encode(&self) -> Option<Payload> {
        match self {
            Self::Succeeded(output) => Some(output.clone()),
            Self::Created { run_key } => json(&RunKey { run_key: *run_key }),
            Self::Failed(failure) | Self::InDoubt(failure) | Self::UndoFailed(failure) => {
                json(failure)
            }
            Self::RetryScheduled { at } => json(&At { at: *at }),
            Self::Chosen(n) => json(n),
            Self::UndoRetryScheduled { at, failure } => {
                json(&UndoRetry { at: *at, failure: failure.clone() })
            }
            Self::Unwinding(cause) => json(cause),
            Self::Resolved { by, note } => json(&Resolution { by: by.clone(), note: note.clone() }),
            Self::Parked { reason } => json(&Reason { reason: reason.clone() }),
            Self::Suspected { crashes, alone } => {
                json(&Suspected { crashes: *crashes, alone: *alone })
            }
            Self::Requested { id, by, command } => {
                json(&Requested { id: *id, by: by.clone(), command: command.clone() })
            }
            Self::Refused { id, why } => json(&Refused { id: *id, why: why.clone() }),
            Self::Injected { at, fault } => json(&Injected { at: at.clone(), fault: *fault }),
            Self::Migrated { fingerprint } => json(fingerprint),
            Self::Ended(status) => json(status),
            Self::Started
            | Self::Skipped
            | Self::UndoStarted
            | Self::UndoFinished
            | Self::Paused
            | Self::Resumed
            | Self::Unparked
            | Self::Cleared => None,
        }
    }

    /// The kind with this name and these bytes.
    ///
    /// # Errors
    /// [`CorruptEntry`] if no kind has this name, or the bytes are not what it carries.
    pub fn decode(name: &str, bytes: Option<&[u8]>) -> Result<Self, CorruptEntry> {
        let bytes = bytes.unwrap_or_default();
        Ok(match name {
            "created" => Self::Created { run_key: parse::<RunKey>("created", bytes)?.run_key },
            "started" => Self::Started,
            "succeeded" => Self::Succeeded(Payload::from(bytes)),
            "failed" => Self::Failed(parse("failed", bytes)?),
            "in_doubt" => Self::InDoubt(parse("in_doubt", bytes)?),
            "retry_scheduled" => {
                Self::RetryScheduled { at: parse::<At>("retry_scheduled", bytes)?.at }
            }
            "chosen" => Self::Chosen(parse("chosen", bytes)?),
            "skipped" => Self::Skipped,
            "undo_started" => Self::UndoStarted,
            "undo_finished" => Self::UndoFinished,
            "undo_failed" => Self::UndoFailed(parse("undo_failed", bytes)?),
            "undo_retry_scheduled" => {
                let UndoRetry { at, failure } = parse("undo_retry_scheduled", bytes)?;
                Self::UndoRetryScheduled { at, failure }
            }
            "unwinding" => Self::Unwinding(parse::<Cause>("unwinding", bytes)?),
            "resolved" => {
                let Resolution { by, note } = parse("resolved", bytes)?;
                Self::Resolved { by, note }
            }
            "paused" => Self::Paused,
            "resumed" => Self::Resumed,
            "parked" => Self::Parked { reason: parse::<Reason>("parked", bytes)?.reason },
            "unparked" => Self::Unparked,
            "suspected" => {
                let Suspected { crashes, alone } = parse("suspected", bytes)?;
                Self::Suspected { crashes, alone }
            }
            "cleared" => Self::Cleared,
            "requested" => {
                let Requested { id, by, command } = parse("requested", bytes)?;
                Self::Requested { id, by, command }
            }
            "refused" => {
                let Refused { id, why } = parse("refused", bytes)?;
                Self::Refused { id, why }
            }
            "injected" => {
                let Injected { at, fault } = parse("injected", bytes)?;
                Self::Injected { at, fault }
            }
            "migrated" => Self::Migrated { fingerprint: parse("migrated", bytes)? },
            "ended" => Self::Ended(parse::<SagaStatus>("ended", bytes)?),
            other => return Err(CorruptEntry::UnknownKind(other.to_string())),
        })
    }
}

/// None of these types can fail to encode: no maps with odd keys, no floats, no user code.
fn json<T: Serialize>(value: &T) -> Option<Payload> {
    serde_json::to_vec(value).ok().map(Payload::from)
}

fn parse<T: DeserializeOwned>(kind: &'static str, bytes: &[u8]) -> Result<T, CorruptEntry> {
    serde_json::from_slice(bytes).map_err(|e| {
        // The decoder's own message may quote what it found, which is the user's.
        let what = match e.classify() {
            Category::Eof => "it ends too early",
            Category::Syntax | Category::Io => "it is not JSON, or nested too deeply",
            Category::Data => "it holds something else",
        };
        let why = format!("{what} (line {}, column {})", e.line(), e.column());
        CorruptEntry::BadPayload { kind, why }
    })
}
