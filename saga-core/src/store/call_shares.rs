//! How the workers of a shared store divide the calls of an action between them.

use serde::{Deserialize, Serialize};

use super::WorkerId;
use crate::log::Timestamp;

/// One worker's share of the calls of an action that is limited over all workers of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallShare {
    /// The worker.
    pub worker: WorkerId,
    /// The limit over all workers, as this one was configured.
    pub limit: u32,
    /// How many calls it may have under way.
    pub held: u32,
    /// How many it would have under way if it could.
    pub wants: u32,
    /// Since when it has had a share, or has waited for one, by the store's clock.
    pub since: Timestamp,
}

/// The shares of one action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallShares {
    /// How often they were changed; 0 if nobody ever had a share.
    pub version: u64,
    /// The shares, also of workers that have died.
    pub shares: Vec<CallShare>,
}

impl CallShares {
    /// Makes this change, for stores that keep shares in memory: what
    /// [`Store::change_call_shares`](super::Store::change_call_shares) does.
    pub fn change(&mut self, change: ShareChange) -> bool {
        let is_newest = self.version == change.version;
        if is_newest {
            self.version += 1;
            self.shares = change.shares;
        }
        is_newest
    }
}

/// What [`Store::call_shares`](super::Store::call_shares) returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedCalls {
    /// The time, by the store's clock: not later than the moment at which the shares were read.
    pub now: Timestamp,
    /// The workers that were alive at that time.
    pub alive: Vec<WorkerId>,
    /// The shares of the actions, in the order in which they were asked for.
    pub actions: Vec<CallShares>,
}

/// A change of the shares of one action, for
/// [`Store::change_call_shares`](super::Store::change_call_shares).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareChange {
    /// The name of the action.
    pub action: String,
    /// The version of the shares that were read.
    pub version: u64,
    /// All shares from now on.
    pub shares: Vec<CallShare>,
}
