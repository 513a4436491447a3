//! Sagas: one business operation over several systems that ends *all or nothing*, also through a crash.
//!
//! Annotate the async functions that call other services with `#[saga_action]`, say how each is undone,
//! and declare with `saga!` which of them make up the operation. The compiler checks names, types and undo coverage; a
//! [`Coordinator`] runs the saga, writes every step to a log, undoes what was done when a step fails, and
//! goes on after a crash. All that is asked of an action is that it is repeatable under its
//! [idempotency key](ActionContext::idempotency_key).
//!
//! ```
//! use saga_core::prelude::*;
//!
//! /// The services that the actions call.
//! pub struct Agency { free_rooms: u32 }
//!
//! #[saga_action(undo = cancel_hotel(output))]
//! async fn book_hotel(cx: &ActionContext<Agency>, city: &str) -> Result<String, String> {
//!     if cx.free_rooms == 0 { return Err(format!("no room in {city}")) }
//!     Ok(format!("a room in {city}"))
//! }
//! async fn cancel_hotel(_cx: &ActionContext<Agency>, _room: &str) -> Result<(), String> { Ok(()) }
//!
//! #[saga_action(no_undo)]
//! async fn write_letter(city: &str, room: &str) -> Result<String, String> {
//!     Ok(format!("See you in {city}, in {room}"))
//! }
//!
//! saga! {
//!     /// Books a room, or nothing.
//!     pub Visit<Agency>(city: String) -> String {
//!         let room = book_hotel { city };
//!         write_letter { city, room }
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sec = Coordinator::builder(Agency { free_rooms: 1 }).saga::<Visit>().build().await?;
//! let letter = sec.run(Visit { city: "Rome".into() }).await?;
//! assert_eq!(letter, "See you in Rome, in a room in Rome");
//! # Ok(()) }
//! ```
//!
//! # Where to look
//! - `#[saga_action]` and `saga!`: the language.
//! - [`Coordinator`]: running sagas; [`SagaError`]: how they end otherwise.
//! - [`store`]: where logs are kept. [`log`]: what is in them.
//! - `barrier`: the other side, for services that sagas call.
//! - [`dag`]: building a DAG by hand or at run time. [`executor`]: running a single one.
//! - [`render`]: DAGs as Graphviz and Mermaid text, and as JSON.
//! - [`machine`]: the pure state machine behind it all, for simulators and the curious.
//!
//! # Watching
//! - [`Coordinator::events`] and [`SagaHandle::events`] give each entry of a log as it becomes durable, and
//!   [`Coordinator::inspect`] shows a saga as it stands.
//! - `tracing`, target `saga_core`: a span `saga` (`id`) around all of a saga, in it a span `node` (`node`,
//!   `attempt`, `undo`) around each call, and for each entry an event of its name: a warning for `undo_failed`
//!   and `parked`, an error for a saga that ends stuck, otherwise info or debug. Each event about a saga names
//!   it by its own fields, `id` and `saga` (its durable name); `why` is the message of an error or a reason.
//! - With the feature `metrics`, counters: `saga_created_total` (`saga`), `saga_ended_total` (`saga`,
//!   `status`), `saga_parked_total` (`saga`), `saga_node_events_total` (`saga`, `kind`: `started`, `failed` and
//!   the other words of a log).
//!
//! All of them show names, times, reasons and the messages of errors; none shows a parameter, an output or
//! the fields of an error.
//!
//! The idea of sagas is Garcia-Molina & Salem's (1987); the vocabulary is McCaffrey's and that of Oxide's
//! `steno`.

// the macros name this crate as their users do
extern crate self as saga_core;

pub mod action;
#[cfg(feature = "sqlite")]
pub mod barrier;
pub mod bounds;
pub mod builtin;
mod clock;
mod context;
pub mod coordinator;
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
mod policy;
pub mod render;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod typed;
mod value;

#[doc(hidden)]
#[allow(missing_docs)] // plumbing between the macros' output and this crate
pub mod __private;

pub use context::{ActionContext, FencingToken, LookupError};
pub use coordinator::{
    BuildError, Coordinator, CoordinatorBuilder, Health, NodeKey, Outcome, SagaHandle,
    ShutdownReport,
};
pub use error::{
    ActionError, BoxError, NodeReport, RuntimeError, SagaError, SagaReport, StartError, UndoError,
};
pub use limits::Limits;
pub use log::id::SagaId;
pub use log::status::{ActionState, SagaStatus};
pub use policy::Retry;
#[cfg(feature = "macros")]
#[doc(inline)]
#[doc = include_str!("../docs/saga.md")]
#[doc = include_str!("../docs/saga-constructs.md")]
pub use saga_macros::saga;
#[cfg(feature = "macros")]
#[doc(inline)]
#[doc = include_str!("../docs/saga_action.md")]
pub use saga_macros::saga_action;
pub use typed::Saga;
/// What operators ask of sagas that have stopped or must stop, and the answers.
pub mod operator {
    pub use crate::coordinator::inspect::SagaView;
    pub use crate::coordinator::operate::Operator;
    pub use crate::error::OperateError;
    pub use crate::log::answer::{Answer, Refusal};
    pub use crate::log::command::{Command, Decision, Fault};
    pub use crate::log::request::Request;
}

/// What happens to running sagas, as it happens.
pub mod events {
    pub use crate::driver::{Events, MissedEvents, SagaEvent};
}

/// What almost every program that uses sagas needs: the macros and the actions that every saga can use,
/// what runs sagas, and what they say of themselves.
///
/// ```
/// use saga_core::prelude::*;
///
/// saga! { Stamp<()>() -> u64 { let at = now {}; at } }
///
/// fn told(outcome: &Outcome<Stamp>, key: NodeKey<Stamp, u64, String>) -> String {
///     match outcome.status() {
///         SagaStatus::Completed => format!("{:?}", outcome.get(key)),
///         status => status.to_string(),
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
/// let handle = sec.saga(Stamp {}).start().await?;
/// assert!(told(&handle.outcome().await?, Stamp::at).starts_with("Some("));
/// # Ok(()) }
/// ```
pub mod prelude {
    pub use crate::builtin::{fail_if, new_uuid, now};
    #[cfg(feature = "sqlite")]
    pub use crate::store::SqliteStore;
    pub use crate::{ActionContext, ActionError, Coordinator, SagaError, SagaHandle, UndoError};
    pub use crate::{ActionState, NodeKey, Outcome, SagaStatus, StartError};
    #[cfg(feature = "macros")]
    pub use crate::{saga, saga_action};
}

/// Compiles the programs of the README.
#[cfg(all(doctest, feature = "macros", feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Compiles and runs the programs of the guides for those who come from elsewhere.
#[cfg(all(doctest, feature = "macros"))]
mod guides {
    #[doc = include_str!("../../docs/from-go.md")]
    struct FromGo;
    #[doc = include_str!("../../docs/from-steno.md")]
    struct FromSteno;
}
