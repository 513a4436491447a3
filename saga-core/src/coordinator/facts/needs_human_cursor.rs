//! Where a page of the sagas that need a human begins.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::log::{InvalidSagaId, SagaId};

/// A place among the sagas that need a human, as text of the form `parked:order-42`.
///
/// ```
/// use saga_core::operator::NeedsHumanCursor;
/// let cursor: NeedsHumanCursor = "parked:order-42".parse()?;
/// assert_eq!(cursor.to_string(), "parked:order-42");
/// # Ok::<(), saga_core::operator::InvalidCursor>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NeedsHumanCursor {
    pub(super) part: Part,
    pub(super) after: Option<SagaId>,
}

/// In which order sagas that need a human are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Stuck,
    Parked,
    Halted,
}

impl Part {
    const ALL: [Self; 3] = [Self::Stuck, Self::Parked, Self::Halted];

    fn as_str(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Parked => "parked",
            Self::Halted => "halted",
        }
    }

    pub(super) fn next(self) -> Option<Self> {
        match self {
            Self::Stuck => Some(Self::Parked),
            Self::Parked => Some(Self::Halted),
            Self::Halted => None,
        }
    }
}

/// A text that is not a place among the sagas that need a human.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCursor {
    /// It does not begin with one of the three parts of the list.
    #[error("{0:?} is no place in the list; it begins with `stuck:`, `parked:` or `halted:`")]
    NoPart(String),
    /// What follows is not the id of a saga.
    #[error(transparent)]
    Id(#[from] InvalidSagaId),
}

impl fmt::Display for NeedsHumanCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after.as_ref().map(SagaId::as_str).unwrap_or_default();
        write!(f, "{}:{after}", self.part.as_str())
    }
}

impl FromStr for NeedsHumanCursor {
    type Err = InvalidCursor;

    fn from_str(s: &str) -> Result<Self, InvalidCursor> {
        let (word, after) = s.split_once(':').unwrap_or_default();
        let part = Part::ALL.into_iter().find(|part| part.as_str() == word);
        let part = part.ok_or_else(|| InvalidCursor::NoPart(s.to_string()))?;
        let after = if after.is_empty() { None } else { Some(after.parse()?) };
        Ok(Self { part, after })
    }
}

impl TryFrom<String> for NeedsHumanCursor {
    type Error = InvalidCursor;

    fn try_from(s: String) -> Result<Self, InvalidCursor> {
        s.parse()
    }
}

impl From<NeedsHumanCursor> for String {
    fn from(cursor: NeedsHumanCursor) -> Self {
        cursor.to_string()
    }
}
