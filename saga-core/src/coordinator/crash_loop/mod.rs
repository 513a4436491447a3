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

use std::sync::Arc;

use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::CoordinatorInner;
use super::stored::read;
use crate::log::SagaId;
use crate::machine::Watch;
use crate::store::SagaRecord;
pub(super) use evidence::crash_loop;
use evidence::{Evidence, evidence};
use schedule::{RandomNumbers, schedule};

/// How many logs are read at once.
const READS: usize = 32;

/// When a saga resumes, and how it is watched.
pub(super) struct ScheduledResume {
    pub(super) at: Instant,
    pub(super) watch: Option<Watch>,
}

/// A saga that waits to be told when to resume.
pub(super) struct WaitingSuspect {
    id: SagaId,
    scheduled: oneshot::Sender<ScheduledResume>,
}

/// Lines a saga up if it was running, or waiting for its time, when its process died; `None` for the others.
pub(super) fn join_line_up(
    record: &SagaRecord,
    line_up: &mut Vec<WaitingSuspect>,
) -> Option<oneshot::Receiver<ScheduledResume>> {
    // this claim counts as one; a paused saga calls nothing
    (record.attempts > 1 && !record.paused).then(|| {
        let (scheduled, receiver) = oneshot::channel();
        line_up.push(WaitingSuspect { id: record.id.clone(), scheduled });
        receiver
    })
}

/// Waits until a saga may resume, and says how it is watched. `None` if that time never comes.
pub(super) async fn resume_time(
    scheduled: Option<oneshot::Receiver<ScheduledResume>>,
) -> Option<Option<Watch>> {
    let Some(scheduled) = scheduled else { return Some(None) };
    let ScheduledResume { at, watch } = scheduled.await.ok()?;
    tokio::time::sleep_until(at).await;
    Some(watch)
}

impl CoordinatorInner {
    /// Reads the logs of the suspects that were lined up, and tells each when to resume.
    pub(super) async fn schedule_suspects(self: Arc<Self>, line_up: Vec<WaitingSuspect>) {
        let inner = &self;
        let read = line_up.into_iter().map(|waiting| async move {
            let found = inner.evidence(&waiting.id).await;
            (waiting.scheduled, found)
        });
        let mut read = futures_util::stream::iter(read).buffer_unordered(READS);
        let mut suspects = Vec::new();
        while let Some((scheduled, found)) = read.next().await {
            if self.is_closing() {
                return;
            }
            match found {
                Some(evidence) => suspects.push((scheduled, evidence)),
                // it was only waiting for its time. The receiver may be gone.
                None => drop(scheduled.send(ScheduledResume { at: Instant::now(), watch: None })),
            }
        }
        let (senders, evidence): (Vec<_>, Vec<_>) = suspects.into_iter().unzip();
        let now = Instant::now();
        let mut random = RandomNumbers::new(uuid::Uuid::new_v4().as_u64_pair().0);
        for (scheduled, start) in senders.into_iter().zip(schedule(&evidence, &mut random)) {
            let _ = scheduled.send(ScheduledResume { at: now + start.after, watch: start.watch });
        }
    }

    async fn evidence(&self, id: &SagaId) -> Option<Evidence> {
        // a saga whose log cannot be read will not run either, and its own task reports why
        let stored = read(&*self.env.store, id).await.ok()?;
        evidence(&stored.record, &stored.entries)
    }
}
