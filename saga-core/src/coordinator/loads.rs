//! How many sagas are loaded at the same time. All of them stop when a store fails or a lease ends, and all of them want to
//! be loaded when it is back.

use std::pin::pin;

use futures_util::future::{Either, select};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::CoordinatorInner;

/// How many sagas are loaded in one go after a claim.
pub(super) const PAGE: usize = 128;
/// How many such pages are loaded at once: one is read while the sagas of the one before begin.
pub(super) const PAGES_AT_ONCE: usize = 2;

/// A place for each saga that is being loaded. One that hangs keeps its place.
pub(super) struct Loads(Semaphore);

impl Default for Loads {
    fn default() -> Self {
        Self(Semaphore::new(PAGE * PAGES_AT_ONCE))
    }
}

impl CoordinatorInner {
    /// Waits until so many sagas may be loaded, as long as the places are kept. Not longer than until a shutdown begins.
    pub(super) async fn places_to_load(&self, sagas: usize) -> Option<SemaphorePermit<'_>> {
        let sagas = u32::try_from(sagas.min(PAGE)).unwrap_or(0);
        match select(pin!(self.loads.0.acquire_many(sagas)), pin!(self.closed())).await {
            Either::Left((places, _)) => places.ok(),
            Either::Right(_) => None,
        }
    }
}
