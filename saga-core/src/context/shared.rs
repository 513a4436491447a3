//! An `Arc` that is obviously `Send` and `Sync`.

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

/// Its content is known to be `Send` and `Sync` where the `Arc` is created, and this is not proven again.
/// Otherwise rustc would examine everything reachable from a context, several times for each action of the
/// user's.
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
