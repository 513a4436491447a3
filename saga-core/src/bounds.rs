//! What both macros ask of the functions and types that they are given.
//!
//! None of this is implemented or called by hand: each trait holds for every type that fits. Their names stand in
//! the messages of rustc, and this is where to read what they mean.

pub use crate::__private::undo_arity::Takes;
#[doc(hidden)]
pub use crate::typed::signature::assert_context;
pub use crate::typed::signature::{
    ActionReturn, Context, ContextOf, SharedContext, UndoCall, UndoReturn,
};
pub use crate::value::Storable;
