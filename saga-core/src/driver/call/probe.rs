//! Asking an action whether it took effect.

use std::time::Duration;

use super::attempt::ProbeEnd;
use crate::driver::Driver;
use crate::log::Payload;
use crate::machine::VertexId;
use crate::probe::Probe;

/// How long a probe may take whose action has no timeout. While it takes, nothing else is done about the action.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

impl Driver {
    /// What the answer means to the machine. One that is no answer, because the probe has failed, its time was up, or its output
    /// cannot be stored, means that nobody knows.
    pub(super) fn probed(&self, vertex: VertexId, answer: ProbeEnd) -> Probe<Payload> {
        let node = self.machine.state().path(vertex);
        let (id, saga) = (&self.run.id, self.run.saga.as_str());
        match answer {
            Ok(Probe::Done(output)) => {
                let payload = output.payload.clone();
                self.values.set(&self.machine, vertex, output);
                Probe::Done(payload)
            }
            Ok(Probe::NotDone) => Probe::NotDone,
            Ok(Probe::Unknown) => {
                tracing::debug!(target: "saga_core", %id, saga, %node, "nobody knows whether the action took effect");
                Probe::Unknown
            }
            Err(failure) => {
                let error = &failure.message;
                tracing::warn!(target: "saga_core", %id, saga, %node, error, "the probe of the action has failed");
                Probe::Unknown
            }
        }
    }
}
