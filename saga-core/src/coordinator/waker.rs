//! Waking the sagas that have left memory to wait, when their time comes.
//!
//! A saga that only waits is [suspended](crate::store::SagaRecord::suspended): it is a row of the store, and the store knows when the
//! next one is due. One task of the coordinator sleeps until then, or until a saga leaves memory that is due earlier, and claims
//! what is due, a page at a time. Where other workers suspend sagas of the same store, it also looks now and then.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::Notify;

use super::CoordinatorInner;
use super::shared_store::jittered;
use super::strays::StrayLooks;
use crate::ambient::watch;
use crate::clock::{Clock, ClockView};
use crate::crash_points::crash_point;
use crate::log::Timestamp;
use crate::planted::{Mistake, planted};
use crate::store::{ListFilter, SagaRecord, StoreError};

/// How many sagas are woken in one go: the next are claimed once these are loaded. Few enough that the claim takes a store
/// milliseconds, and that workers which wake at the same time each get some.
const PAGE: usize = 128;
/// The pause between two pages, so that the store and the sagas which were woken get their turn.
const NEXT_PAGE: Duration = Duration::from_millis(5);
/// The pause before the store is asked again, when sagas leave memory one after the other.
const NEXT_LOOK: Duration = Duration::from_millis(20);
/// The pause before the store is asked again when it has failed, or when something is due that cannot be claimed.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What tells the task that wakes sagas of what happens meanwhile.
#[derive(Default)]
pub(super) struct Waker {
    state: Mutex<WakerState>,
    /// Ends its sleep.
    news: Arc<Notify>,
}

#[derive(Default)]
struct WakerState {
    /// The time until which the task sleeps; none while it does not.
    sleeps: Option<Sleeps>,
    /// How many sagas of this process have left memory.
    left: u64,
    /// The coordinator itself, as long as sagas wait: they run on when it is dropped.
    keeps: Option<Arc<CoordinatorInner>>,
}

/// How long the task sleeps.
enum Sleeps {
    Until(Timestamp),
    UntilNews,
}

impl Waker {
    fn state(&self) -> MutexGuard<'_, WakerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A saga of this coordinator has left memory, until this time if it waits for one.
    pub(super) fn note(&self, inner: &Arc<CoordinatorInner>, wake_at: Option<Timestamp>) {
        let earlier = {
            let mut state = self.state();
            state.left += 1;
            state.keeps.get_or_insert_with(|| inner.clone());
            match (&state.sleeps, wake_at) {
                (None, _) | (Some(Sleeps::UntilNews), Some(_)) => true,
                (Some(Sleeps::Until(planned)), Some(at)) => at < *planned,
                (Some(_), None) => false,
            }
        };
        if earlier && !planted(Mistake::LeavesUnheard) {
            self.news.notify_one();
        }
    }

    /// A saga that waited is in memory again, because of a request: the coordinator may not be kept for it any more.
    pub(super) fn note_taken(&self) {
        if self.state().keeps.is_some() {
            self.news.notify_one();
        }
    }

    fn sleeps(&self, sleeps: Option<Sleeps>) {
        self.state().sleeps = sleeps;
    }

    /// Lets the coordinator go, unless another saga has left memory since this many had.
    fn let_go(&self, left: u64) -> Option<Arc<CoordinatorInner>> {
        let mut state = self.state();
        if state.left == left { state.keeps.take() } else { None }
    }
}

/// When the task ends, which may be with its runtime, it keeps the coordinator no longer.
struct Keeper(Weak<CoordinatorInner>);

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            let kept = inner.waker.state().keeps.take();
            drop(kept);
        }
    }
}

/// What the task waits with while it does not hold the coordinator.
struct Sleeper {
    news: Arc<Notify>,
    clock: Arc<Clock>,
    closing: watch::Receiver<bool>,
}

impl Sleeper {
    /// Sleeps until this time, or not longer than this, or until there is news. False if a shutdown has begun.
    async fn sleep(&mut self, until: Option<Timestamp>, at_most: Option<Duration>) -> bool {
        let mut time = pin!(async {
            match until {
                Some(until) => self.clock.until(until).await,
                None => std::future::pending().await,
            }
        });
        let mut pause = pin!(async {
            match at_most {
                Some(at_most) => tokio::time::sleep(at_most).await,
                None => std::future::pending().await,
            }
        });
        let mut news = pin!(async {
            self.news.notified().await;
            tokio::time::sleep(NEXT_LOOK).await;
        });
        let woken = pin!(async {
            select(select(&mut time, &mut pause), &mut news).await;
        });
        // an error means that the coordinator is gone
        let closing = pin!(self.closing.wait_for(|closing| *closing));
        matches!(select(woken, closing).await, Either::Left(_))
    }
}

impl CoordinatorInner {
    /// Wakes sagas as long as the coordinator exists. While sagas wait, it exists.
    pub(super) fn wake_sagas(self: &Arc<Self>) {
        let (news, clock) = (self.waker.news.clone(), self.env.clock.clone());
        let sleeper = Sleeper { news, clock, closing: self.env.closing.subscribe() };
        self.tasks.spawn(Self::wake_while_open(Arc::downgrade(self), sleeper));
    }

    async fn wake_while_open(inner: Weak<Self>, mut sleeper: Sleeper) {
        let keeper = Keeper(inner);
        let mut looks = StrayLooks::default();
        let mut view = ClockView::default();
        loop {
            let Some(this) = keeper.0.upgrade() else { return };
            if this.is_closing() {
                return;
            }
            view.sleeps();
            if let (now, Some(..0)) = this.env.clock.look(&mut view) {
                this.wake_from_future(now).await;
            }
            let (until, mut at_most) = match this.wake_those_due().await {
                Ok(Look { next, again }) => (next, again),
                Err(_) => (None, Some(TRY_AGAIN)),
            };
            if !this.is_one_of_many() {
                this.look_for_strays(&mut looks).await;
                if looks.go_on() {
                    at_most = Some(TRY_AGAIN);
                }
            } else if let Some(lease) = &this.env.lease {
                let usual = jittered(lease.terms.poll_every);
                at_most = Some(at_most.map_or(usual, |at_most| at_most.min(usual)));
            }
            this.keep_if_sagas_wait(until).await;
            drop(this);
            if !sleeper.sleep(until, at_most).await {
                return;
            }
        }
    }

    /// Wakes all sagas that are due.
    async fn wake_those_due(self: &Arc<Self>) -> Result<Look, StoreError> {
        let (store, worker) = (&self.env.store, &self.env.worker);
        loop {
            let fingerprints = self.definitions.all_fingerprints();
            // from now on each saga that leaves memory is news, since the store may not show it yet
            self.waker.sleeps(None);
            let next = store.next_due(&fingerprints).await?;
            let now = self.env.clock.now();
            if self.is_closing() || next.is_none_or(|next| next > now) {
                self.waker.sleeps(Some(next.map_or(Sleeps::UntilNews, Sleeps::Until)));
                return Ok(Look { next, again: None });
            }
            let later = Look { next: None, again: Some(TRY_AGAIN) };
            if self.env.lease.as_ref().is_some_and(|lease| !lease.is_held()) {
                return Ok(later);
            }
            let claimed = store.claim_due(worker, &fingerprints, now, PAGE).await;
            self.env.store_health.note(&claimed);
            let claimed = match claimed {
                Ok(claimed) => claimed,
                Err(error) => {
                    // they may be claimed all the same
                    self.strays.note();
                    return Err(error);
                }
            };
            crash_point("driver.wake.claimed");
            if claimed.is_empty() {
                // another worker was faster, or its record cannot be read
                return Ok(later);
            }
            // what was claimed after a shutdown has begun is released with everything else
            if self.is_closing() {
                return Ok(later);
            }
            if !planted(Mistake::DueNotRun) {
                self.resume_page(claimed).await;
            }
            tokio::time::sleep(jittered(NEXT_PAGE)).await;
        }
    }

    /// The clock was set back to this time: wakes the sagas that have done something later than that. Their waits have a length, so
    /// they end earlier now; which do, only the sagas themselves know, and so they stay in memory. Those that have not done
    /// anything for as long as the clock was set back by wait for that much longer.
    async fn wake_from_future(self: &Arc<Self>, now: Timestamp) {
        let mut filter = ListFilter { suspended: Some(true), limit: 500, ..ListFilter::default() };
        loop {
            // what is missed now waits for its time as it is stored
            let Ok(page) = self.env.store.list(filter.clone()).await else { return };
            let is_full = page.len() >= filter.limit;
            filter.after = page.last().map(|record| record.id.clone());
            for record in page.into_iter().filter(|record| record.updated_at > now) {
                if self.is_closing() {
                    return;
                }
                self.wake_from_rest(&record).await;
            }
            if !is_full {
                return;
            }
            // once these are loaded
            drop(self.places_to_load(PAGE).await);
        }
    }

    async fn wake_from_rest(self: &Arc<Self>, record: &SagaRecord) {
        if self.definition_of(record).is_some() {
            let _place = self.places_to_load(1).await;
            // what fails is reported by its task
            let _: Result<_, _> = self.wake(&record.id, None).await;
        }
    }

    /// Keeps the coordinator alive as long as sagas wait that this process is to wake.
    async fn keep_if_sagas_wait(self: &Arc<Self>, next: Option<Timestamp>) {
        let left = self.waker.state().left;
        // what other workers have suspended, others wake
        if left == 0 && (next.is_none() || self.is_one_of_many()) {
            return;
        }
        let any = ListFilter { suspended: Some(true), limit: 1, ..ListFilter::default() };
        // as long as that is not known, there may be some
        let wait = next.is_some()
            || self.env.store.list(any).await.map_or(true, |found| !found.is_empty());
        if wait {
            self.waker.state().keeps.get_or_insert_with(|| self.clone());
        } else {
            drop(self.waker.let_go(left));
        }
    }
}

/// What was found when it was looked for sagas that are due.
struct Look {
    /// When the next one is due.
    next: Option<Timestamp>,
    /// When to look again at the latest, if that is not certain.
    again: Option<Duration>,
}
