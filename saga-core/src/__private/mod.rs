//! What the macros' output refers to, in addition to the public API. It changes without notice.

mod computed;
mod error_payload;
mod inputs;
mod keys;
mod last_line;
pub(crate) mod transactions;
pub(crate) mod undo_arity;

pub use serde;

pub use crate::typed::ErrorRules;
pub use crate::typed::probe::AsksOrActs;
use crate::value::Value;
pub use computed::computed;
pub use error_payload::{ErrorPayload, NoErrorPayload, plain_error};
pub use inputs::{Evaluated, Evaluation, InputOf, OpaqueInput, SerializedInput, ShownInput};
pub use keys::{ActionInsideOfAFunction, NodeTypes, Parameter};
pub use last_line::{
    InnerTail, IsPlain, IsValue, LastStep, Tail, TailStep, TailValue, WholeOutput, inner_tail, tail,
};
pub use transactions::{
    PostgresTx, SqliteTx, inside_transaction, missing_output, postgres, sqlite, undone,
};
pub use undo_arity::{Fits, Misfits, ProbeFits, ProbeMisfits, probe, undo};

/// The output that an undo gets.
pub fn output<O: 'static>(output: &Option<Value>) -> Option<&O> {
    output.as_ref().and_then(|value| value.downcast_ref())
}
