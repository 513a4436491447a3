//! How long a saga takes that waits, if nothing goes wrong.

use std::time::Duration;

use super::SagaTest;
use super::ended::Ended;
use super::schedule::Schedule;
use crate::dag::DEFAULT_MAX_NODES;
use crate::plan::{Plan, PlanKind};
use crate::typed::{Saga, define};

impl<S: Saga> SagaTest<S> {
    /// How long the saga takes if nothing goes wrong, if it waits: its deadline is later than that, so that each node is reached.
    pub(super) fn calm(&self) -> Duration {
        let dag = define::<S>(DEFAULT_MAX_NODES, Vec::new());
        if !dag.is_ok_and(|dag| waits(dag.plan())) {
            return Duration::ZERO;
        }
        if self.calm.get().is_none() {
            let _ = self.run(&Schedule::default(), &async |_: &Ended<S>| {});
        }
        self.calm.get().copied().unwrap_or_default()
    }
}

/// True if the saga waits for an event or a time.
fn waits(plan: &Plan) -> bool {
    plan.nodes().iter().any(|node| match &node.kind {
        PlanKind::Wait(_) => true,
        PlanKind::Action(_) | PlanKind::Value => false,
        PlanKind::Subsaga(plan) | PlanKind::ForEach { body: plan, .. } => waits(plan),
        PlanKind::Choose(arms) => arms.iter().any(|arm| waits(arm)),
        PlanKind::Try { body, otherwise } => waits(body) || otherwise.as_deref().is_some_and(waits),
    })
}
