//! Limits over all workers of a shared store: keeps the shares of this process in line with its calls.

use std::pin::pin;
use std::sync::Weak;
use std::time::Duration;

use futures_util::future::select;

use super::CoordinatorInner;
use super::shared_store::jittered;
use crate::clock::real_pause;
use crate::driver::{Lease, ShareTerms};
use crate::store::{LeaseTerms, StoreError};

/// How often a change is tried that others have forestalled, before it waits for the next look.
const TRIES: u32 = 5;

impl CoordinatorInner {
    /// Fails if an action is limited over all workers, and the store cannot do that.
    pub(super) async fn check_shared_limits(&self) -> Result<(), StoreError> {
        let actions = self.env.call_limits.shared_actions();
        if !actions.is_empty() {
            self.env.store.call_shares(actions).await?;
        }
        Ok(())
    }

    /// Looks at the shares several times a second while calls of this process need them, and soon after it needs more or
    /// has some to give up.
    pub(super) async fn share_calls(inner: Weak<Self>, terms: LeaseTerms) {
        let Some(limits) = inner.upgrade().map(|this| this.env.call_limits.clone()) else { return };
        if limits.shared_actions().is_empty() {
            return;
        }
        let poll = terms.poll_every / 4;
        let soonest = poll / 10;
        loop {
            let changed = pin!(limits.shares_changed());
            if limits.actions_in_use().is_empty() {
                changed.await;
            } else {
                select(changed, pin!(real_pause(jittered(poll)))).await;
            }
            let Some(this) = inner.upgrade() else { return };
            let shared = this.look_at_shares(terms, soonest).await;
            drop(this);
            // what fails now is tried again later: the share stays as it is while the lease lasts
            real_pause(if shared.is_ok() { soonest } else { poll }).await;
        }
    }

    async fn look_at_shares(&self, terms: LeaseTerms, soonest: Duration) -> Result<(), StoreError> {
        let (limits, me) = (&self.env.call_limits, &self.env.worker);
        let terms = ShareTerms { idle: terms.renew_every, turn: terms.poll_every };
        for _ in 0..TRIES {
            let actions = limits.actions_in_use();
            if actions.is_empty() || !self.env.lease.as_ref().is_some_and(Lease::is_held) {
                break;
            }
            let seen = self.env.store.call_shares(actions.clone()).await?;
            let mut was_late = false;
            for (action, there) in actions.iter().zip(&seen.actions) {
                let planned = limits.plan_share((me, action), terms, &seen, there);
                let Some((change, planned)) = planned else { continue };
                match self.env.store.change_call_shares(change).await? {
                    true => limits.share_is_changed(action, &planned),
                    false => was_late = true,
                }
            }
            if !was_late {
                break;
            }
            real_pause(jittered(soonest / 4)).await;
        }
        Ok(())
    }
}
