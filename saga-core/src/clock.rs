//! The wall clock, and waits that go by it.
//!
//! There are two clocks. The *wall clock* gives the times in logs and records, and decides when a deadline has
//! passed; it can be set forward and back, and runs on while the machine sleeps. Tokio's clock does neither, but
//! a test can pause it, and the wall clock that sagas see then follows it.

use std::thread;
use std::time::{Duration, Instant as RealInstant, SystemTime, UNIX_EPOCH};

use futures_util::future::select;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ambient::{simulated_time, system_time, watch};
use crate::log::Timestamp;

/// How often to check whether the wall clock was set.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// A smaller step, in milliseconds, is an ordinary correction of the clock.
const JUMP: i64 = 100;
/// What happens within this time, in a log of milliseconds, happens at one time.
const AT_ONCE: Duration = Duration::from_micros(500);

pub(crate) type Wall = dyn Fn() -> SystemTime + Send + Sync;

/// The wall clock.
pub(crate) struct Clock {
    /// A replacement for the system's clock.
    given: Option<Box<Wall>>,
    /// The system's clock, and tokio's, when this one was made.
    base: SystemTime,
    start: Instant,
    /// Notified when the wall clock was set.
    jumps: watch::Sender<()>,
}

/// What one task knows of the clocks. To read a clock takes a while, so a task reads it only after it has slept or
/// has run users' code.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClockView {
    /// By how many milliseconds the wall clock is ahead of tokio's. Unknown before the first look.
    lead: Option<i64>,
    /// What the wall clock showed at the last look, and when that was, unless the task has slept since: where a test
    /// has paused tokio's clock, any time may pass while a task sleeps.
    seen: Option<(RealInstant, Timestamp)>,
    /// When the real clock was last read, if that still counts.
    read: Option<RealInstant>,
}

impl ClockView {
    /// The time by a clock that no test can pause.
    pub(crate) fn instant(&mut self) -> RealInstant {
        *self.read.get_or_insert_with(RealInstant::now)
    }

    /// Time may have passed: the task has run users' code.
    pub(crate) fn expire(&mut self) {
        self.read = None;
    }

    /// The task is about to sleep.
    pub(crate) fn sleeps(&mut self) {
        self.expire();
        self.seen = None;
    }
}

impl Clock {
    pub(crate) fn new(given: Option<Box<Wall>>) -> Self {
        Self { given, base: system_time(), start: Instant::now(), jumps: watch::channel(()).0 }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.read().0
    }

    /// The time, and by how many milliseconds the clock was set forward (back if negative) since this holder
    /// last looked.
    pub(crate) fn look(&self, view: &mut ClockView) -> (Timestamp, Option<i64>) {
        // a saga whose calls and store are quick looks often, and reading both clocks takes a while
        if let Some((before, now)) = view.seen
            && self.given.is_none()
            && view.instant().checked_duration_since(before).is_some_and(|since| since < AT_ONCE)
        {
            return (now, None);
        }
        if let Some(before) = view.lead {
            let began = view.instant();
            let (now, at) = self.read();
            view.seen = Some((began, now));
            if self.ahead(now, at).saturating_sub(before).abs() < JUMP {
                return (now, None);
            }
        }
        let (now, ahead) = self.read_exactly();
        let set = view.lead.map_or(0, |before| ahead.saturating_sub(before));
        if set.abs() < JUMP {
            view.lead.get_or_insert(ahead);
            return (now, None);
        }
        view.lead = Some(ahead);
        (now, Some(set))
    }

    /// The time by the wall clock, and a time by tokio's just before it.
    fn read(&self) -> (Timestamp, Instant) {
        let real = RealInstant::now();
        let at = Instant::now();
        let wall = match &self.given {
            Some(given) => given(),
            None if is_set_apart(at, real) => self.base + at.duration_since(self.start),
            None => system_time(),
        };
        (Timestamp(0).after(wall.duration_since(UNIX_EPOCH).unwrap_or_default()), at)
    }

    /// The time by the wall clock, and by how many milliseconds it is ahead of tokio's.
    fn read_exactly(&self) -> (Timestamp, i64) {
        let mut tries = 0;
        loop {
            let (now, at) = self.read();
            tries += 1;
            // a thread that is preempted between reading the two clocks would see a jump
            if at.elapsed() < Duration::from_millis(10) || tries == 10 {
                return (now, self.ahead(now, at));
            }
        }
    }

    fn ahead(&self, now: Timestamp, at: Instant) -> i64 {
        let elapsed = at.duration_since(self.start).as_millis();
        let ahead = i128::from(now.0) - elapsed.cast_signed();
        i64::try_from(ahead).unwrap_or(i64::MAX)
    }

    /// Ready at this time, or when the clock was set; the caller must check the time again.
    pub(crate) fn until(&self, time: Timestamp) -> impl Future<Output = ()> + Send + 'static {
        // a wait is cut into years
        let year = 365 * 24 * 3600 * 1000;
        let wait = time.0.saturating_sub(self.now().0).min(year);
        let sleep = tokio::time::sleep(Duration::from_millis(wait));
        let mut jumps = self.jumps.subscribe();
        async move {
            let jumped = async {
                if jumps.changed().await.is_err() {
                    // the clock is gone, so it never jumps again
                    std::future::pending().await
                }
            };
            select(Box::pin(sleep), std::pin::pin!(jumped)).await;
        }
    }

    /// Wakes everything that waits for a time when the clock was set. Never ends.
    pub(crate) async fn watch(&self) {
        let mut view = ClockView::default();
        self.look(&mut view);
        loop {
            if self.given.is_none() && is_paused() {
                // it follows tokio's clock, and cannot be set
                std::future::pending().await
            }
            tokio::time::sleep(CHECK_INTERVAL).await;
            view.sleeps();
            if self.look(&mut view).1.is_some() {
                self.jumps.send_replace(());
            }
        }
    }
}

/// The time since some moment in the past, by a clock that nobody sets and that runs on while the machine is suspended.
///
/// Only Linux's needs a library; without the feature `postgres`, no store of this crate asks.
pub(crate) fn with_suspends() -> Duration {
    if let Some(simulated) = simulated_time() {
        return simulated;
    }
    #[cfg(all(feature = "postgres", any(target_os = "linux", target_os = "android")))]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
    }
    #[cfg(not(all(feature = "postgres", any(target_os = "linux", target_os = "android"))))]
    {
        // the wall clock counts suspends; that it may be set is the lesser evil
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// Sleeps by the system's clock, even where a test has paused tokio's: for waits for another process.
pub(crate) async fn real_pause(time: Duration) {
    // the other processes of a simulation go by its clock, too
    if !is_paused() || simulated_time().is_some() {
        return tokio::time::sleep(time).await;
    }
    let (over, waits) = oneshot::channel();
    // a blocking task would keep tokio's paused clock from advancing
    let sleeper = thread::Builder::new().name("saga-pause".to_string()).spawn(move || {
        thread::sleep(time);
        // the waiting future may have been dropped
        let _ = over.send(());
    });
    match sleeper {
        Ok(_) => drop(waits.await),
        Err(_) => tokio::time::sleep(time).await,
    }
}

/// True if tokio's clock is not the system's.
pub(crate) fn is_paused() -> bool {
    if simulated_time().is_some() {
        return true;
    }
    let real = RealInstant::now();
    is_set_apart(Instant::now(), real)
}

/// True if this time by tokio's clock, which was read right after the system's, is not the system's.
fn is_set_apart(at: Instant, real: RealInstant) -> bool {
    at.into_std() < real || Instant::now() == at && stands_still(at)
}

/// True if tokio's clock still shows this time though the system's has moved on. A paused clock may show the same time as the
/// system's, or one that is ahead of it, so comparing the two would not do.
fn stands_still(at: Instant) -> bool {
    let before = RealInstant::now();
    while RealInstant::now() == before {
        std::hint::spin_loop();
    }
    Instant::now() == at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_that_passes_while_a_task_sleeps_is_seen_at_once() {
        let (clock, mut view) = (Clock::new(None), ClockView::default());
        clock.look(&mut view);
        let (before, _) = clock.look(&mut view);
        assert_eq!(clock.look(&mut view), (before, None), "nothing has happened since");
        view.sleeps();
        tokio::time::advance(Duration::from_secs(3600)).await;
        let (after, set) = clock.look(&mut view);
        assert!((3_600_000..3_601_000).contains(&(after.0 - before.0)), "{before:?}, {after:?}");
        assert_eq!(set, None, "a paused clock that advances was not set");
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_is_recognized_also_when_the_system_clock_shows_the_same_time() {
        let began = RealInstant::now();
        tokio::time::advance(Duration::from_millis(2)).await;
        while began.elapsed() < Duration::from_millis(5) {
            assert!(is_paused(), "{:?} after the clock was paused", began.elapsed());
        }
    }

    #[tokio::test]
    async fn a_clock_that_runs_is_not_taken_for_a_paused_one() {
        let began = RealInstant::now();
        while began.elapsed() < Duration::from_millis(5) {
            assert!(!is_paused());
        }
    }
}
