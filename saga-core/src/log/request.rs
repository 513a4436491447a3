//! A command on its way from an operator to the worker of its saga.

use serde::{Deserialize, Serialize};

use super::{Command, SagaId, Timestamp, Uuid};

/// A command on its way to the worker of its saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Random.
    pub id: Uuid,
    /// For which saga.
    pub saga: SagaId,
    /// What is asked.
    pub command: Command,
    /// Who asks.
    pub by: String,
    /// When they did.
    pub at: Timestamp,
}
