//! Which of its sagas a store is asked for.

use std::collections::BTreeMap;

use super::{SagaRecord, SagaVersion, WorkerId};
use crate::log::{SagaId, SagaStatus, Timestamp};

/// Which sagas [`Store::list`](super::Store::list) shows: those that fit all that is set. Ordered by id.
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
    /// Only these statuses; empty: any.
    pub statuses: Vec<SagaStatus>,
    /// Only those that are parked, or only those that are not. A saga that is parked waits for a human, and
    /// has not ended.
    pub parked: Option<bool>,
    /// Only this saga name.
    pub name: Option<String>,
    /// Only those created after this moment.
    pub created_after: Option<Timestamp>,
    /// Only those created before this moment.
    pub created_before: Option<Timestamp>,
    /// Only ids after this one: the next page.
    pub after: Option<SagaId>,
    /// At most so many; 0: 100.
    pub limit: usize,
}

impl ListFilter {
    /// The most records that a list has: `limit`, or 100.
    pub fn page_size(&self) -> usize {
        if self.limit == 0 { 100 } else { self.limit }
    }

    /// The list: for stores that have all records at hand.
    pub fn select<'a>(&self, records: impl IntoIterator<Item = &'a SagaRecord>) -> Vec<SagaRecord> {
        let mut fitting: Vec<&SagaRecord> = records.into_iter().filter(|r| self.fits(r)).collect();
        fitting.sort_unstable_by_key(|r| &r.id);
        fitting.into_iter().take(self.page_size()).cloned().collect()
    }

    fn fits(&self, record: &SagaRecord) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&record.status))
            && self.parked.is_none_or(|parked| parked == record.parked_reason.is_some())
            && self.name.as_ref().is_none_or(|name| *name == record.name)
            && self.created_after.is_none_or(|after| record.created_at > after)
            && self.created_before.is_none_or(|before| record.created_at < before)
            && self.after.as_ref().is_none_or(|after| record.id > *after)
    }
}

/// Which sagas [`Store::purge`](super::Store::purge) removes: those that have ended, and fit all of this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Only those that ended before this moment.
    pub ended_before: Timestamp,
    /// Only those that ended like this; empty: completed and rolled back. A status that is no end
    /// removes nothing.
    pub statuses: Vec<SagaStatus>,
    /// At most so many; 0: none. What is left is for the next call, so that no call holds up other
    /// writes for long.
    pub limit: usize,
}

impl Purge {
    /// The sagas to remove: for stores that have all records at hand.
    pub fn select<'a>(&self, records: impl IntoIterator<Item = &'a SagaRecord>) -> Vec<SagaId> {
        let ends = self.ends();
        let fits = |r: &&SagaRecord| ends.contains(&r.status) && r.updated_at < self.ended_before;
        records.into_iter().filter(fits).take(self.limit).map(|r| r.id.clone()).collect()
    }

    /// The ends that it removes, each once.
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
    /// The definitions of the unfinished sagas among these: for stores that have all records at
    /// hand.
    pub fn select<'a>(records: impl IntoIterator<Item = &'a SagaRecord>) -> Vec<SagaVersion> {
        let mut versions = BTreeMap::<(&str, &str), (u64, &SagaRecord)>::new();
        for record in records.into_iter().filter(|r| !r.status.is_ended()) {
            let key = (record.name.as_str(), record.fingerprint.as_str());
            let (unfinished, first) = versions.entry(key).or_insert((0, record));
            *unfinished += 1;
            if record.id < first.id {
                *first = record;
            }
        }
        versions
            .into_iter()
            .map(|((name, fingerprint), (unfinished, first))| SagaVersion {
                name: name.to_string(),
                fingerprint: fingerprint.to_string(),
                dag: first.dag.clone(),
                unfinished,
            })
            .collect()
    }
}

impl SagaRecord {
    /// The sagas to claim, oldest first: for stores that have all records at hand, and one worker
    /// at a time.
    pub fn claimable<'a>(
        records: impl IntoIterator<Item = &'a SagaRecord>,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> Vec<SagaId> {
        let known: std::collections::HashSet<&String> = fingerprints.iter().collect();
        let free = |r: &&SagaRecord| {
            !r.status.is_ended()
                && r.parked_reason.is_none()
                && r.owner.as_ref() != Some(worker)
                && known.contains(&r.fingerprint)
        };
        let mut free: Vec<&SagaRecord> = records.into_iter().filter(free).collect();
        free.sort_unstable_by_key(|r| (r.created_at, &r.id));
        free.into_iter().take(limit).map(|r| r.id.clone()).collect()
    }
}
