//! The typed layer between users' code and the DAG: what `saga!` and `#[saga_action]` expand into, and what
//! sagas that are written by hand use.
//!
//! For each annotated function there is a struct whose fields are the parameters of the function. A value of
//! that struct is one call ([`Step`]). A node of a typed DAG is a closure that makes this value from the
//! outputs of earlier nodes. The same closure serves the action and its undo: it runs inside a [`Scope`], which
//! gives it its inputs, calls the action or the undo, and keeps the result.

mod arms;
mod attempt;
mod attempts;
mod bodies;
mod choice;
mod closures;
mod constant;
mod define;
mod inputs;
mod items;
pub(crate) mod probe;
mod results;
mod saga;
mod scope;
mod select;
mod selectors;
mod shape;
pub(crate) mod signature;
mod source;
mod spec;
mod step;
mod steps;
mod wait;

pub use crate::context::{Scope, StepCall, StepResult};
pub use crate::names::{BodyId, Source};
pub use arms::Arms;
pub use attempt::{Attempt, ErrorRules};
pub use choice::Choice;
pub(crate) use define::define;
pub use items::Items;
pub(crate) use items::Like;
pub(crate) use results::{computed, no_output, produced};
pub use saga::{Nestable, Saga};
pub(crate) use select::sealed::Sealed as SealedWait;
pub use select::{AwaitedRef, Race, RaceNode, Select, WaitStep};
pub use shape::{ActionNode, ComputedNode, NodeShape, StepDone, StepFuture};
pub use signature::ActionFailure;
pub use source::{ItemRef, OutputRef, ParamRef, SagaOutput};
pub use spec::ActionSpec;
pub use step::{NeverGivesUp, Step, StepKind, Subsaga, Typed};
pub use wait::{ExternalEvent, WaitSpec};
pub(crate) use wait::{due, event_type};
