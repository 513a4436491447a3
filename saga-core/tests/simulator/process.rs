//! A process that runs sagas: it can be suspended and killed.
//!
//! A process is a gate. While it is suspended, or once it is dead, nothing that belongs to it gets any further: the tasks of
//! its coordinator are not polled, and what it asks its store waits.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use saga_core::simulation::Gate;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A process. Clones are the same process.
#[derive(Clone)]
pub(crate) struct Process {
    id: u32,
    began: Instant,
    inner: Arc<Mutex<Inner>>,
    /// Notified when it dies.
    died: Arc<Notify>,
}

struct Inner {
    life: Life,
    /// Who waits until it continues.
    waiting: Vec<Waker>,
    /// By how much its wall clock was set, in milliseconds.
    set: i64,
    /// By how many parts in a thousand its wall clock is fast.
    fast: i64,
    /// Until when it has its lease, as far as it was told.
    lease: Option<Instant>,
    /// Since when it has had it without a gap.
    lease_began: Option<Instant>,
    /// When it was suspended, and when it went on.
    suspensions: Vec<(Instant, Option<Instant>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Runs,
    Suspended,
    Dead,
}

impl Process {
    /// A process that runs. `began` is when the simulated world began.
    pub(crate) fn new(id: u32, began: Instant, set: i64, fast: i64) -> Self {
        let inner = Inner {
            life: Life::Runs,
            waiting: Vec::new(),
            set,
            fast,
            lease: None,
            lease_began: None,
            suspensions: Vec::new(),
        };
        Self { id, began, inner: Arc::new(Mutex::new(inner)), died: Arc::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Which process it is; a process that follows a dead one has a number of its own.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.inner().life == Life::Dead
    }

    /// As SIGKILL: nothing of it ever runs again.
    pub(crate) fn kill(&self) {
        let mut inner = self.inner();
        inner.life = Life::Dead;
        inner.waiting.clear();
        drop(inner);
        self.died.notify_waiters();
    }

    /// Waits until it is dead.
    pub(crate) async fn dies(&self) {
        let mut died = pin!(self.died.notified());
        // registers now, so that nothing is missed before the await
        died.as_mut().enable();
        if !self.is_dead() {
            died.await;
        }
    }

    /// As SIGSTOP.
    pub(crate) fn suspend(&self) {
        let mut inner = self.inner();
        if inner.life == Life::Runs {
            inner.life = Life::Suspended;
            inner.suspensions.push((Instant::now(), None));
        }
    }

    /// As SIGCONT. What it was to do meanwhile, it does now.
    pub(crate) fn go_on(&self) {
        let mut inner = self.inner();
        if inner.life == Life::Suspended {
            inner.life = Life::Runs;
            if let Some((_, went_on)) = inner.suspensions.last_mut() {
                *went_on = Some(Instant::now());
            }
            let waiting = std::mem::take(&mut inner.waiting);
            drop(inner);
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// The first moment, at this time or later, when it was not suspended; none if it still is.
    pub(crate) fn runs_from(&self, time: Instant) -> Option<Instant> {
        let inner = self.inner();
        let mut during = inner.suspensions.iter().filter(|(began, _)| *began <= time);
        match during.next_back() {
            Some((_, went_on)) => went_on.map(|went_on| went_on.max(time)),
            None => Some(time),
        }
    }

    /// It was told that its lease is renewed, which it had asked for at a time, so that it lasts until then.
    pub(crate) fn renewed(&self, until: Instant) {
        let (now, mut inner) = (Instant::now(), self.inner());
        if inner.lease.is_none_or(|until| until <= now) {
            inner.lease_began = Some(now);
        }
        inner.lease = inner.lease.max(Some(until));
    }

    /// It gives its lease up.
    pub(crate) fn gives_up_its_lease(&self) {
        self.inner().lease = None;
    }

    /// Until when it has its lease.
    pub(crate) fn lease(&self) -> Option<Instant> {
        self.inner().lease
    }

    /// True if it has its lease, and has had it without a gap since this time.
    pub(crate) fn has_kept_its_lease(&self, since: Instant) -> bool {
        let inner = self.inner();
        inner.lease.is_some_and(|until| until > Instant::now())
            && inner.lease_began.is_some_and(|began| began <= since)
    }

    /// Sets its wall clock forward, or back.
    pub(crate) fn set_clock(&self, by: i64) {
        self.inner().set += by;
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.inner();
        match inner.life {
            Life::Runs => Poll::Ready(()),
            Life::Suspended => {
                inner.waiting.push(cx.waker().clone());
                Poll::Pending
            }
            Life::Dead => Poll::Pending,
        }
    }

    /// Waits until the process runs; for ever once it is dead.
    pub(crate) async fn alive(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    /// Runs a future within the process.
    pub(crate) async fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| match self.poll(cx) {
            Poll::Ready(()) => future.as_mut().poll(cx),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// What its wall clock shows.
    pub(crate) fn now(&self) -> SystemTime {
        let (set, fast) = {
            let inner = self.inner();
            (inner.set, inner.fast)
        };
        let passed = i64::try_from(self.began.elapsed().as_millis()).unwrap();
        let shows = 2_000_000_000_000 + passed + passed * fast / 1000 + set;
        SystemTime::UNIX_EPOCH + Duration::from_millis(shows.try_into().unwrap())
    }
}

impl Gate for Process {
    fn poll_runs(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll(cx)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.id)
    }
}
