//! A command on its way from an operator to the worker of its saga.

use serde::{Deserialize, Serialize};

use super::{Command, SagaId, Timestamp, Uuid};

/// A command on its way to the worker of its saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Unique. The ids of one process sort by time: of two requests that were made in the same millisecond, the later one has the
    /// greater id.
    pub id: Uuid,
    /// For which saga.
    pub saga: SagaId,
    /// What is asked.
    pub command: Command,
    /// Who asks.
    pub by: String,
    /// When they did, by the clock of their process. The times of one process never go back.
    pub at: Timestamp,
}
