//! Recovery: the machine of a saga whose log was written by another process, or earlier by this one.

use std::sync::Arc;

use super::{Config, Corrupt, Machine, SagaState};
use crate::log::Entry;
use crate::plan::Plan;

impl SagaState {
    /// The state that follows from a log.
    ///
    /// # Errors
    /// [`Corrupt`] if an entry cannot follow the ones before it.
    pub fn fold(plan: Arc<Plan>, log: &[Entry]) -> Result<Self, Corrupt> {
        let mut state = Self::new(plan);
        let (mut near, mut touched) = (0, Vec::new());
        for entry in log {
            state.replay(entry, &mut near, &mut touched)?;
            // when the saga resumes, every vertex is decided about anew
            touched.clear();
        }
        Ok(state)
    }
}

impl Machine {
    /// A saga with this log, which resumes under a new epoch. Its first event is
    /// [`Event::Recovered`](super::Event::Recovered).
    ///
    /// # Errors
    /// [`Corrupt`] if an entry cannot follow the ones before it.
    pub fn recover(
        plan: Arc<Plan>,
        config: impl Into<Arc<Config>>,
        epoch: u64,
        log: &[Entry],
    ) -> Result<Self, Corrupt> {
        let mut machine = Self::with_state(SagaState::fold(plan, log)?, config.into(), epoch);
        machine.written_at = log.last().map_or(machine.written_at, |entry| entry.at);
        Ok(machine)
    }
}
