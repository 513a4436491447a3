//! Whether the store works, as it answered last.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::store::StoreError;

/// What the store said to the last write.
#[derive(Debug, Default)]
pub(crate) struct StoreHealth {
    /// So that the usual case costs no lock.
    fails: AtomicBool,
    error: Mutex<Option<StoreError>>,
}

impl StoreHealth {
    /// A write was answered.
    pub(crate) fn note<T>(&self, answer: &Result<T, StoreError>) {
        match answer {
            Ok(_) if self.fails.load(Ordering::Acquire) => self.set(None),
            // others are about one saga
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
