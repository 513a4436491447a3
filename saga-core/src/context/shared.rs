//! An `Arc` that is `Send` and `Sync` at first sight.

use std::ops::Deref;
use std::sync::Arc;

trait Holds<T>: Send + Sync {
    fn held(&self) -> &T;
}

impl<T: Send + Sync> Holds<T> for T {
    fn held(&self) -> &T {
        self
    }
}

/// What it holds is known to be `Send` and `Sync` where it is made, and not proven again: rustc would walk
/// through all that a context leads to, for every action of the user's, several times.
pub(crate) struct Shared<T>(Arc<dyn Holds<T>>);

impl<T: Send + Sync + 'static> Shared<T> {
    pub(crate) fn new(held: Arc<T>) -> Self {
        Self(held)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        (*self.0).held()
    }
}
