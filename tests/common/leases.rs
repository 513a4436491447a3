//! The leases of workers on a store in memory.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use saga_core::store::{LeaseTerms, WorkerId};

pub(crate) struct Leases {
    pub(crate) terms: LeaseTerms,
    until: Mutex<HashMap<WorkerId, Instant>>,
}

impl Leases {
    pub(crate) fn new(terms: LeaseTerms) -> Self {
        Self { terms, until: Mutex::default() }
    }

    pub(crate) fn renew(&self, worker: WorkerId) {
        self.until.lock().unwrap().insert(worker, Instant::now() + self.terms.duration);
    }

    pub(crate) fn end(&self, worker: &WorkerId) {
        self.until.lock().unwrap().remove(worker);
    }

    pub(crate) fn is_alive(&self, worker: &WorkerId) -> bool {
        self.until.lock().unwrap().get(worker).is_some_and(|until| *until > Instant::now())
    }

    /// The other workers that are alive.
    pub(crate) fn others(&self, worker: &WorkerId) -> Vec<WorkerId> {
        let (until, now) = (self.until.lock().unwrap(), Instant::now());
        let alive = until.iter().filter(|(_, until)| **until > now).map(|(other, _)| other);
        alive.filter(|other| *other != worker).cloned().collect()
    }

    pub(crate) fn alive(&self) -> Vec<WorkerId> {
        let (until, now) = (self.until.lock().unwrap(), Instant::now());
        let alive = until.iter().filter(|(_, until)| **until > now);
        alive.map(|(worker, _)| worker.clone()).collect()
    }
}
