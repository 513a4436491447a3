//! A user's crate that allows itself nothing: `cargo clippy` says what the macros write that it should not.
//!
//! All of the language is in here.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, clippy::all, clippy::pedantic)]

pub mod actions;
pub mod sagas;

use std::sync::{Arc, Mutex};

/// The context of the sagas: what was done, in order.
#[derive(Debug, Default, Clone)]
pub struct Desk(Arc<Mutex<Vec<String>>>);

impl Desk {
    /// Notes what was done.
    pub(crate) async fn note(&self, what: String) {
        std::future::ready(()).await;
        if let Ok(mut done) = self.0.lock() {
            done.push(what);
        }
    }

    /// What was done.
    #[must_use]
    pub fn done(&self) -> Vec<String> {
        self.0.lock().map(|done| done.clone()).unwrap_or_default()
    }
}
