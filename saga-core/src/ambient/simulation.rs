//! A simulation: what is random follows from a seed, and every clock follows tokio's, which a test has paused.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use uuid::{Builder, Uuid};

/// When a simulation begins, since the Unix epoch.
const BEGAN: Duration = Duration::from_secs(2_000_000_000);

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// The simulation of this thread.
struct Current {
    began: Instant,
    random: u64,
    hashing: u64,
    /// How many UUIDs by time there were.
    by_time: u32,
}

impl Current {
    /// The next pseudorandom number (splitmix64).
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn passed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.began)
    }
}

/// As long as it exists, everything that the library does on this thread is simulated.
///
/// Begin it inside a current-thread runtime whose clock is paused.
#[derive(Debug)]
#[must_use = "the simulation ends when this is dropped"]
pub struct Simulation(());

impl Simulation {
    /// Begins the simulation of this thread with this seed, in place of any that it has.
    pub fn begin(seed: u64) -> Self {
        let mut current = Current { began: Instant::now(), random: seed, hashing: 0, by_time: 0 };
        current.hashing = current.next();
        CURRENT.set(Some(current));
        Self(())
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

fn with<T>(ask: impl FnOnce(&mut Current) -> T) -> Option<T> {
    CURRENT.with_borrow_mut(|current| current.as_mut().map(ask))
}

pub(super) fn random_uuid() -> Option<Uuid> {
    with(|current| Uuid::from_u64_pair(current.next(), current.next()))
        .map(|uuid| Builder::from_random_bytes(uuid.into_bytes()).into_uuid())
}

pub(super) fn uuid_by_time() -> Option<Uuid> {
    with(|current| {
        let millis = (BEGAN + current.passed()).as_millis();
        current.by_time += 1;
        let mut random = [0; 10];
        // the first bytes lose bits to the version and the variant
        random[3..7].copy_from_slice(&current.by_time.to_be_bytes());
        random[7..].copy_from_slice(&current.next().to_be_bytes()[..3]);
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    })
}

pub(super) fn system_time() -> Option<SystemTime> {
    passed().map(|passed| SystemTime::UNIX_EPOCH + BEGAN + passed)
}

/// The time since the simulation began.
pub(super) fn passed() -> Option<Duration> {
    with(|current| current.passed())
}

/// How maps hash: as the seed says, or at random where nothing is simulated.
#[derive(Clone)]
pub(crate) struct HashOrder {
    simulated: Option<u64>,
    random: RandomState,
}

impl Default for HashOrder {
    fn default() -> Self {
        Self { simulated: with(|current| current.hashing), random: RandomState::new() }
    }
}

impl BuildHasher for HashOrder {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let Some(seed) = self.simulated else { return self.random.build_hasher() };
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(seed);
        hasher
    }
}

/// Whether a simulated process runs.
pub trait Gate: Send + Sync + 'static {
    /// Ready while the process runs. Otherwise the task is woken once it runs again.
    fn poll_runs(&self, cx: &mut Context<'_>) -> Poll<()>;
}

pin_project! {
    /// A task of a simulated process, which is polled only while that runs.
    pub(crate) struct Gated<F> {
        pub(crate) gate: Option<Arc<dyn Gate>>,
        #[pin]
        pub(crate) future: F,
    }
}

impl<F: Future> Future for Gated<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.gate.as_ref().map_or(Poll::Ready(()), |gate| gate.poll_runs(cx)) {
            Poll::Ready(()) => this.future.poll(cx),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl fmt::Debug for dyn Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}
