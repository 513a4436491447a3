//! Finding out how calls have ended: what a version does before another one goes on with its saga.

use std::time::Duration;

use super::Machine;
use super::state::{SagaState, VertexId};
use crate::log::Timestamp;

/// How long a saga that settles starts nothing but the calls that are in doubt. A call may need what another node of the saga
/// does, or wait for hours before it is repeated, so this has an end.
const ALONE: Duration = Duration::from_secs(30);

/// How a saga settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settles {
    /// Not at all.
    Never,
    /// Only calls in doubt start, until this time. The first turn tells it.
    Alone { until: Option<Timestamp> },
    /// It goes on as usual as long as a node is in doubt.
    Along,
}

impl Machine {
    /// From now on the machine repeats the calls that are in doubt, and finishes as soon as none is: the saga may go on under
    /// another version then. For half a minute it starts nothing else. After that the saga goes on as usual until no call is in
    /// doubt: it must not wait for ever for a call that cannot succeed before another node has. A saga that unwinds does not
    /// settle any more.
    pub fn settle(&mut self) {
        self.rare_mut().settles = Settles::Alone { until: None };
    }

    /// True if it settles, and there is nothing left to find out. What is left to decide is left to another version.
    pub(super) fn is_settled(&mut self) -> bool {
        let state = &self.state;
        if self.rare().settles == Settles::Never
            || state.run_key.is_none()
            || state.unwinding.is_some()
            || state.holds_requests()
        {
            return false;
        }
        let known = Some(self.rare().in_doubt).filter(|v| state.is_open_question(*v));
        let open = known.or_else(|| state.first_in_doubt());
        let Some(v) = open.or_else(|| state.first_unwinding_scope()) else { return true };
        self.rare_mut().in_doubt = v;
        false
    }

    /// True if this vertex has to wait until the saga has settled.
    pub(super) fn waits_for_others_to_settle(&self, v: VertexId) -> bool {
        match self.rare().settles {
            Settles::Alone { .. } => {
                self.state.vertex(v).is_some_and(|x| !x.progress.is_in_doubt())
            }
            Settles::Along | Settles::Never => false,
        }
    }

    /// When the saga goes on as usual, if it has not settled by then.
    pub(super) fn settles_alone_until(&self) -> Option<Timestamp> {
        match self.rare().settles {
            Settles::Alone { until } => until.filter(|_| self.state.unwinding.is_none()),
            Settles::Along | Settles::Never => None,
        }
    }

    /// Time has passed for a saga that settles.
    pub(super) fn pass_settling_time(&mut self) {
        let waited = self.waited();
        match self.rare().settles {
            Settles::Alone { until: None } => {
                self.rare_mut().settles = Settles::Alone { until: Some(waited.after(ALONE)) };
            }
            Settles::Alone { until: Some(until) } if until <= waited => {
                self.rare_mut().settles = Settles::Along;
                self.touched.extend(0..self.state.len());
            }
            Settles::Alone { .. } | Settles::Along | Settles::Never => {}
        }
    }
}

impl SagaState {
    /// A vertex with an attempt that may have taken effect.
    pub(super) fn first_in_doubt(&self) -> Option<VertexId> {
        (0..self.len()).find(|v| self.is_open_question(*v))
    }

    /// True if it may matter whether an attempt of this vertex took effect.
    fn is_open_question(&self, v: VertexId) -> bool {
        self.vertex(v).is_some_and(|x| x.progress.is_in_doubt()) && !self.stands_in_undone_scope(v)
    }
}
