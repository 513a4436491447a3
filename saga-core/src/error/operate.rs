//! Why an operator's request was not carried out.

use std::fmt;
use std::time::Duration;

use super::SagaError;
use crate::log::{InvalidSagaId, Refusal, SagaId};
use crate::store::StoreError;

/// Why an operator's request was not carried out.
///
/// ```
/// use saga_core::operator::{OperateError, Refusal};
/// use saga_core::prelude::*;
/// # #[saga_action(no_undo)]
/// # async fn greet(name: &str) -> Result<String, String> {
/// #     if name.is_empty() { Err("nobody is there".into()) } else { Ok(format!("hello {name}")) }
/// # }
/// # saga! { Greet<()>(name: String) -> String { greet { name } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Greet>().build().await?;
/// sec.saga(Greet { name: "Ada".into() }).id("greet-1").start().await?.await?;
/// let late = sec.operator("alice").cancel("greet-1", "never mind").await;
/// let Err(OperateError::Refused { refusal, .. }) = late else {
///     return Err("it has ended".into());
/// };
/// assert!(matches!(refusal, Refusal::AlreadyEnded { .. }));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OperateError {
    /// The id is not a valid saga id.
    #[error(transparent)]
    InvalidId(#[from] InvalidSagaId),
    /// A note, a reason or the operator's name is too long; nothing was sent.
    #[error("the {what} has {len} bytes, and at most {max} are kept; shorten it")]
    TooLong {
        /// Which of them.
        what: &'static str,
        /// How many bytes it has.
        len: usize,
        /// How many it may have.
        max: usize,
    },
    /// The operator's name or a note is none that others could make sense of in the log; nothing was sent.
    #[error("the {what} {why}")]
    Unfit {
        /// Which of them.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no such saga.
    #[error("there is no saga {saga}")]
    NotFound {
        /// The id asked for.
        saga: SagaId,
    },
    /// The saga refused the request; nothing has changed.
    #[error("saga {saga}: {refusal}")]
    Refused {
        /// Which saga.
        saga: SagaId,
        /// Why.
        refusal: Refusal,
    },
    /// No process has answered yet. The request stays in the store, and is carried out once a process runs the saga.
    #[error("saga {saga}: no worker has answered {}; the request waits for one", Within(*after))]
    Unanswered {
        /// Which saga.
        saga: SagaId,
        /// How long the operator has waited.
        after: Duration,
    },
    /// The store took too long to keep the request. Whether it is there, [`Operator::audit`](crate::operator::Operator::audit)
    /// shows once the store works again.
    #[error(
        "saga {saga}: the store has not answered {}; `audit` shows whether the request is in it", Within(*after)
    )]
    StoreSilent {
        /// Which saga.
        saga: SagaId,
        /// How long the operator has waited.
        after: Duration,
    },
    /// The saga stopped before it could answer. If its last write reached the store, the request is in the log and
    /// will be carried out; otherwise nothing was done.
    #[error(
        "the saga stopped before it answered; its log shows whether the request was carried out: {source}"
    )]
    NotCarriedOut {
        /// Why the saga stopped.
        source: Box<SagaError>,
    },
    /// The saga was started by a definition that this program does not know.
    #[error("saga {saga} was started by a version of `{name}` that is not registered here")]
    UnknownVersion {
        /// Which saga.
        saga: SagaId,
        /// Its durable name.
        name: String,
    },
    /// The tokio runtime that the saga would run on is gone.
    #[error(transparent)]
    Runtime(#[from] super::RuntimeError),
    /// The coordinator was shut down.
    #[error("the coordinator was shut down")]
    ShutDown,
    /// The store's error.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// For how long somebody has waited in vain, in words.
struct Within(Duration);

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            0 => f.write_str("yet"),
            ms if ms % 1000 == 0 => write!(f, "within {} s", ms / 1000),
            ms => write!(f, "within {ms} ms"),
        }
    }
}

impl OperateError {
    /// True if the store failed and may recover.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Store(source) => source.may_pass(),
            Self::NotCarriedOut { source } => {
                matches!(&**source, SagaError::Store { source, .. } if source.may_pass())
            }
            Self::InvalidId(_)
            | Self::TooLong { .. }
            | Self::Unfit { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Unanswered { .. }
            | Self::StoreSilent { .. }
            | Self::UnknownVersion { .. }
            | Self::Runtime(_)
            | Self::ShutDown => false,
        }
    }

    /// True if another process of a shared store runs the saga.
    pub(crate) fn is_of_another_worker(&self) -> bool {
        let Self::NotCarriedOut { source } = self else { return false };
        matches!(**source, SagaError::LostOwnership { .. })
    }

    /// True if no process can carry out the request unless the store or the program changes.
    pub(crate) fn is_unreadable(&self) -> bool {
        match self {
            Self::Store(StoreError::Corrupt { .. } | StoreError::UnknownKey { .. }) => true,
            Self::NotCarriedOut { source } => matches!(**source, SagaError::Corrupt { .. }),
            Self::InvalidId(_)
            | Self::TooLong { .. }
            | Self::Unfit { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Unanswered { .. }
            | Self::StoreSilent { .. }
            | Self::UnknownVersion { .. }
            | Self::Runtime(_)
            | Self::ShutDown
            | Self::Store(_) => false,
        }
    }
}
