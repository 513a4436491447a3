//! What all coordinators of a run have in common.

use std::time::Duration;

use saga_core::{CoordinatorBuilder, Limits};

use super::DECLARED;
use super::actions::registry;
use crate::tape::Tape;
use crate::world::Site;

/// Outputs with more bytes cannot be stored.
pub(crate) const MAX_PAYLOAD: usize = 16 * 1024;

#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) max_concurrency: Option<usize>,
    pub(crate) max_calls: Option<usize>,
    pub(crate) max_calls_of: Option<(&'static str, usize)>,
    pub(crate) max_calls_of_everywhere: Option<(&'static str, usize)>,
    pub(crate) abandon_after: Option<Duration>,
}

impl Settings {
    pub(crate) fn random(tape: &Tape) -> Self {
        let action = |tape: &Tape| DECLARED[tape.pick(DECLARED.len())].name;
        let some = |share| tape.chance(share);
        Self {
            max_concurrency: some(90).then(|| 1 + tape.pick(3)),
            max_calls: some(40).then(|| 1 + tape.pick(3)),
            max_calls_of: some(50).then(|| (action(tape), 1 + tape.pick(2))),
            max_calls_of_everywhere: some(100).then(|| (action(tape), 1 + tape.pick(2))),
            abandon_after: some(60).then(|| Duration::from_millis(10 << tape.pick(8))),
        }
    }

    /// The settings of a program that knows versions up to this one.
    pub(crate) fn apply(
        &self,
        mut builder: CoordinatorBuilder<Site>,
        deployment: usize,
    ) -> CoordinatorBuilder<Site> {
        let actions = registry(deployment);
        builder = builder.actions(actions).limits(Limits::default().max_payload(MAX_PAYLOAD));
        if let Some(calls) = self.max_concurrency {
            builder = builder.max_concurrency(calls);
        }
        if let Some(calls) = self.max_calls {
            builder = builder.max_calls(calls);
        }
        if let Some((action, calls)) = self.max_calls_of {
            builder = builder.max_calls_of(action, calls);
        }
        if let Some((action, calls)) = self.max_calls_of_everywhere {
            builder = builder.max_calls_of_everywhere(action, calls);
        }
        match self.abandon_after {
            Some(after) => builder.abandon_after(after),
            None => builder,
        }
    }
}
