//! The saga log: the only thing that a saga leaves on disk, and the only thing that recovery reads.
//!
//! A log is a list of [`Entry`]s with dense sequence numbers from 1. What a saga has done, what it
//! may have done and what it must do next all follow from the entries; nothing else is stored.
//! (The idea: Garcia-Molina & Salem, *Sagas*, 1987; the vocabulary: McCaffrey's distributed sagas
//! and Oxide's steno.)

pub(crate) mod answer;
pub(crate) mod command;
mod entry;
mod events;
mod failure;
pub(crate) mod id;
pub(crate) mod listed_state;
mod payload;
mod raw;
pub(crate) mod request;
mod saga_log;
mod saga_map;
pub(crate) mod status;
mod timestamp;
pub(crate) mod utc;

pub(crate) use answer::{Answer, Refusal};
pub(crate) use command::{Command, Decision, Fault};
pub use entry::{
    CorruptEntry, EarlierAttempts, Entry, EntryKind, KeptKey, Migrated, NodeEntry, Resolution,
    SagaEntry, Won, since_migration, without_retold,
};
pub(crate) use entry::{EntryForm, Halt};
pub(crate) use events::value_of;
pub use events::{
    IllegalEvent, InvalidSagaNodeLoadStatus, SagaNodeEvent, SagaNodeEventType, SagaNodeLoadStatus,
};
pub use failure::{Cause, Failure, FailureKind, TryFailure};
pub(crate) use id::SagaId;
pub use id::{InvalidSagaId, NodePath};
pub(crate) use listed_state::{Halted, ListedState};
pub use payload::Payload;
pub(crate) use raw::{RawJson, optional::deserialize as optional_json};
pub(crate) use request::Request;
pub use saga_log::SagaLog;
pub(crate) use saga_log::in_words;
pub(crate) use saga_map::SagaMap;
pub use status::InvalidSagaStatus;
pub(crate) use status::{ActionState, SagaStatus};
pub use timestamp::Timestamp;
pub use uuid::Uuid;
