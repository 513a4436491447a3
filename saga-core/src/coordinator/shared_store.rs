//! What a coordinator does for a store that several processes share: it renews its lease, and takes over what others have
//! left behind.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{Either, join4, select};
use tokio::sync::Notify;

use super::CoordinatorInner;
use super::strays::StrayLooks;
use crate::ambient::random_number;
use crate::clock::real_pause;
use crate::driver::{Control, Lease};
use crate::planted::{Mistake, planted};
use crate::store::{LeaseTerms, StoreError, Worker};

/// How many sagas are claimed in one go, so that workers that claim at the same time each get some.
const CLAIM: usize = 128;
/// The pause between two claims while there is more to claim.
const NEXT_CLAIM: Duration = Duration::from_millis(10);
/// How often it is looked for definitions that this program can rebuild, in polls.
const LEARN: u32 = 10;

/// Stops the tasks of a coordinator for its shared store.
#[derive(Default)]
pub(super) struct SharedStoreTasks {
    stopped: Arc<Notify>,
    /// True once an executor has begun its lease.
    has_begun: AtomicBool,
}

impl SharedStoreTasks {
    pub(super) fn stop(&self) {
        self.stopped.notify_one();
    }
}

impl Drop for SharedStoreTasks {
    fn drop(&mut self) {
        self.stop();
    }
}

impl CoordinatorInner {
    /// The lease of this process and its terms, if the store is shared.
    fn lease(&self) -> Option<(&Lease, LeaseTerms)> {
        self.env.lease.as_ref().map(|lease| (lease, lease.terms))
    }

    /// Begins or renews the lease. If it ends before the store has answered, all sagas stop.
    pub(super) async fn renew(&self) -> Result<(), StoreError> {
        let Some((lease, _)) = self.lease() else { return Ok(()) };
        let asked = Lease::now();
        let mut answer = pin!(self.ask_for_renewal());
        let renewed = loop {
            let left = lease.left();
            if left.is_zero() {
                self.stop_without_lease(lease);
                break answer.await;
            }
            match select(answer, pin!(real_pause(left))).await {
                Either::Left((renewed, _)) => break renewed,
                Either::Right((_, still)) => answer = still,
            }
        };
        if lease.left().is_zero() {
            // a thread that is blocked sees the answer before it sees the end
            self.stop_without_lease(lease);
        }
        // that this write succeeds says little about others, as long as sagas wait because of those
        if renewed.is_err() || self.sagas_waiting_for_store().is_empty() {
            self.env.store_health.note(&renewed);
        }
        if renewed.is_err() {
            self.renewal_failed.store(true, Ordering::Relaxed);
        }
        renewed?;
        if !lease.is_held() {
            // there is a gap, in which others may have taken its parts of limits
            self.env.call_limits.lapsed();
        }
        lease.renewed(asked);
        if self.renewal_failed.swap(false, Ordering::Relaxed) {
            self.store_is_back.send_modify(|times| *times += 1);
        }
        Ok(())
    }

    async fn ask_for_renewal(&self) -> Result<(), StoreError> {
        let Some((_, terms)) = self.lease() else { return Ok(()) };
        let renewal = self.env.store.renew(&self.env.worker);
        match select(renewal, pin!(real_pause(terms.duration))).await {
            Either::Left((renewed, _)) => renewed,
            // a later answer would renew nothing, since the lease counts from the question
            Either::Right(_) => {
                let why = format!("it did not answer for {:?}", terms.duration);
                Err(StoreError::Failed { store: "the lease".to_string(), why })
            }
        }
    }

    /// True if this process runs sagas of a shared store together with others, and shows what those do. An executor runs its
    /// one saga or none.
    pub(super) fn is_one_of_many(&self) -> bool {
        self.env.lease.is_some() && self.env.reloads
    }

    /// Keeps the lease, takes sagas over and follows others, as long as the coordinator exists.
    pub(super) fn share_store(self: &Arc<Self>) {
        let Some((_, terms)) = self.lease() else { return };
        let inner = Arc::downgrade(self);
        let keep = Self::keep_lease(inner.clone(), terms);
        let take = Self::take_over(inner.clone(), terms);
        let share = Self::share_calls(inner.clone(), terms);
        let follow = Self::follow_all(inner, terms.poll_every / 4);
        self.share_while(join4(keep, take, share, follow));
    }

    /// Begins the lease of an executor, before its first write. From then on it is kept as long as the executor exists or its
    /// saga runs.
    pub(super) async fn begin_lease(self: &Arc<Self>) -> Result<(), StoreError> {
        let Some((lease, terms)) = self.lease().filter(|_| !self.is_one_of_many()) else {
            return Ok(());
        };
        if !self.shared_store.has_begun.swap(true, Ordering::Relaxed) {
            self.share_while(Self::keep_lease(Arc::downgrade(self), terms));
        }
        match lease.is_held() {
            true => Ok(()),
            false => self.renew().await,
        }
    }

    fn share_while<T>(&self, task: impl Future<Output = T> + Send + 'static) {
        let stop = self.shared_store.stopped.clone();
        self.tasks.spawn(async move {
            select(pin!(task), pin!(stop.notified())).await;
        });
    }

    async fn keep_lease(inner: Weak<Self>, terms: LeaseTerms) {
        let soon = terms.renew_every / 10;
        let mut pause = terms.renew_every;
        loop {
            real_pause(pause).await;
            let Some(this) = inner.upgrade() else { return };
            let asked = Lease::now();
            let renewed = this.renew().await;
            // the lease counts from the question, and runs out if that fails
            let since = Lease::now().saturating_sub(asked);
            let usual = terms.renew_every.saturating_sub(since).max(soon);
            pause = if renewed.is_ok() { usual } else { soon };
            if let Some((lease, _)) = this.lease().filter(|(lease, _)| lease.is_held()) {
                // its end is noticed at once
                pause = pause.min(lease.left());
            }
        }
    }

    /// The lease has ended: other processes may run the sagas of this one by now.
    fn stop_without_lease(&self, lease: &Lease) {
        if !lease.end() {
            // they have been told
            return;
        }
        let running = self.running().values().cloned().collect::<Vec<_>>();
        if !running.is_empty() {
            let then = match self.is_one_of_many() {
                true => {
                    ", and resume once it can, unless another process has taken them over by then"
                }
                false => "",
            };
            tracing::warn!(
                target: "saga_core", sagas = running.len(),
                "this process could not renew its lease for {:?}: its sagas stop{then}", lease.terms.duration
            );
        }
        for saga in running {
            saga.link.send(Control::LeaseEnded);
        }
    }

    /// Claims what nobody runs, again and again.
    async fn take_over(inner: Weak<Self>, terms: LeaseTerms) {
        let mut polls = 0_u32;
        let mut looks = StrayLooks::default();
        loop {
            let Some(this) = inner.upgrade() else { return };
            let is_held = this.lease().is_some_and(|(lease, _)| lease.is_held());
            let mut more = false;
            if is_held && !this.is_closing() {
                if polls.is_multiple_of(LEARN) {
                    // what fails now is tried again later
                    let _ = this.learn_versions().await;
                }
                let fingerprints = this.definitions.all_fingerprints();
                let claimed = this.env.store.claim(&this.env.worker, &fingerprints, CLAIM).await;
                if claimed.is_err() {
                    this.strays.note();
                }
                let mut claimed = claimed.unwrap_or_default();
                if planted(Mistake::NotTakenOver) {
                    claimed.clear();
                }
                more = claimed.len() >= CLAIM;
                // what was claimed after a shutdown has begun is released with everything else
                if !claimed.is_empty() && !this.is_closing() {
                    this.resume_all_claimed(claimed);
                }
                this.look_for_strays(&mut looks).await;
            }
            drop(this);
            polls = polls.wrapping_add(u32::from(!more));
            let pause = if more { NEXT_CLAIM } else { terms.poll_every };
            real_pause(jittered(pause)).await;
        }
    }

    /// The workers on this store that are alive.
    pub(super) async fn workers(&self) -> Result<Vec<Worker>, StoreError> {
        if self.lease().is_some() {
            return self.env.store.workers().await;
        }
        let sagas = self.running().len() as u64;
        Ok(vec![Worker::new(self.env.worker.clone(), self.since, None, sagas)])
    }
}

/// A pause that differs by up to a quarter each time, so that workers do not stay in step.
pub(super) fn jittered(pause: Duration) -> Duration {
    let random = random_number();
    let unit = f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX);
    pause.mul_f64(0.75 + unit / 2.0)
}
