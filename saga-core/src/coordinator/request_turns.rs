//! Requests of one process for the same saga take turns, so that they come to it in the order in which they were made,
//! whether it runs here, is at rest, or is run by another process.
//!
//! A request has its turn until nothing that is asked later can come before it: until it is answered, is in the log, or is in
//! the store for another process. So one that must wait for long, as a cancel does for a pivot, lets later ones pass.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, MutexGuard};

use crate::ambient::HashMap;
use crate::log::SagaId;

/// The lines in which the requests for each saga wait.
#[derive(Default)]
pub(super) struct RequestTurns(Mutex<HashMap<SagaId, Arc<Line>>>);

#[derive(Default)]
struct Line {
    /// First come, first served.
    turn: Turn<()>,
    /// How many requests are in the store for another process, as far as is known.
    in_store: AtomicUsize,
}

/// A place in line, for as long as the request is not answered.
pub(super) struct Place<'a> {
    turns: &'a RequestTurns,
    saga: SagaId,
    line: Arc<Line>,
}

/// As long as it exists, a request of this process is in the store and not answered.
pub(super) struct InStore<'a>(&'a Line);

impl RequestTurns {
    pub(super) fn place(&self, saga: &SagaId) -> Place<'_> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry(saga.clone()).or_default().clone();
        Place { turns: self, saga: saga.clone(), line }
    }
}

impl Place<'_> {
    /// Waits for the turn of the request. Its place in line is that of the first poll.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.line.turn.lock().await
    }

    /// True if an earlier request is in the store for another process. Later ones must follow it there.
    pub(super) fn follows_others(&self) -> bool {
        self.line.in_store.load(Ordering::Acquire) > 0
    }

    /// The request is about to be left in the store.
    pub(super) fn in_store(&self) -> InStore<'_> {
        self.line.in_store.fetch_add(1, Ordering::AcqRel);
        InStore(&self.line)
    }
}

impl Drop for InStore<'_> {
    fn drop(&mut self) {
        self.0.in_store.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut lines = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        // one in the map, and one here
        if Arc::strong_count(&self.line) <= 2 {
            lines.remove(&self.saga);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn requests_for_one_saga_take_turns_and_those_for_others_do_not_wait() {
        let turns = RequestTurns::default();
        let (a, b): (SagaId, SagaId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let (first, second, third) = (turns.place(&a), turns.place(&a), turns.place(&a));
        let turn = first.turn().now_or_never().unwrap();
        let (mut next, mut last) = (Box::pin(second.turn()), Box::pin(third.turn()));
        assert!(next.as_mut().now_or_never().is_none() && last.as_mut().now_or_never().is_none());
        assert!(turns.place(&b).turn().now_or_never().is_some());
        drop(turn);
        assert!(last.as_mut().now_or_never().is_none());
        // one that gives up holds nobody up
        drop(next);
        assert!(last.now_or_never().is_some());
        drop((first, second, third));
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
