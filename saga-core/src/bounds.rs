//! What the macros require of the functions and types that they are applied to.
//!
//! You never implement or call any of this: each trait is implemented for every type that fits. The names
//! appear in messages of rustc, and this page says what they mean.

pub use crate::__private::transactions::{TakesPostgres, TakesSqlite, TransactionInput};
pub use crate::__private::undo_arity::{ProbeTakes, Takes};
#[cfg(feature = "postgres")]
pub use crate::context::PostgresTransactionFn;
// Bounds of these are in messages too. Without this, rustc would print their private path.
#[doc(no_inline)]
pub use crate::__private::{LastStep, Misfits, ProbeMisfits, computed};
pub use crate::typed::probe::{ProbeCall, ProbeReturn};
#[doc(hidden)]
pub use crate::typed::signature::assert_context;
pub use crate::typed::signature::{
    ActionReturn, Context, ContextOf, SharedContext, UndoCall, UndoReturn,
};
pub use crate::value::Storable;
