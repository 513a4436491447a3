//! Sagas that may be what kills the process: watched, found out, and parked.
//!
//! A call that takes the process down is run again by the next one, and takes that down too. Which saga it
//! was cannot be told from one crash, for all that had a call in flight look alike; and a process that is
//! killed from outside, however often, is nobody's fault. So after a crash the sagas that were running are
//! *suspects*. They begin one after the other, and each is watched for a short time from its first call on;
//! its log says so (`suspected`), and when it has lived through that time (`cleared`). The others don't
//! wait at all.
//!
//! * A process that dies while some are watched leaves only those as suspects; in a few crashes there is one.
//! * One that is left alone begins at a random moment of some range. Only then does a crash within its
//!   watch count against it. A kill from outside, at whatever moment, falls into the watch with the
//!   probability *watch / range* at most; a saga that kills falls into it always.
//! * What did not run when the process died, or had been cleared, or got on, did not do it: its count
//!   begins anew. A cleared one that was running all the same is watched four times as long the next time,
//!   and more crashes must count against it, for a longer watch says less.
//!
//! `line_up` says who begins when. The tests in `simulated` run both ends through these very functions.

mod evidence;
mod schedule;
#[cfg(test)]
mod simulation;

use std::sync::Arc;

use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::CoordinatorInner;
use crate::log::SagaId;
use crate::machine::Watch;
use crate::store::SagaRecord;
pub(super) use evidence::crash_loop;
use evidence::{Evidence, evidence};
use schedule::{RandomNumbers, line_up};

/// How many logs are read at once.
const READS: usize = 32;

/// When a saga goes on, and how it is watched.
pub(super) struct ScheduledResume {
    pub(super) at: Instant,
    pub(super) watch: Option<Watch>,
}

/// A saga that waits to hear when it goes on.
pub(super) struct WaitingSuspect {
    id: SagaId,
    turn: oneshot::Sender<ScheduledResume>,
}

/// A place in the line, for one that was running, or asleep, when its process died; none for the others.
pub(super) fn stand_in_line(
    record: &SagaRecord,
    line: &mut Vec<WaitingSuspect>,
) -> Option<oneshot::Receiver<ScheduledResume>> {
    // the claim that is looked at here counts as one; one that is paused calls nothing
    (record.attempts > 1 && !record.paused).then(|| {
        let (turn, comes) = oneshot::channel();
        line.push(WaitingSuspect { id: record.id.clone(), turn });
        comes
    })
}

/// WaitingSuspect for the turn, if there is a line; then how the saga is watched. None if it never comes.
pub(super) async fn comes(
    turn: Option<oneshot::Receiver<ScheduledResume>>,
) -> Option<Option<Watch>> {
    let Some(turn) = turn else { return Some(None) };
    let ScheduledResume { at, watch } = turn.await.ok()?;
    tokio::time::sleep_until(at).await;
    Some(watch)
}

impl<C: Send + Sync + 'static> CoordinatorInner<C> {
    /// Tells everyone in the line when to go on.
    pub(super) async fn call_turns(self: Arc<Self>, line: Vec<WaitingSuspect>) {
        let inner = &self;
        let looked = line.into_iter().map(|waits| async move {
            let found = inner.evidence(&waits.id).await;
            (waits.turn, found)
        });
        let mut looked = futures_util::stream::iter(looked).buffer_unordered(READS);
        let mut suspects = Vec::new();
        while let Some((turn, found)) = looked.next().await {
            if self.is_closing() {
                return;
            }
            match found {
                Some(evidence) => suspects.push((turn, evidence)),
                // one that only waits for its time holds nobody up. Whoever waits may have gone away.
                None => drop(turn.send(ScheduledResume { at: Instant::now(), watch: None })),
            }
        }
        let (turns, evidence): (Vec<_>, Vec<_>) = suspects.into_iter().unzip();
        let now = Instant::now();
        let mut dice = RandomNumbers::new(uuid::Uuid::new_v4().as_u64_pair().0);
        for (turn, place) in turns.into_iter().zip(line_up(&evidence, &mut dice)) {
            let _ = turn.send(ScheduledResume { at: now + place.after, watch: place.watch });
        }
    }

    async fn evidence(&self, id: &SagaId) -> Option<Evidence> {
        // one whose log cannot be read will not run either, and says why itself
        let stored = self.env.store.load(id).await.ok()??;
        evidence(&stored.record, &stored.entries)
    }
}
