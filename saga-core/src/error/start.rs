//! Why a saga was not started, or cannot be read.

use crate::log::{NodePath, SagaId, SagaStatus};
use crate::store::StoreError;

/// Why a saga was not started. Nothing was written.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::StartError;
/// # #[saga_action(no_undo)]
/// # async fn greet(name: &str) -> Result<String, String> {
/// #     if name.is_empty() { Err("nobody is there".into()) } else { Ok(format!("hello {name}")) }
/// # }
/// # saga! { Greet<()>(name: String) -> String { greet { name } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Greet>().build().await?;
/// let start = sec.saga(Greet { name: "Ada".into() }).id("a/b").start().await;
/// assert!(matches!(start, Err(StartError::InvalidId(_))));
/// let error = start.err().map(|error| error.to_string());
/// let expected = "saga id \"a/b\" contains '/'; allowed are A-Z a-z 0-9 . _ : -";
/// assert_eq!(error.as_deref(), Some(expected));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The coordinator does not know the saga.
    #[error(
        "saga `{saga}` is not registered; add `.saga::<{saga}>()` to the coordinator's builder ({})",
        known_list(.known)
    )]
    SagaNotRegistered {
        /// The saga's name.
        saga: String,
        /// The registered sagas.
        known: Vec<String>,
    },
    /// An action tries to start a saga where no coordinator runs it.
    #[error(
        "saga `{saga}` cannot be started by an action here: there is no coordinator, only an executor or a unit test that runs \
         this one by hand; run the saga of the action in a `Coordinator`, and in tests in a `SagaTest`"
    )]
    NoCoordinator {
        /// The saga's name.
        saga: String,
    },
    /// An action that is a transaction tries to start a saga.
    #[error(
        "saga `{saga}` cannot be started within a transaction: its creation is a write of its own, which waits for the \
         transaction; start it in another action"
    )]
    InTransaction {
        /// The saga's name.
        saga: String,
    },
    /// The DAG names an action that the coordinator does not know.
    #[error(transparent)]
    Registry(#[from] crate::error::RegistryError),
    /// An action of the DAG is a transaction of a database in which the store does not keep the log.
    #[error(transparent)]
    Transactions(#[from] crate::error::MissingTransactions),
    /// The id is not a valid saga id.
    #[error(transparent)]
    InvalidId(#[from] crate::log::InvalidSagaId),
    /// The id belongs to a saga with another name or other parameters.
    #[error(
        "id conflict: saga {saga} exists and was started {}; use another id",
        conflict(.existing, .requested, .version, .differs)
    )]
    IdConflict {
        /// The id.
        saga: SagaId,
        /// The name of the saga that has it.
        existing: String,
        /// The name of the saga that was requested.
        requested: String,
        /// If it is the same saga: the path to the first parameter that differs, such as `order.items[1].cents`;
        /// empty if the parameters differ as a whole.
        differs: Option<String>,
        /// If it is the same saga: the version that was started, if that is not the current one.
        version: Option<u32>,
    },
    /// The parameters cannot be encoded, cannot be read back from what was encoded, or are too large.
    #[error("the parameters of saga `{saga}` cannot be stored: {why}")]
    Params {
        /// The saga's name.
        saga: String,
        /// What went wrong.
        why: String,
    },
    /// A fault cannot be injected.
    #[error("saga `{saga}`: a fault cannot be injected into `{node}`: {why}")]
    Fault {
        /// The saga's name.
        saga: String,
        /// The node.
        node: NodePath,
        /// What is wrong.
        why: &'static str,
    },
    /// The saga is [registered as an old version](crate::CoordinatorBuilder::old_saga), which is not started any more.
    #[error(
        "version {version} of saga `{saga}` is registered with `old_saga`, so that no saga of it is started any more; start \
         the current version"
    )]
    OldVersion {
        /// The saga's durable name.
        saga: String,
        /// The version of the type that was to be started.
        version: u32,
    },
    /// Another type with this durable name is registered.
    #[error(
        "saga `{saga}` is not registered, but another one of this name is, at {registered}; register the one that you start \
         with `CoordinatorBuilder::saga`, and the other one with `CoordinatorBuilder::old_saga`"
    )]
    OtherSaga {
        /// The durable name.
        saga: String,
        /// Where the registered one is defined.
        registered: String,
    },
    /// The deadline has already passed.
    #[error("saga `{saga}` was given a deadline in the past; give it a later one")]
    DeadlinePassed {
        /// The saga's name.
        saga: String,
    },
    /// The deadline is more than 100 years ahead.
    #[error(
        "saga `{saga}` was given a deadline more than 100 years ahead; to have none, do not give one"
    )]
    DeadlineTooFar {
        /// The saga's name.
        saga: String,
    },
    /// The deadline is not after the time at which the saga starts.
    #[error("saga `{saga}` was given a deadline before its start; give it a later one")]
    DeadlineBeforeStart {
        /// The saga's name.
        saga: String,
    },
    /// The start is more than 100 years ahead.
    #[error("saga `{saga}` was to start more than 100 years from now; give it an earlier time")]
    StartTooFar {
        /// The saga's name.
        saga: String,
    },
    /// The saga exists, but was started by a definition that this program does not know: it has not ended and nothing runs it,
    /// or its result cannot be read.
    #[error(
        "saga {saga} is {status}, but was started by a version of `{name}` that is not registered here{}; register that \
         version with `CoordinatorBuilder::old_saga`", if status.is_ended() { "" } else { ", so nothing runs it" }
    )]
    UnknownVersion {
        /// Which saga.
        saga: SagaId,
        /// Its durable name.
        name: String,
        /// Its status.
        status: SagaStatus,
    },
    /// There is no tokio runtime that the saga could run on, or none any more.
    #[error(transparent)]
    Runtime(#[from] super::RuntimeError),
    /// The coordinator is shutting down.
    #[error("the coordinator is shut down and starts no sagas; build another one")]
    ShutDown,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The saga exists, but cannot be read.
    #[error("saga {saga}: {why}")]
    Corrupt {
        /// Which saga.
        saga: SagaId,
        /// What does not fit.
        why: String,
    },
}

fn known_list(known: &[String]) -> String {
    if known.is_empty() {
        "no saga is registered".to_string()
    } else {
        format!("registered: {}", known.join(", "))
    }
}

fn conflict(
    existing: &str,
    requested: &str,
    version: &Option<u32>,
    differs: &Option<String>,
) -> String {
    let by = version.map(|version| format!("by version {version} of `{existing}` "));
    let by = by.unwrap_or_default();
    match differs {
        Some(path) if !path.is_empty() => {
            format!("{by}with other parameters (`{path}` differs)")
        }
        _ if existing == requested => format!("{by}with other parameters"),
        _ => format!("as `{existing}`, not `{requested}`"),
    }
}
