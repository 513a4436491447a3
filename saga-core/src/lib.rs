//! skeleton
#![allow(missing_docs)]
extern crate self as saga_core;

mod action;
mod context;
mod coordinator;
pub mod dag;
mod definition;
mod driver;
mod error;
mod limits;
pub mod log;
pub mod machine;
mod registry;
pub mod store;

#[doc(hidden)]
pub mod __private;

pub use action::{Action, ActionData, ActionFunc, ActionOutput, Failed, Timeouts, Value};
pub use context::{ActionContext, LookupError, Token};
pub use coordinator::{BuildError, Coordinator, CoordinatorBuilder, SagaFuture, SagaHandle, ShutdownReport, Start};
pub use dag::{SagaDag, ActionName, InvalidName, NodeName, Policy, Retry, SagaName, UndoKind};
pub use definition::{ActionSpec, Done, Ends, Leaf, Op, Param, Pure, Saga, Scope, Shape, Slot, Source, Step, Stop, Typed};
pub use error::{ActionError, BoxError, NodeReport, SagaError, SagaReport, StartError, UndoError};
pub use log::{ActionState, InvalidSagaId, NodePath, SagaId, SagaStatus};
pub use limits::Limits;
pub use registry::{ActionRegistry, RegistryError};

#[cfg(feature = "macros")]
pub use saga_macros::{saga, saga_action};
pub mod prelude {
    pub use crate::{ActionContext, ActionError, Coordinator, SagaError, SagaHandle, UndoError};
    #[cfg(feature = "macros")]
    pub use saga_macros::{saga, saga_action};
}
