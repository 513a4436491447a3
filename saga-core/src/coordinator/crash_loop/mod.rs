//! Crash loops: finding the saga that kills its process, and parking it.
//!
//! A call that takes the process down is run again by the next process, and takes that down too. One crash
//! does not tell which saga it was, since all sagas with a call in flight look alike; and a process that is
//! killed from outside, however often, is no saga's fault. So after a crash the sagas that were running are
//! *suspects*. They resume one after the other, and each is watched for a short time from its first call on.
//! Its log records the start of that watch (`suspected`) and its end (`cleared`). All other sagas resume at
//! once.
//!
//! * A process that dies during some watches leaves only the watched sagas as suspects; after a few crashes
//!   one is left.
//! * The last suspect resumes at a random moment of a range, and only then does a crash within its watch
//!   count against it. A kill from outside falls into the watch with a probability of at most
//!   *watch / range*; a saga that kills its process always does.
//! * A saga that was not running when the process died, had been cleared, or made progress is not to blame,
//!   and its count starts anew. A saga that had been cleared and was still running is watched four times as
//!   long the next time, and more crashes must count against it, since a longer watch says less.
//!
//! `pages` loads the logs, `evidence` reads one, and `schedule` decides which suspect resumes when. `simulation` tests
//! the last two against processes that are killed and sagas that kill.

mod evidence;
mod pages;
mod schedule;
#[cfg(test)]
mod simulation;

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::select;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::CoordinatorInner;
use super::stored::present;
use crate::ambient::random_number;
use crate::log::SagaId;
use crate::machine::Watch;
use crate::store::{SagaRecord, StoreError, StoredSaga};
pub(super) use evidence::crash_loop;
use evidence::{Evidence, evidence};
pub(super) use pages::ClaimedPages;
use pages::all_that_come;
use schedule::{RandomNumbers, schedule};

/// How long nothing may come of suspects that are loaded alone, before those that were loaded resume. The others resume
/// unwatched, whenever they are loaded.
const SUSPECT_LIMIT: Duration = Duration::from_secs(10);

/// A saga and what was loaded of it.
type Loaded = (WaitingSaga, Result<StoredSaga, StoreError>);

/// Tells a saga that waits when to resume.
pub(super) type Scheduled = oneshot::Receiver<Box<ScheduledResume>>;

/// When a saga resumes, how it is watched, and what was loaded of it.
pub(super) struct ScheduledResume {
    /// `None`: at once.
    at: Option<Instant>,
    pub(super) watch: Option<Watch>,
    pub(super) loaded: Result<StoredSaga, StoreError>,
}

/// A saga that was claimed, and waits to be told when to resume.
pub(super) struct WaitingSaga {
    id: SagaId,
    /// True if it was running, or waiting for its time, when its process died.
    was_running: bool,
    scheduled: oneshot::Sender<Box<ScheduledResume>>,
}

impl WaitingSaga {
    pub(super) fn new(record: &SagaRecord) -> (Self, Scheduled) {
        let (scheduled, receiver) = oneshot::channel();
        // this claim counts as one; a paused saga calls nothing
        let was_running = record.attempts > 1 && !record.paused;
        (Self { id: record.id.clone(), was_running, scheduled }, receiver)
    }

    fn evidence(&self, loaded: &Result<StoredSaga, StoreError>) -> Option<Evidence> {
        // a saga whose log cannot be read will not run either, and its own task reports why
        let stored = loaded.as_ref().ok().filter(|_| self.was_running)?;
        evidence(&stored.record, &stored.entries)
    }

    fn resume(self, resume: ScheduledResume) {
        // a saga that was asked for something has not waited
        let _ = self.scheduled.send(Box::new(resume));
    }
}

/// Waits until a saga may resume. `None` if it is to be loaded by its own task, because it could not be loaded with
/// others.
pub(super) async fn resume_time(scheduled: Scheduled) -> Option<Box<ScheduledResume>> {
    let resume = scheduled.await.ok()?;
    if let Some(at) = resume.at {
        tokio::time::sleep_until(at).await;
    }
    Some(resume)
}

impl CoordinatorInner {
    /// Tells each saga that was claimed when to resume, once it is loaded: all but the suspects at once. A saga that was
    /// claimed and does not wait has `None`.
    pub(super) async fn schedule_claimed(
        self: Arc<Self>,
        waiting: Vec<Option<WaitingSaga>>,
        pages: ClaimedPages,
    ) {
        // a load that hangs does not delay a shutdown
        select(pin!(self.schedule_pages(waiting, pages)), pin!(self.closed())).await;
    }

    async fn schedule_pages(&self, waiting: Vec<Option<WaitingSaga>>, mut pages: ClaimedPages) {
        let mut waiting = waiting.into_iter();
        let (mut suspects, mut late) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().await {
            let sagas = waiting.by_ref().take(page.count);
            match page.loaded {
                Some(loaded) => {
                    for (waiting, loaded) in sagas.zip(loaded) {
                        let Some(waiting) = waiting else { continue };
                        let loaded = present(&waiting.id, loaded);
                        suspects.extend(resume_or_suspect((waiting, loaded)));
                    }
                }
                // the others load themselves
                None => late.extend(sagas.flatten().filter(|waiting| waiting.was_running)),
            }
        }
        let late = late.into_iter().map(|waiting| self.load_alone(waiting));
        for loaded in all_that_come(late, SUSPECT_LIMIT).await {
            suspects.extend(loaded.and_then(resume_or_suspect));
        }
        let (suspects, evidence): (Vec<_>, Vec<_>) = suspects.into_iter().unzip();
        let now = Instant::now();
        let mut random = RandomNumbers::new(random_number());
        let starts = schedule(&evidence, &mut random);
        for ((waiting, loaded), start) in suspects.into_iter().zip(starts) {
            let at = Some(now + start.after);
            waiting.resume(ScheduledResume { at, watch: start.watch, loaded });
        }
    }

    /// `None` if that panics.
    async fn load_alone(&self, waiting: WaitingSaga) -> Option<Loaded> {
        let _place = self.places_to_load(1).await;
        let load = AssertUnwindSafe(async { self.env.store.load(&waiting.id).await });
        let loaded = present(&waiting.id, load.catch_unwind().await.ok()?);
        Some((waiting, loaded))
    }
}

/// Tells a saga to resume now, unless it is a suspect.
fn resume_or_suspect((waiting, loaded): Loaded) -> Option<(Loaded, Evidence)> {
    match waiting.evidence(&loaded) {
        Some(evidence) => Some(((waiting, loaded), evidence)),
        None => {
            waiting.resume(ScheduledResume { at: None, watch: None, loaded });
            None
        }
    }
}
