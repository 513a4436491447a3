//! What all sagas of a coordinator share.

use std::sync::Arc;

use super::{CallLimits, Lease, Observers, StoreHealth};
use crate::ambient::{random_uuid, watch};
use crate::clock::Clock;
use crate::context::AnyContext;
use crate::error::ActionError;
use crate::limits::Limits;
use crate::log::{Payload, Uuid};
use crate::planted::{Mistake, planted};
use crate::store::{Store, StoreError, WorkerId};

pub(crate) struct Environment {
    pub(crate) user: Arc<AnyContext>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) worker: WorkerId,
    pub(crate) clock: Arc<Clock>,
    pub(crate) limits: Limits,
    pub(crate) call_limits: CallLimits,
    pub(crate) observers: Observers,
    pub(crate) store_health: StoreHealth,
    /// The lease of this process, if the store is shared with others.
    pub(crate) lease: Option<Lease>,
    /// True once a shutdown has begun.
    pub(crate) closing: watch::Sender<bool>,
    /// True if sagas that stop because the store fails are loaded again once it works.
    pub(crate) reloads: bool,
    /// How the context is written with each append; only where the context is state, as in an executor.
    pub(crate) snapshot: Option<Snapshot>,
    /// What a test does to calls.
    #[cfg(feature = "testing")]
    pub(crate) faults: Option<Arc<dyn super::CallFaults>>,
}

impl Environment {
    /// The key of a new saga, which has this id if that is chosen already.
    pub(crate) fn new_run_key(&self, id: Option<&str>) -> Uuid {
        #[cfg(feature = "testing")]
        if let Some(faults) = &self.faults {
            return faults.run_key(id).unwrap_or_else(Uuid::new_v4);
        }
        let _ = id;
        random_uuid()
    }

    /// Which of the times that this process holds its lease this is; 0 while it does not.
    pub(super) fn lease_term(&self) -> u64 {
        self.lease.as_ref().map_or(0, Lease::term)
    }

    /// Why no call may begin that the store was asked to authorize in this term: the lease has ended since, and even if it
    /// has begun again, another process may have taken the saga over in between.
    pub(super) fn lease_error(&self, asked_in: u64) -> Option<StoreError> {
        let lease = self.lease.as_ref()?;
        let allowed = lease.allows_call(asked_in) || planted(Mistake::CallAfterLease);
        (!allowed).then(|| lease.error())
    }
}

/// Encodes a context.
pub(crate) type Snapshot = fn(&AnyContext) -> Result<Payload, ActionError>;
