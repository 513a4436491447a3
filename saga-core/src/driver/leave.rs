//! When a saga that only waits leaves memory.

use std::sync::Arc;
use std::time::Duration;

use super::Driver;
use super::task_state::TaskState;
use crate::dag::AnyDag;
use crate::planted::{Mistake, planted};
use crate::store::Suspension;

/// How long a saga stays in memory when it has begun to do nothing but wait. Many events come soon, as those of a service that
/// is asked and answers by a webhook do; leaving memory and coming back takes two writes and a read.
const LINGERS: Duration = Duration::from_secs(1);
/// A saga that goes on by itself sooner than this does not leave.
const SOON: Duration = Duration::from_secs(1);

/// A saga that leaves memory, since it only waits.
pub(crate) struct Leaving {
    pub(crate) suspension: Suspension,
    /// The definition that it has now, without which nobody can wake it.
    pub(crate) dag: Arc<AnyDag>,
}

impl Driver {
    /// Called before the task sleeps: if the saga only waits, it is on its way out of memory.
    pub(super) fn linger(&self, task: &mut TaskState<'_>) {
        if !self.machine.only_waits()
            || !self.env.reloads
            || !task.is_at_rest()
            || self.goes_on_soon()
            || self.is_set_back()
        {
            task.lingers = None;
        } else if task.lingers.is_none() {
            // nothing is expected of a saga that has not started
            let lingers = if self.machine.starts_not_yet() { Duration::ZERO } else { LINGERS };
            task.lingers = Some(Box::pin(tokio::time::sleep(lingers)));
        }
    }

    /// True if the clock was set back while the saga waited. Only this process knows by how much, and so when the wait is over.
    fn is_set_back(&self) -> bool {
        Duration::from_millis(self.machine.set_back()) > SOON
    }

    /// True if the saga goes on by itself before it would have been worth it to leave.
    fn goes_on_soon(&self) -> bool {
        let soon = self.env.clock.now().after(LINGERS + SOON);
        self.machine.wake_at().is_some_and(|at| at < soon)
    }

    /// What the store is told of a saga that leaves.
    pub(super) fn leaving(&self) -> Leaving {
        let suspension = Suspension {
            saga: self.run.id.clone(),
            owner: self.env.worker.clone(),
            epoch: self.epoch,
            next_seq: self.machine.state().next_seq(),
            wake_at: self.machine.wake_at().filter(|_| !planted(Mistake::WakeTimeNotStored)),
        };
        Leaving { suspension, dag: self.values.root().dag.clone() }
    }
}
