//! Which sagas a store lists, purges and claims.

use std::collections::BTreeMap;

use super::{SagaRecord, SagaVersion, WorkerId};
use crate::log::{SagaId, SagaStatus, Timestamp};
use crate::planted::{Mistake, planted};

/// Selects the sagas that [`Store::list`](super::Store::list) returns. A saga must match every field that is
/// set. The list is ordered by id.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::SagaStatus;
/// use saga_core::store::ListFilter;
/// # #[saga_action(no_undo)]
/// # async fn greet(name: &str) -> Result<String, String> {
/// #     if name.is_empty() { Err("nobody is there".into()) } else { Ok(format!("hello {name}")) }
/// # }
/// # saga! { Greet<()>(name: String) -> String { greet { name } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Greet>().build().await?;
/// sec.saga(Greet { name: "Ada".into() }).id("greet-1").start().await?.await?;
/// let statuses = vec![SagaStatus::Stuck];
/// assert!(sec.list(ListFilter { statuses, ..ListFilter::default() }).await?.is_empty());
/// let all = sec.list(ListFilter::default()).await?;
/// assert_eq!(all.iter().map(|saga| saga.id.as_str()).collect::<Vec<_>>(), ["greet-1"]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only sagas with one of these statuses; if empty, any status.
    pub statuses: Vec<SagaStatus>,
    /// Only sagas that are parked (`true`) or not parked (`false`). A parked saga has not ended; it waits for
    /// an operator.
    pub parked: Option<bool>,
    /// Only sagas that an operator has paused (`true`), or that are not paused (`false`).
    pub paused: Option<bool>,
    /// Only sagas that are [suspended](SagaRecord::suspended) until their time comes or somebody asks something of them (`true`),
    /// or that are not (`false`).
    pub suspended: Option<bool>,
    /// Only sagas that are suspended and whose `wake_at` is before this time: nobody has woken them yet.
    pub due_before: Option<Timestamp>,
    /// Only sagas with this name.
    pub name: Option<String>,
    /// Only sagas whose definition has this fingerprint.
    pub fingerprint: Option<String>,
    /// Only sagas whose id begins with this.
    pub id_prefix: Option<String>,
    /// Only sagas created after this time.
    pub created_after: Option<Timestamp>,
    /// Only sagas created before this time.
    pub created_before: Option<Timestamp>,
    /// Only sagas whose last entry in the log is from before this time.
    pub updated_before: Option<Timestamp>,
    /// Only sagas whose id is greater than this one. Pass the last id of a page to get the next page.
    pub after: Option<SagaId>,
    /// The largest number of sagas to return; 0 means 100.
    pub limit: usize,
}

impl ListFilter {
    /// Returns the largest number of records in the list: `limit`, or 100 if that is 0.
    pub fn page_size(&self) -> usize {
        if self.limit == 0 { 100 } else { self.limit }
    }

    /// The statuses to look for, in order, for stores with an index for each status; if there are none, sagas of all statuses.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(super) fn statuses_to_read(&self) -> Vec<SagaStatus> {
        let mut statuses = self.statuses.clone();
        let waits = self.suspended == Some(true) || self.due_before.is_some();
        if statuses.is_empty() && (self.parked == Some(true) || waits) {
            // such sagas have not ended, and most sagas have
            statuses = vec![SagaStatus::Running, SagaStatus::Failed, SagaStatus::RollingBack];
        }
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }

    /// Selects the records of the list, for stores that keep all records in memory.
    pub fn select<'a>(&self, records: impl IntoIterator<Item = &'a SagaRecord>) -> Vec<SagaRecord> {
        let mut matching: Vec<&SagaRecord> =
            records.into_iter().filter(|r| self.matches(r)).collect();
        matching.sort_unstable_by_key(|r| &r.id);
        matching.into_iter().take(self.page_size()).cloned().collect()
    }

    /// Between which ids all of the list is, for stores that look for sagas in an index of ids: from the first one on, and
    /// before the second one.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(super) fn ids(&self) -> (String, String) {
        // ids consist of characters from `-` to `z`
        const BEFORE_ALL: char = '-';
        const AFTER_ALL: char = '~';
        let prefix = self.id_prefix.as_deref().unwrap_or_default();
        if !prefix.is_empty() && prefix.parse::<SagaId>().is_err() {
            return (AFTER_ALL.to_string(), AFTER_ALL.to_string());
        }
        let after = self.after.as_ref().map(|after| format!("{after}{BEFORE_ALL}"));
        (after.unwrap_or_default().max(prefix.to_string()), format!("{prefix}{AFTER_ALL}"))
    }

    fn matches(&self, record: &SagaRecord) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&record.status))
            && self.parked.is_none_or(|parked| parked == record.parked_reason.is_some())
            && self.paused.is_none_or(|paused| paused == record.paused)
            && self.suspended.is_none_or(|suspended| suspended == record.suspended)
            && self.due_before.is_none_or(|before| {
                record.suspended && record.wake_at.is_some_and(|at| at < before)
            })
            && self.name.as_ref().is_none_or(|name| **name == *record.name)
            && self.fingerprint.as_ref().is_none_or(|of| **of == *record.fingerprint)
            && self.id_prefix.as_ref().is_none_or(|with| record.id.as_str().starts_with(with))
            && self.created_after.is_none_or(|after| record.created_at > after)
            && self.created_before.is_none_or(|before| record.created_at < before)
            && self.updated_before.is_none_or(|before| record.updated_at < before)
            && self.after.as_ref().is_none_or(|after| record.id > *after)
    }
}

/// Selects the ended sagas that [`Store::purge`](super::Store::purge) removes. A saga must match every field, and one to which a
/// request has no answer yet stays: whoever asked was told that it will be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Only sagas that ended before this time.
    pub ended_before: Timestamp,
    /// Only sagas that ended with one of these statuses; if empty, completed and rolled back sagas. The
    /// statuses of unfinished sagas are ignored.
    pub statuses: Vec<SagaStatus>,
    /// The largest number of sagas to remove; 0 removes none. The rest is left to the next call, so that no
    /// call blocks other writes for long.
    pub limit: usize,
}

impl Purge {
    /// Selects the sagas to remove, for stores that keep all records in memory. `is_asked` says whether a request to a saga
    /// has no answer yet; such a saga stays.
    pub fn select<'a>(
        &self,
        records: impl IntoIterator<Item = &'a SagaRecord>,
        is_asked: impl Fn(&SagaId) -> bool,
    ) -> Vec<SagaId> {
        let ends = self.ends();
        let matches = |r: &&SagaRecord| {
            ends.contains(&r.status) && r.updated_at < self.ended_before && !is_asked(&r.id)
        };
        records.into_iter().filter(matches).take(self.limit).map(|r| r.id.clone()).collect()
    }

    /// The final statuses to remove, without duplicates.
    pub(super) fn ends(&self) -> Vec<SagaStatus> {
        if self.statuses.is_empty() {
            return vec![SagaStatus::Completed, SagaStatus::RolledBack];
        }
        let mut ends: Vec<_> = self.statuses.iter().copied().filter(|s| s.is_ended()).collect();
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

impl SagaVersion {
    /// Returns the definitions of the unfinished sagas among these records, for stores that keep all records
    /// in memory.
    pub fn select<'a>(records: impl IntoIterator<Item = &'a SagaRecord>) -> Vec<SagaVersion> {
        let mut versions = BTreeMap::<(&str, &str), (u64, &SagaRecord, Timestamp)>::new();
        for record in records.into_iter().filter(|r| !r.status.is_ended()) {
            let key = (&*record.name, &*record.fingerprint);
            let (unfinished, first, oldest) =
                versions.entry(key).or_insert((0, record, record.created_at));
            *unfinished += 1;
            *oldest = record.created_at.min(*oldest);
            if record.id < first.id {
                *first = record;
            }
        }
        versions
            .into_iter()
            .map(|((name, fingerprint), (unfinished, first, oldest))| SagaVersion {
                name: name.to_string(),
                fingerprint: fingerprint.to_string(),
                dag: first.dag.clone(),
                unfinished,
                oldest,
            })
            .collect()
    }
}

impl SagaRecord {
    /// Selects the sagas to claim, oldest first, for stores that keep all records in memory and have one
    /// worker at a time.
    pub fn claimable<'a>(
        records: impl IntoIterator<Item = &'a SagaRecord>,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> Vec<SagaId> {
        let known: std::collections::HashSet<&str> =
            fingerprints.iter().map(String::as_str).collect();
        let free = |r: &&SagaRecord| {
            !r.status.is_ended()
                && !r.suspended
                && (r.parked_reason.is_none() || planted(Mistake::ParkedClaimed))
                && r.owner.as_ref() != Some(worker)
                && known.contains(&*r.fingerprint)
        };
        let mut free: Vec<&SagaRecord> = records.into_iter().filter(free).collect();
        free.sort_unstable_by_key(|r| (r.created_at, &r.id));
        free.into_iter().take(limit).map(|r| r.id.clone()).collect()
    }

    /// Selects the suspended sagas whose time has come, earliest first, for stores that keep all records in memory.
    pub fn due<'a>(
        records: impl IntoIterator<Item = &'a SagaRecord>,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> Vec<SagaId> {
        let mut due: Vec<(Timestamp, &SagaId)> =
            waiting_for_their_time(records, fingerprints).filter(|(at, _)| *at <= now).collect();
        due.sort_unstable();
        due.into_iter().take(limit).map(|(_, id)| id.clone()).collect()
    }

    /// The time at which the first of the suspended sagas is due, for stores that keep all records in memory.
    pub fn next_due<'a>(
        records: impl IntoIterator<Item = &'a SagaRecord>,
        fingerprints: &[String],
    ) -> Option<Timestamp> {
        waiting_for_their_time(records, fingerprints).map(|(at, _)| at).min()
    }
}

/// The suspended sagas that a worker with these fingerprints wakes, with their times.
fn waiting_for_their_time<'a>(
    records: impl IntoIterator<Item = &'a SagaRecord>,
    fingerprints: &[String],
) -> impl Iterator<Item = (Timestamp, &'a SagaId)> {
    let known: std::collections::HashSet<String> = fingerprints.iter().cloned().collect();
    records
        .into_iter()
        .filter(move |r| {
            r.suspended && r.parked_reason.is_none() && known.contains(&*r.fingerprint)
        })
        .filter_map(|r| Some((r.wake_at?, &r.id)))
}
