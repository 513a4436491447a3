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
//! `evidence` reads a log, `schedule` decides which suspect resumes when, and `simulation` tests both against
//! processes that are killed and sagas that kill.

mod evidence;
mod schedule;
#[cfg(test)]
mod simulation;

use std::iter;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::CoordinatorInner;
use super::stored::present;
use crate::clock::real_pause;
use crate::log::SagaId;
use crate::machine::Watch;
use crate::store::{SagaRecord, StoreError, StoredSaga};
pub(super) use evidence::crash_loop;
use evidence::{Evidence, evidence};
use schedule::{RandomNumbers, schedule};

/// How many sagas are loaded in one go.
const PAGE: usize = 128;
/// How long the sagas of a page may take to load before each is loaded alone.
const PAGE_LIMIT: Duration = Duration::from_secs(1);
/// How long a suspect may take to load alone before the others resume without it. It then resumes unwatched, whenever
/// it is loaded.
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
    /// Loads the sagas that were claimed, and tells each when to resume: all but the suspects at once.
    pub(super) async fn schedule_claimed(self: Arc<Self>, waiting: Vec<WaitingSaga>) {
        // a load that hangs does not delay a shutdown
        select(pin!(self.schedule_pages(waiting)), pin!(self.closed())).await;
    }

    async fn schedule_pages(&self, waiting: Vec<WaitingSaga>) {
        let mut waiting = waiting.into_iter();
        let pages = iter::from_fn(|| {
            let page = waiting.by_ref().take(PAGE).collect::<Vec<_>>();
            (!page.is_empty()).then_some(page)
        });
        // one page is read while the sagas of the one before begin
        let pages = stream::iter(pages).map(|page| self.load_page(page)).buffered(2);
        let mut pages = pin!(pages);
        let (mut suspects, mut late) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => {
                    for loaded in page {
                        suspects.extend(resume_or_suspect(loaded));
                    }
                }
                // the others load themselves
                Err(page) => late.extend(page.into_iter().filter(|waiting| waiting.was_running)),
            }
        }
        for loaded in join_all(late.into_iter().map(|waiting| self.load_alone(waiting))).await {
            suspects.extend(loaded.and_then(resume_or_suspect));
        }
        let (suspects, evidence): (Vec<_>, Vec<_>) = suspects.into_iter().unzip();
        let now = Instant::now();
        let mut random = RandomNumbers::new(uuid::Uuid::new_v4().as_u64_pair().0);
        let starts = schedule(&evidence, &mut random);
        for ((waiting, loaded), start) in suspects.into_iter().zip(starts) {
            let at = Some(now + start.after);
            waiting.resume(ScheduledResume { at, watch: start.watch, loaded });
        }
    }

    /// `Err` if that takes long, or panics: one of these sagas must not stop the others.
    async fn load_page(&self, page: Vec<WaitingSaga>) -> Result<Vec<Loaded>, Vec<WaitingSaga>> {
        let ids = page.iter().map(|waiting| waiting.id.clone()).collect();
        let load = AssertUnwindSafe(self.env.store.load_many(ids)).catch_unwind();
        match select(pin!(load), pin!(real_pause(PAGE_LIMIT))).await {
            Either::Left((Ok(loaded), _)) if loaded.len() == page.len() => {
                let with_saga = |(waiting, loaded): (WaitingSaga, _)| {
                    let loaded = present(&waiting.id, loaded);
                    (waiting, loaded)
                };
                Ok(page.into_iter().zip(loaded).map(with_saga).collect())
            }
            Either::Left(_) | Either::Right(_) => Err(page),
        }
    }

    /// `None` if that panics, or takes long.
    async fn load_alone(&self, waiting: WaitingSaga) -> Option<Loaded> {
        let load = AssertUnwindSafe(self.env.store.load(&waiting.id)).catch_unwind();
        match select(pin!(load), pin!(real_pause(SUSPECT_LIMIT))).await {
            Either::Left((Ok(loaded), _)) => {
                let loaded = present(&waiting.id, loaded);
                Some((waiting, loaded))
            }
            Either::Left((Err(_), _)) | Either::Right(_) => None,
        }
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
