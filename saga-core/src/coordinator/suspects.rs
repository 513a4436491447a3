//! Sagas that may be what kills the process: found out, run alone, and parked.
//!
//! A call that takes the process down is run again by the next one, and takes that down too. Which saga
//! it was cannot be told from one crash, for all that were in flight look alike. So those that have seen
//! one crash less than the limit without getting on in between are run one by one, before all others; the
//! one that is there at the next crash is parked.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select;
use tokio::sync::watch;

use super::Inner;
use crate::driver::{Events, is_progress};
use crate::log::{Entry, EntryKind, SagaId};
use crate::store::SagaRecord;

/// How long others wait for it to get on.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many processes in a row died while a call of this saga was in flight, without it getting on. A
/// handover in good order is no crash.
fn crashes(record: &SagaRecord, log: &[Entry]) -> usize {
    let since = log.iter().rev().take_while(|entry| !is_progress(&entry.kind));
    let begun = since.filter(|e| matches!(e.kind, EntryKind::Started | EntryKind::UndoStarted));
    let mut epochs = begun.map(|entry| entry.epoch).collect::<Vec<_>>();
    epochs.dedup();
    // the store counts claims without a release before them, also of sagas that did nothing
    epochs.len().min(record.attempts.saturating_sub(1) as usize)
}

/// Why a saga is parked instead of being run again, if it is.
pub(super) fn crash_loop(record: &SagaRecord, log: &[Entry], limit: u32) -> Option<String> {
    let crashes = crashes(record, log);
    (crashes >= limit as usize).then(|| {
        let open = log.iter().rev().take_while(|entry| !is_progress(&entry.kind));
        let open = open.filter(|e| matches!(e.kind, EntryKind::Started | EntryKind::UndoStarted));
        let mut nodes = open.filter_map(|entry| entry.node.clone()).collect::<Vec<_>>();
        nodes.sort();
        nodes.dedup();
        let nodes = nodes.iter().map(|node| format!("`{node}`")).collect::<Vec<_>>().join(", ");
        format!("the process died {crashes} times in a row while {nodes} was running")
    })
}

/// Whose turn it is: 0, 1, 2 … for the suspects, then everybody's.
#[derive(Clone)]
pub(super) struct Line(watch::Receiver<usize>);

impl Line {
    /// Waits until this place in line may go.
    pub(super) async fn turn(&mut self, place: usize) {
        // whoever calls the turns is gone: nobody need wait
        let _ = self.0.wait_for(|turn| *turn >= place).await;
    }
}

impl<C: Send + Sync + 'static> Inner<C> {
    /// True for a saga that was there whenever a process died, with a call in flight: one that only waited
    /// for its time would hold up the line for nothing.
    pub(super) async fn is_suspect(&self, record: &SagaRecord) -> bool {
        let enough = self.crash_limit.saturating_sub(1).max(1);
        // the creator counts as one, and the claim that is looked at here; so few logs are read for this
        if record.paused || record.attempts.saturating_sub(1) < enough {
            return false;
        }
        match self.env.store.load(&record.id).await {
            Ok(Some(stored)) => crashes(&stored.record, &stored.entries) >= enough as usize,
            // it will not run either
            Ok(None) | Err(_) => false,
        }
    }

    /// Lets suspects go one after the other, each when the one before has got on or had its time. The
    /// others stand behind the last. The future calls the turns, and must not run before the suspects
    /// are in the coordinator's list.
    pub(super) fn line_up(
        self: &Arc<Self>,
        suspects: Vec<SagaId>,
    ) -> (Line, impl Future<Output = ()> + Send + use<C>) {
        let (call, line) = watch::channel(0);
        let inner = self.clone();
        // before anything runs, so that no event is missed
        let mut watched = Vec::new();
        for id in suspects {
            watched.push((self.env.observers.events(Some(id.clone())), id));
        }
        let calls = async move {
            for (place, (events, id)) in watched.into_iter().enumerate() {
                call.send_replace(place);
                let got_on = select(Box::pin(gets_on(events)), Box::pin(inner.until_left(&id)));
                let _ = tokio::time::timeout(PATIENCE, got_on).await;
            }
            call.send_replace(usize::MAX);
        };
        (Line(line), calls)
    }
}

async fn gets_on(mut events: Events) {
    while let Some(event) = events.next().await {
        if event.is_ok_and(|event| event.progress) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Failure, FailureKind, Payload, Timestamp, Uuid};
    use crate::store::WorkerId;

    fn record(attempts: u32) -> SagaRecord {
        let owner = WorkerId::generate();
        SagaRecord { attempts, ..SagaRecord::new(SagaId::generate(), "Trip", owner, Timestamp(0)) }
    }

    fn log(kinds: impl IntoIterator<Item = (u64, EntryKind)>) -> Vec<Entry> {
        let entries = kinds.into_iter().enumerate().map(|(i, (epoch, kind))| Entry {
            seq: i as u64 + 1,
            epoch,
            at: Timestamp(0),
            node: Some("a".into()),
            attempt: 1,
            kind,
        });
        entries.collect()
    }

    #[test]
    fn crashes_are_counted_from_the_last_outcome_on() {
        use EntryKind::{Started, Succeeded};
        let created = || (1, EntryKind::Created { birth: Uuid::nil() });
        let four = log([created(), (1, Started), (2, Started), (3, Started)]);
        assert_eq!(crashes(&record(4), &four), 3);
        assert!(
            crash_loop(&record(4), &four, 3).unwrap().contains("3 times in a row while `a` was")
        );
        // handed over in good order in between
        assert_eq!(crashes(&record(2), &four), 1);
        let on = log([created(), (1, Started), (2, Started), (3, Succeeded(Payload::default()))]);
        assert_eq!(crashes(&record(4), &on), 0);
        // two at once in one life are one crash
        let both = log([created(), (1, Started), (1, Started), (2, Started), (2, Started)]);
        assert_eq!(crashes(&record(9), &both), 2);
        assert_eq!(crash_loop(&record(9), &both, 3), None);
    }

    #[test]
    fn a_bystander_that_did_not_run_is_not_counted() {
        let failure = Failure::new(FailureKind::Failed, "no");
        let waits = log([(1, EntryKind::Started), (1, EntryKind::Failed(failure))]);
        assert_eq!(crashes(&record(10), &waits), 0);
    }
}
