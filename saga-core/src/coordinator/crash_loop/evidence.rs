//! What a saga's log says about the crashes that it went through.

use std::time::Duration;

use crate::log::{Entry, NodeEntry, SagaEntry};
use crate::store::SagaRecord;

/// How long a suspect is watched, by how often it was cleared since it last made progress. A saga that takes
/// longer than the last of these to kill its process cannot be told from one that merely dies with it.
pub(super) const WATCHES: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(320),
    Duration::from_millis(1_280),
    Duration::from_millis(5_120),
];

/// What to do about a saga that kills its process.
const ADVICE: &str = "deploy a program that survives it and unpark the saga, or cancel it";

/// What is known about a saga that was running when a process died, and has made no progress since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Evidence {
    /// What it was doing when the last process died.
    pub(super) last: CrashState,
    /// How many crashes in a row count against it.
    pub(super) crashes: u32,
    /// Which of [`WATCHES`] applies next.
    pub(super) level: usize,
}

/// What a saga was doing when the process died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CrashState {
    /// It had not started a call.
    Absent,
    /// It was running unwatched.
    Unwatched,
    /// It was being watched.
    Watched,
    /// It was running, and had outlived its watch.
    Cleared,
}

/// The evidence against a saga that was just claimed; `None` if it was not running at a crash.
pub(super) fn evidence(record: &SagaRecord, log: &[Entry]) -> Option<Evidence> {
    // the store counts claims without a release before them, this one included; an orderly handover is no
    // crash
    if record.attempts <= 1 {
        return None;
    }
    let progress = log.iter().rposition(|entry| entry.kind.is_progress());
    let since = log.get(progress.map_or(0, |i| i + 1)..).unwrap_or_default();
    since.iter().find(|entry| is_start(entry))?;
    let cleared =
        since.iter().filter(|entry| entry.saga_entry() == Some(&SagaEntry::Cleared)).count();
    let died = since.iter().filter(|entry| entry.epoch.checked_add(1) == Some(record.epoch));
    let (mut last, mut crashes) = (CrashState::Absent, 0);
    let mut suspected = None;
    for entry in died {
        match entry.saga_entry() {
            Some(&SagaEntry::Suspected { crashes, alone }) => suspected = Some((crashes, alone)),
            Some(SagaEntry::Cleared) => (last, crashes) = (CrashState::Cleared, 0),
            Some(_) | None if is_start(entry) && last == CrashState::Absent => match suspected {
                None => last = CrashState::Unwatched,
                Some((before, alone)) => {
                    last = CrashState::Watched;
                    crashes = before.saturating_add(alone.into());
                }
            },
            Some(_) | None => {}
        }
    }
    Some(Evidence { last, crashes, level: cleared.min(WATCHES.len() - 1) })
}

fn is_start(entry: &Entry) -> bool {
    entry.node_entry().is_some_and(NodeEntry::is_start)
}

impl Evidence {
    pub(super) fn watch(&self) -> Duration {
        WATCHES.get(self.level).copied().unwrap_or_default()
    }

    /// A longer watch says less, so it takes more crashes.
    fn is_enough(&self, limit: u32) -> bool {
        let level = u32::try_from(self.level).unwrap_or(u32::MAX);
        self.crashes >= limit.saturating_mul(level.saturating_add(1))
    }
}

/// Why a saga is parked instead of being run again, if it must be.
pub(crate) fn crash_loop(record: &SagaRecord, log: &[Entry], limit: u32) -> Option<String> {
    let found = evidence(record, log)?;
    found.is_enough(limit).then(|| {
        let open = log.iter().rev().take_while(|entry| !entry.kind.is_progress());
        let open = open.filter(|entry| is_start(entry));
        let mut nodes = open.filter_map(|entry| entry.node().cloned()).collect::<Vec<_>>();
        nodes.sort();
        nodes.dedup();
        let nodes = nodes.iter().map(|node| format!("`{node}`")).collect::<Vec<_>>().join(", ");
        let (crashes, watch) = (found.crashes, found.watch());
        format!(
            "the process died {crashes} times in a row within {watch:?} after {nodes} began; {ADVICE}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{
        EntryKind, Failure, FailureKind, NodeEntry, Payload, SagaEntry, SagaId, Timestamp, Uuid,
    };
    use crate::store::WorkerId;

    fn record(attempts: u32, epoch: u64) -> SagaRecord {
        let owner = WorkerId::generate();
        let record = SagaRecord::new(SagaId::generate(), "Trip", owner, Timestamp(0));
        SagaRecord { attempts, epoch, ..record }
    }

    fn log(kinds: impl IntoIterator<Item = (u64, EntryKind)>) -> Vec<Entry> {
        let entries = kinds.into_iter().enumerate().map(|(i, (epoch, kind))| Entry {
            seq: i as u64 + 1,
            epoch,
            at: Timestamp(0),
            kind,
        });
        entries.collect()
    }

    fn suspected(crashes: u32, alone: bool) -> EntryKind {
        SagaEntry::Suspected { crashes, alone }.into()
    }

    fn started() -> EntryKind {
        NodeEntry::Started.about("a", 1)
    }

    fn cleared() -> EntryKind {
        SagaEntry::Cleared.into()
    }

    fn is(last: CrashState, crashes: u32, level: usize) -> Option<Evidence> {
        Some(Evidence { last, crashes, level })
    }

    #[test]
    fn a_crash_counts_against_one_that_was_watched_alone() {
        let created = || {
            (
                1,
                SagaEntry::Created { run_key: Uuid::nil(), traceparent: None, starts_at: None }
                    .into(),
            )
        };
        let first = [created(), (1, started())];
        assert_eq!(evidence(&record(2, 2), &log(first.clone())), is(CrashState::Unwatched, 0, 0));
        let with_others =
            first.clone().into_iter().chain([(2, suspected(0, false)), (2, started())]);
        let with_others = with_others.collect::<Vec<_>>();
        assert_eq!(
            evidence(&record(3, 3), &log(with_others.clone())),
            is(CrashState::Watched, 0, 0)
        );
        let alone = with_others.into_iter().chain([(3, suspected(0, true)), (3, started())]);
        let mut alone = log(alone);
        assert_eq!(evidence(&record(4, 4), &alone), is(CrashState::Watched, 1, 0));
        assert_eq!(crash_loop(&record(4, 4), &alone, 2), None);
        assert!(crash_loop(&record(4, 4), &alone, 1).unwrap().contains("1 times in a row"));
        // it did not run when the process died once more
        assert_eq!(evidence(&record(5, 5), &alone), is(CrashState::Absent, 0, 0));
        // handed over in good order
        assert_eq!(evidence(&record(1, 4), &alone), None);
        // two calls at once are one crash
        alone.extend(log([(3, started())]));
        assert_eq!(evidence(&record(4, 4), &alone), is(CrashState::Watched, 1, 0));
        alone.extend(log([(3, NodeEntry::Succeeded(Payload::default()).about("a", 1))]));
        assert_eq!(evidence(&record(2, 4), &alone), None);
    }

    #[test]
    fn one_that_was_cleared_is_watched_for_longer_and_must_do_more() {
        let entries = [
            (1, started()),
            (2, suspected(2, true)),
            (2, started()),
            (2, cleared()),
            (3, started()),
        ];
        let one = log(entries.clone().into_iter().take(4));
        assert_eq!(evidence(&record(3, 3), &one), is(CrashState::Cleared, 0, 1));
        assert_eq!(evidence(&record(4, 4), &log(entries)), is(CrashState::Unwatched, 0, 1));
        let five = [(1, cleared()), (1, suspected(4, true)), (1, started())];
        assert_eq!(crash_loop(&record(2, 2), &log(five), 3), None);
        let six = [(1, cleared()), (2, suspected(5, true)), (2, started())];
        let reason = "the process died 6 times in a row within 80ms after `a` began; deploy a program that survives it and \
                      unpark the saga, or cancel it";
        assert_eq!(crash_loop(&record(3, 3), &log(six), 3).as_deref(), Some(reason));
    }

    #[test]
    fn one_that_only_waits_is_no_suspect() {
        let failure = Failure::new(FailureKind::Failed, "no");
        let waits = log([
            (1, started()),
            (1, NodeEntry::Failed(failure.into()).about("a", 1)),
            (1, NodeEntry::RetryScheduled { at: Timestamp(9) }.about("a", 1)),
        ]);
        assert_eq!(evidence(&record(10, 2), &waits), None);
    }
}
