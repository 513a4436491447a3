//! Sagas for Rust: operations that span several services and end with all of their effects or with none of them, even
//! if the process crashes on the way.
//!
//! You annotate the async functions that call other services with `#[saga_action]`, declare how each is undone, and
//! compose them into a saga with `saga!`. The compiler checks names, types and undo contracts. A [`Coordinator`] runs
//! the saga and records every step in a durable log. If a step fails for good, it compensates the steps that took
//! effect; after a crash, it resumes from the log.
//!
//! ```
//! use saga_core::prelude::*;
//!
//! /// The context that all actions share: clients, connection pools.
//! struct Agency { free_rooms: u32 }
//!
//! #[saga_action(undo = cancel_hotel(output?), retry(max = 3), timeout = "30s")]
//! async fn book_hotel(cx: &ActionContext<Agency>, city: &str) -> Result<String, String> {
//!     if cx.free_rooms == 0 { return Err(format!("no room in {city}")) }
//!     Ok(format!("a room in {city}"))      // call the hotel, with `cx.idempotency_key()`
//! }
//!
//! /// `None`: the outcome of the booking is unknown. Cancel by `cx.action_key()`, the key of the booking.
//! async fn cancel_hotel(_cx: &ActionContext<Agency>, _room: Option<&String>) -> Result<(), String> {
//!     Ok(())
//! }
//!
//! #[saga_action(no_undo)]
//! async fn write_letter(city: &str, room: &str) -> Result<String, String> {
//!     Ok(format!("See you in {city}, in {room}"))
//! }
//!
//! saga! {
//!     /// Books a room and confirms it.
//!     Visit<Agency>(city: String) -> String {
//!         let room = book_hotel { city };
//!         write_letter { city, room }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sec = Coordinator::builder(Agency { free_rooms: 1 }).saga::<Visit>().build().await?;
//! let letter = sec.saga(Visit { city: "Rome".into() }).id("visit-1").start().await?.await?;
//! assert_eq!(letter, "See you in Rome, in a room in Rome");
//! # Ok(()) }
//! ```
//!
//! # Concepts
//! - A **saga** is a DAG of nodes: calls of actions, computed values, and groups of nodes. `saga!` generates a struct of its parameters, which implements [`Saga`]; a value of
//!   the struct is one request to run it.
//! - An **action** is what a node runs. It must be *idempotent under its key*: repeated calls with one
//!   [`idempotency_key`](ActionContext::idempotency_key) have one effect and the same result.
//! - An **undo contract** says what an action's compensation needs: the output, the output if there is one, only the
//!   inputs (or none), or that there is nothing to compensate (`no_undo`).
//! - A node is **in doubt** while its effect may or may not have happened: after a timeout, a panic, a crash, or an
//!   error that its action declares ambiguous. In-doubt nodes are compensated too, as their undo contract says.
//! - The **point of no return**, `#[pivot]`, is a node after which the saga only goes forward.
//! - A saga ends **completed**; **rolled back**, where only effects declared `no_undo` stay; or **stuck**, if an undo
//!   fails for good: see [`SagaStatus`] and
//!   [`SagaError`]. A **parked** saga has not ended and waits for an operator.
//! - A **store** keeps one log per saga. The default, [`MemoryStore`](store::MemoryStore), does not survive a crash;
//!   `SqliteStore`, `PostgresStore` and [`FileStore`](store::FileStore) do.
//!
//! # Where to look
//! | for | see |
//! |---|---|
#![cfg_attr(
    feature = "macros",
    doc = "| the language | [`saga!`](macro@saga), [`#[saga_action]`](macro@saga_action) |"
)]
//! | what almost every program imports | [`prelude`] |
//! | running sagas | [`Coordinator`], [`SagaHandle`], [`Outcome`]; the rest is in [`coordinator`] |
//! | what an action knows about its call | [`ActionContext`] |
//! | actions that every saga can use | [`builtin`]: `new_uuid`, `now`, `fail_if`; waits: `sleep`, `wait_for` |
//! | cancelling, pausing, repairing sagas | [`operator`] |
//! | following sagas as they run | [`events`] |
//! | where logs are kept, and writing a store | [`store`] |
//! | what is in a log | [`log`] |
//! | the `Action` trait, actions made of closures | [`action`] |
//! | building DAGs at run time | [`dag`] |
//! | running a single saga without a coordinator | [`executor`] |
//! | drawing DAGs: SVG, Graphviz, Mermaid, JSON | [`render`] |
//! | the typed layer that `saga!` expands into | [`typed`], and [`bounds`] for the traits in its error messages |
//! | the pure state machine that decides every step | [`machine`] |
#![cfg_attr(
    any(feature = "sqlite", feature = "postgres"),
    doc = "| deduplicating calls in a service that sagas call | [`barrier`] |"
)]
#![cfg_attr(feature = "testing", doc = "| the conformance suite for stores | [`testing`] |")]
//!
//! # Observing
//! - [`Coordinator::events`] and [`SagaHandle::events`] stream the entries of logs as they become durable, and
//!   [`Coordinator::inspect`] shows one saga with the state of each node.
//! - `tracing`, target `saga_core`: a span `saga` (fields `id`, `saga`) encloses the whole saga, and in it a span `node`
//!   (`node`, `attempt`, `undo`) encloses each call; both are at the level info. Each log entry is an event named after its kind: a warning for `undo_failed`
//!   and `parked`, an error for a saga that ends stuck, otherwise info or debug. Every event about a saga has the fields
//!   `id` and `saga` (its durable name), and `why` for the message of an error or a reason.
//! - With the feature `opentelemetry`, each run of a saga in a process and each call is linked to the span that started the saga,
//!   if its subscriber has a layer of `tracing-opentelemetry`. In a trace, spans are called what the saga and its nodes are called
//!   (`undo payment`), and the span of a call that failed has the status error. The log keeps the `traceparent` of that span, so that the links
//!   are the same after a crash.
//! - With the feature `metrics`, counters: `saga_created_total` (label `saga`), `saga_ended_total` (`saga`, `status`),
//!   `saga_parked_total` (`saga`), `saga_node_events_total` (`saga`, `kind`: `started`, `failed` and the other kinds of
//!   log entries); and a gauge, `saga_unknown_version` (`saga`, `version`, `fingerprint`): how many unfinished sagas of that
//!   version there are if this program does not know it, and 0 if it does. Histograms, in seconds: `saga_duration_seconds` (`saga`, `status`), from
//!   the creation of a saga to its end; `saga_call_seconds` (`saga`, `node`, `kind`: `action` or `undo`, `outcome`: `ok`,
//!   `failed` or `in_doubt`), one attempt each, where `node` has `[]` for the number of an item; and
//!   `saga_append_seconds` (`saga`, `outcome`), each write to the store. `operator::FleetGauges` and `Health::record` set gauges
//!   when you ask. The guide `docs/monitoring.md` lists all of them, and comes with alert rules and a dashboard.
//!
//! Events, traces and counters contain names, times, reasons and error messages. They never contain parameters, outputs
//! or the fields of errors.
//!
//! # Features
//! | feature | default | adds |
//! |---|---|---|
//! | `macros` | yes | `#[saga_action]` and `saga!` |
//! | `sqlite` | yes | `SqliteStore`, `ActionContext::transaction`, `barrier`; bundles SQLite |
//! | `postgres` | no | `PostgresStore`, `ActionContext::postgres_transaction`, `barrier::postgres` |
//! | `metrics` | no | counters, gauges and histograms through the `metrics` facade |
//! | `opentelemetry` | no | links from the traces of sagas to the requests that started them |
//! | `testing` | no | `testing::SagaTest`, for your sagas; `testing::store_conformance`, for your own stores |
//! | `fault-injection` | no | nothing for you: hooks for this repository's own tests, not covered by semver |
//!
//! The idea of sagas is Garcia-Molina and Salem's (*Sagas*, 1987). Much of the vocabulary is Caitie McCaffrey's and that
//! of Oxide's [steno](https://github.com/oxidecomputer/steno).

// a new variant of one of our enums is an error wherever it is not handled; tests may look for the one they expect
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

// the macros name this crate as their users do
extern crate self as saga_core;

pub mod action;
mod ambient;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod barrier;
pub mod bounds;
pub mod builtin;
mod causes;
mod clock;
mod context;
pub mod coordinator;
#[cfg(not(feature = "fault-injection"))]
mod crash_points;
#[cfg(feature = "fault-injection")]
#[doc(hidden)]
pub mod crash_points;
pub mod dag;
mod driver;
mod error;
pub mod executor;
mod json;
mod limits;
pub mod log;
pub mod machine;
mod names;
mod panics;
mod plan;
#[cfg(feature = "fault-injection")]
#[doc(hidden)]
pub mod planted;
#[cfg(not(feature = "fault-injection"))]
mod planted;
mod policy;
mod probe;
pub mod render;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod typed;
mod value;

#[doc(hidden)]
#[allow(missing_docs)] // plumbing between the macros' output and this crate
pub mod __private;

/// For this repository's simulator.
#[cfg(feature = "fault-injection")]
#[doc(hidden)]
pub mod simulation {
    pub use crate::ambient::{Gate, Simulation};
}

pub use context::{ActionContext, FencingToken, LookupError};
#[doc(inline)]
pub use coordinator::{
    BuildError, Coordinator, CoordinatorBuilder, Health, Migration, MigrationOutlook, NodeKey,
    Outcome, SagaHandle, ShutdownReport, UnknownVersions,
};
pub use error::{
    ActionError, BoxError, MissingTransactions, NodeReport, RuntimeError, SagaError, SagaReport,
    StartError, UndoError,
};
pub use limits::Limits;
pub use log::TryFailure;
pub use log::id::SagaId;
pub use log::status::{ActionState, SagaStatus};
#[doc(inline)]
pub use machine::Ineligible;
pub use policy::Retry;
pub use probe::Probe;
#[cfg(feature = "macros")]
#[doc(inline)]
#[doc = include_str!("../docs/saga.md")]
#[doc = include_str!("../docs/saga-constructs.md")]
pub use saga_macros::saga;
#[cfg(feature = "macros")]
#[doc(inline)]
#[doc = include_str!("../docs/saga_action.md")]
pub use saga_macros::saga_action;
#[cfg(feature = "macros")]
#[doc(inline)]
#[doc = include_str!("../docs/saga_event.md")]
pub use saga_macros::saga_event;
#[doc(inline)]
pub use typed::Saga;

/// Operating sagas from outside: cancelling, pausing, and repairing those that are stuck or parked.
///
/// An [`Operator`](operator::Operator) comes from [`Coordinator::operator`], or from another process with
/// [`Operator::attach`](operator::Operator::attach).
pub mod operator {
    #[cfg(feature = "metrics")]
    pub use crate::coordinator::facts::FleetGauges;
    pub use crate::coordinator::facts::{
        AuditOutcome, AuditRecord, CallFacts, Check, Checkup, CheckupOptions, DiskSpace,
        ExecutionRecord, Finding, Fleet, FleetVersion, HumanReason, InvalidCursor, KeptEffect,
        Level, NeedsHuman, NeedsHumanCursor, NeedsHumanFilter, NeedsHumanPage, NodeFacts,
        OwnerFacts, PredictedEntry, Prediction, RetryFacts, SagaFacts, SagaFilter, SagaSummary,
        WaitFacts, WaitsFor, Why,
    };
    pub use crate::coordinator::inspect::SagaView;
    pub use crate::coordinator::operator::{MAX_NAME, MAX_NOTE, Operator};
    pub use crate::coordinator::signal::{MAX_EVENT_ID, SendSignal};
    pub use crate::error::OperateError;
    pub use crate::log::answer::{Answer, Refusal};
    pub use crate::log::command::{Command, Decision, Fault};
    pub use crate::log::listed_state::{InvalidListedState, ListedState};
    pub use crate::log::request::Request;
}

/// Streams of what sagas do, from [`Coordinator::events`] and [`SagaHandle::events`].
pub mod events {
    pub use crate::driver::{EventKind, Events, MissedEvents, SagaEvent};
}

/// What almost every program that uses sagas imports: the macros, the built-in actions, the coordinator, and
/// the types that describe how sagas and their nodes end.
///
/// ```
/// use saga_core::prelude::*;
///
/// saga! { Stamp<()>() -> u64 { let at = now {}; at } }
///
/// fn describe(outcome: &Outcome<Stamp>, key: NodeKey<Stamp, u64, String>) -> String {
///     match outcome.status() {
///         SagaStatus::Completed => format!("{:?}", outcome.get(key)),
///         status => status.to_string(),
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
/// let handle = sec.saga(Stamp {}).start().await?;
/// assert!(describe(&handle.outcome().await?, Stamp::at).starts_with("Some("));
/// # Ok(()) }
/// ```
pub mod prelude {
    pub use crate::builtin::{fail_if, new_uuid, now};
    pub use crate::builtin::{sleep, sleep_until, wait_for, wait_for_within};
    #[cfg(feature = "sqlite")]
    pub use crate::store::SqliteStore;
    pub use crate::{ActionContext, ActionError, Coordinator, SagaError, SagaHandle, UndoError};
    pub use crate::{ActionState, NodeKey, Outcome, Saga, SagaId, SagaStatus};
    pub use crate::{StartError, TryFailure};
    #[cfg(feature = "macros")]
    pub use crate::{saga, saga_action, saga_event};
}

/// Compiles and runs the programs in the README.
#[cfg(all(doctest, feature = "macros", feature = "sqlite", feature = "testing"))]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Compiles and runs the programs in the guide.
#[cfg(all(doctest, feature = "macros", feature = "testing"))]
#[doc = include_str!("../../docs/testing.md")]
struct Testing;

/// Compiles and runs the programs in the guide.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../../docs/changing-a-saga.md")]
struct ChangingASaga;

/// Compiles and runs the programs in the guide.
#[cfg(all(doctest, feature = "macros", feature = "metrics"))]
#[doc = include_str!("../../docs/monitoring.md")]
struct Monitoring;

/// Compiles the programs in the guide.
#[cfg(all(doctest, feature = "macros", feature = "postgres"))]
#[doc = include_str!("../../docs/postgres.md")]
struct OnPostgres;

/// Compiles and runs the programs in the guides for users of other libraries.
#[cfg(all(doctest, feature = "macros"))]
mod guides {
    #[doc = include_str!("../../docs/from-go.md")]
    struct FromGo;
    #[doc = include_str!("../../docs/from-steno.md")]
    struct FromSteno;
}
