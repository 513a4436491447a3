//! Gauges: how many sagas the store has in which state, and what this process does.

use std::collections::BTreeMap;

use crate::coordinator::Health;
use crate::log::{ListedState, Timestamp};

use super::{Fleet, FleetVersion};

/// Sets gauges to the numbers of a [`Fleet`] (feature `metrics`): `saga_sagas` (labels `saga`, `version`, `state`) and
/// `saga_oldest_unfinished_seconds` (`saga`, `version`). They are set when you ask, since counting asks the store.
///
/// Keep one of these: it remembers what it has set, and sets it to 0 once there are no such sagas any more.
///
/// ```
/// use saga_core::operator::FleetGauges;
/// use saga_core::prelude::*;
/// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
/// let mut gauges = FleetGauges::default();
/// // before each scrape
/// gauges.record(&sec.operator("metrics").fleet().await?);
/// sec.health().record();
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct FleetGauges {
    /// What was set last; all zero for sagas of which there are none any more.
    set: BTreeMap<(String, String), Numbers>,
}

/// What the gauges of one saga and version say.
#[derive(Debug, Default)]
struct Numbers {
    states: [u64; ListedState::ALL.len()],
    oldest: Option<Timestamp>,
}

impl FleetGauges {
    /// Sets the gauges.
    pub fn record(&mut self, fleet: &Fleet) {
        self.set.values_mut().for_each(|numbers| *numbers = Numbers::default());
        for version in &fleet.versions {
            let label = version.version.map(|number| number.to_string()).unwrap_or_default();
            self.set.entry((version.saga.clone(), label)).or_default().add(version);
        }
        for ((saga, version), numbers) in &self.set {
            for (state, sagas) in ListedState::ALL.into_iter().zip(numbers.states) {
                let labels = [
                    ("saga", saga.clone()),
                    ("version", version.clone()),
                    ("state", state.to_string()),
                ];
                metrics::gauge!("saga_sagas", &labels).set(sagas as f64);
            }
            let labels = [("saga", saga.clone()), ("version", version.clone())];
            let age = numbers.oldest.map_or(0, |oldest| fleet.at.0.saturating_sub(oldest.0));
            metrics::gauge!("saga_oldest_unfinished_seconds", &labels).set(age as f64 / 1000.0);
        }
    }
}

impl Numbers {
    /// Definitions that declare the same version are counted together.
    fn add(&mut self, version: &FleetVersion) {
        for (count, state) in self.states.iter_mut().zip(ListedState::ALL) {
            *count += version.in_state(state);
        }
        self.oldest = [self.oldest, version.oldest_unfinished()].into_iter().flatten().min();
    }
}

impl Health {
    /// Sets the gauges of this process (feature `metrics`): `saga_running`, `saga_waiting_for_store`, `saga_unreadable` (the
    /// number of [`unreadable`](Self::unreadable) sagas), and `saga_store_fails`, which is 1 while the last write to the store has
    /// failed.
    pub fn record(&self) {
        metrics::gauge!("saga_unreadable").set(self.unreadable.len() as f64);
        metrics::gauge!("saga_store_fails").set(if self.store.is_some() { 1.0 } else { 0.0 });
        metrics::gauge!("saga_running").set(self.running as f64);
        metrics::gauge!("saga_waiting_for_store").set(self.waiting.len() as f64);
    }
}
