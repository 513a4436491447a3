//! Moments of wall time.

use serde::{Deserialize, Serialize};

use super::utc::Utc;

/// A moment of wall time: milliseconds since the Unix epoch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl std::fmt::Display for Timestamp {
    /// In UTC: `2026-01-31T12:34:56.789Z`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Utc(*self).fmt(f)
    }
}

impl Timestamp {
    /// This moment and `delay` later; stops at the end of time.
    pub fn after(self, delay: std::time::Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)))
    }
}
