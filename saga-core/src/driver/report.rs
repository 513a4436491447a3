//! How a saga ended, and the state of each of its nodes, for whoever asks.

use super::progress::SagaResult;
use super::stuck::StuckBy;
use super::unreadable::unreadable_output;
use super::values::Values;
use crate::error::{ActionError, NodeReport, SagaError, SagaReport, cause_and_error};
use crate::log::{Cause, SagaId, SagaStatus};
use crate::machine::{Machine, NodeState, SagaState};

impl Values {
    pub(super) fn result(&self, machine: &Machine, id: &SagaId, status: SagaStatus) -> SagaResult {
        let report = || Box::new(report(self.name(), machine.state(), id));
        match status {
            SagaStatus::Completed => self.saga_output(id),
            SagaStatus::Stuck => Err(SagaError::Stuck(report())),
            // the machine ends a saga with no other status
            SagaStatus::RolledBack
            | SagaStatus::Running
            | SagaStatus::Failed
            | SagaStatus::RollingBack => Err(SagaError::RolledBack(report())),
        }
    }

    fn saga_output(&self, id: &SagaId) -> SagaResult {
        let Some(node) = self.root().dag.output() else { return Ok(None) };
        match (self.root().output(node), self.root().broken(node)) {
            (None, Some(error)) => {
                Err(SagaError::Corrupt { saga: id.clone(), why: unreadable_output(error) })
            }
            (output, _) => Ok(output.cloned()),
        }
    }

    /// The result of a saga that has ended, in another process or earlier in this one; `None` if it has not.
    pub(crate) fn result_of_ended(&self, state: &SagaState, id: &SagaId) -> Option<SagaResult> {
        match state.status() {
            SagaStatus::Completed => Some(self.saga_output(id)),
            SagaStatus::Running
            | SagaStatus::Failed
            | SagaStatus::RollingBack
            | SagaStatus::RolledBack
            | SagaStatus::Stuck => result_of_failed(self.name(), state, id),
        }
    }
}

fn report(name: &str, state: &SagaState, id: &SagaId) -> SagaReport {
    let (cause, error) = cause_of_end(state);
    let (saga, name) = (id.clone(), name.to_string());
    let kept = state.kept_effects().to_vec();
    SagaReport { saga, name, cause, error, nodes: node_reports(state), kept }
}

/// Why the saga did not complete, as its record says it.
pub(super) fn why(state: &SagaState) -> String {
    if let Some(stuck) = StuckBy::of(state) {
        return stuck.to_string();
    }
    let (cause, error) = cause_of_end(state);
    cause_and_error(&cause, error.as_ref())
}

/// Why the saga did not complete, and with which error of an action.
pub(super) fn cause_of_end(state: &SagaState) -> (Cause, Option<ActionError>) {
    let scope = || state.unwinding_scope().map(|why| Cause::Failed { node: why.node.clone() });
    let cause = state.cause().cloned().or_else(scope).or_else(|| {
        // what is stuck after its pivot has not rolled back
        let node = StuckBy::of(state)?.node;
        Some(Cause::Failed { node })
    });
    let cause = cause.unwrap_or(Cause::Cancelled { reason: "no reason recorded".to_string() });
    let failed = match &cause {
        Cause::Failed { node } => state.resolve(node.as_str()).and_then(|v| state.node(v)),
        Cause::Cancelled { .. } | Cause::DeadlineExceeded | Cause::Rollback { .. } => None,
    };
    let error = failed.and_then(|node| Some(ActionError::from_failure(node.failure.as_deref()?)));
    (cause, error)
}

/// The result of a saga that was rolled back or is stuck; `None` for any other.
pub(crate) fn result_of_failed(name: &str, state: &SagaState, id: &SagaId) -> Option<SagaResult> {
    let report = || Box::new(report(name, state, id));
    match state.status() {
        SagaStatus::RolledBack => Some(Err(SagaError::RolledBack(report()))),
        SagaStatus::Stuck => Some(Err(SagaError::Stuck(report()))),
        SagaStatus::Running
        | SagaStatus::Failed
        | SagaStatus::RollingBack
        | SagaStatus::Completed => None,
    }
}

/// The state of every node, in the order of declaration.
pub(crate) fn node_reports(state: &SagaState) -> Vec<NodeReport> {
    state.nodes().into_iter().map(node_report).collect()
}

pub(crate) fn node_report(node: NodeState) -> NodeReport {
    NodeReport {
        state: node.shown(),
        node: node.path,
        has_undo: node.has_undo,
        in_doubt: node.in_doubt,
        attempts: node.attempts,
        error: node.failure.as_deref().map(ActionError::from_failure),
        undo_error: node.undo_failure.as_deref().map(ActionError::from_failure),
    }
}
