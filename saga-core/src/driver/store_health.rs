//! Whether the store works, judging by its last answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::store::StoreError;

/// The store's answer to the last write.
#[derive(Debug, Default)]
pub(crate) struct StoreHealth {
    /// Spares the usual case a lock.
    fails: AtomicBool,
    error: Mutex<Option<StoreError>>,
}

impl StoreHealth {
    /// Notes the answer to a write.
    pub(crate) fn note<T>(&self, answer: &Result<T, StoreError>) {
        match answer {
            Ok(_) if self.fails.load(Ordering::Acquire) => self.set(None),
            // other errors concern one saga
            Err(error @ (StoreError::Failed { .. } | StoreError::Closed { .. })) => {
                self.set(Some(error.clone()));
            }
            _ => {}
        }
    }

    pub(crate) fn error(&self) -> Option<StoreError> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, found: Option<StoreError>) {
        let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        self.fails.store(found.is_some(), Ordering::Release);
        *error = found;
    }
}
