//! The type of a node's output, for comparison with that of another version.

use std::any::{TypeId, type_name};

/// A type of output.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct OutputType {
    id: TypeId,
    /// For people.
    pub(crate) name: &'static str,
}

impl OutputType {
    pub(crate) fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T>() }
    }
}

impl PartialEq for OutputType {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
