//! Errors: of actions and undos, of sagas that did not complete, of starts and of operators' requests.

mod action;
mod lookup;
mod operate;
mod registry;
mod runtime;
mod saga;
mod start;
mod undo;

pub use action::ActionError;
pub use lookup::LookupError;
pub use operate::OperateError;
pub use registry::RegistryError;
pub use runtime::RuntimeError;
pub(crate) use saga::cause_and_error;
pub use saga::{NodeReport, SagaError, SagaReport};
pub use start::StartError;
pub use undo::UndoError;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error with its causes, as far as it does not show them by itself: many errors say only that something failed, and
/// their source says why.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text.push_str(": ");
            text.push_str(&next_text);
        }
        cause = next.source();
    }
    text
}
