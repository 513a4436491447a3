//! Coming back: the machine of a saga whose log another process, or another life of this one, wrote.

use std::sync::Arc;

use super::{Config, Corrupt, Machine, SagaState};
use crate::log::Entry;
use crate::plan::Plan;

impl SagaState {
    /// The state that follows from a log.
    ///
    /// # Errors
    /// [`Corrupt`] names the entry that cannot be.
    pub fn fold(plan: Arc<Plan>, log: &[Entry]) -> Result<Self, Corrupt> {
        let mut state = Self::new(plan);
        let mut touched = Vec::new();
        for entry in log {
            state.replay(entry, &mut touched)?;
            // what there is to decide is decided anew when the saga goes on
            touched.clear();
        }
        Ok(state)
    }
}

impl Machine {
    /// A saga with this log, which goes on under a new epoch. Its first event is
    /// [`Event::Recovered`](super::Event::Recovered).
    ///
    /// # Errors
    /// [`Corrupt`] names the entry that cannot be.
    pub fn recover(
        plan: Arc<Plan>,
        config: Config,
        epoch: u64,
        log: &[Entry],
    ) -> Result<Self, Corrupt> {
        let mut machine = Self::with_state(SagaState::fold(plan, log)?, config, epoch);
        machine.written_at = log.last().map_or(machine.written_at, |entry| entry.at);
        Ok(machine)
    }
}
