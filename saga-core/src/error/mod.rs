//! Errors: of actions and undos, of sagas that did not complete, of starts and of operators' requests.

mod action;
mod lookup;
mod operate;
mod registry;
mod runtime;
mod saga;
mod start;
mod transactions;
mod undo;

pub use action::ActionError;
pub use lookup::LookupError;
pub use operate::OperateError;
pub use registry::RegistryError;
pub use runtime::RuntimeError;
pub(crate) use saga::cause_and_error;
pub use saga::{NodeReport, SagaError, SagaReport};
pub use start::StartError;
pub use transactions::MissingTransactions;
pub use undo::UndoError;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
