//! Which sagas wait for somebody.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::needs_human_cursor::{NeedsHumanCursor, Part};
use super::why::unknown_to_the_worker;
use super::words::Age;
use super::{Reader, SagaSummary};
use crate::coordinator::operator::Operator;
use crate::coordinator::stored::{Stored, StoredError, read};
use crate::error::OperateError;
use crate::log::{ListedState, SagaStatus, Timestamp};
use crate::store::{CurrentWorker, ListFilter, SagaRecord, StoreError, corrupt};

/// How many records are read in one go.
const PAGE: usize = 2048;

/// Of how many sagas the logs are read for one page, to see whether they are corrupt.
const READ: usize = 100;

/// Which sagas [`Operator::needs_human`] shows.
///
/// ```
/// use saga_core::operator::NeedsHumanFilter;
/// use std::time::Duration;
/// let filter = NeedsHumanFilter { idle: Duration::from_secs(3600), ..NeedsHumanFilter::default() };
/// assert_eq!(filter.limit, 0);
/// assert_eq!(NeedsHumanFilter::default().idle, Duration::from_secs(300));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedsHumanFilter {
    /// After how long without an entry in its log a saga counts as not progressing, and one without a worker as left
    /// alone; 5 minutes by default. Give more if calls may take longer. That the only worker of a store is gone, or has not
    /// taken a saga, an operator who is attached to the store sees at once.
    pub idle: Duration,
    /// Only sagas with this name.
    pub saga: Option<String>,
    /// Only the sagas that come after this place. Pass [`NeedsHumanPage::next`] to get the next page.
    pub after: Option<NeedsHumanCursor>,
    /// The largest number of sagas to return; 0 means 100.
    pub limit: usize,
}

impl Default for NeedsHumanFilter {
    fn default() -> Self {
        Self { idle: Duration::from_secs(300), saga: None, after: None, limit: 0 }
    }
}

/// Why a saga needs a human.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HumanReason {
    /// It has ended with effects that remain or may remain.
    Stuck,
    /// It is parked.
    Parked,
    /// What is stored of it cannot be understood, so that no worker can go on with it. It is found once the saga would be
    /// listed for one of the other reasons.
    Corrupt,
    /// Nothing runs it, and the program that would run it does not know its definition: this one, or, for an operator that is
    /// attached to a store with one worker at a time, that worker.
    UnknownVersion,
    /// No worker owns it, or one that is not alive, and no other worker has taken it over.
    OwnerNotCurrent,
    /// Its log has not grown for long, though it waits for no time.
    NotProgressing,
}

impl HumanReason {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Parked => "parked",
            Self::Corrupt => "corrupt",
            Self::UnknownVersion => "unknown_version",
            Self::OwnerNotCurrent => "owner_not_current",
            Self::NotProgressing => "not_progressing",
        }
    }
}

impl fmt::Display for HumanReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A saga that needs a human.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NeedsHuman {
    /// The saga.
    #[serde(flatten)]
    pub saga: SagaSummary,
    /// Why it needs one.
    pub reason: HumanReason,
    /// The same in words. What exactly it waits for, [`Operator::why`] tells.
    pub because: String,
}

/// Sagas that need a human: those that are stuck first, then those that are parked, then those that do not go on; each of
/// these three by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NeedsHumanPage {
    /// The sagas.
    pub sagas: Vec<NeedsHuman>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<NeedsHumanCursor>,
}

impl Reader<'_> {
    pub(super) async fn needs_human(
        &self,
        filter: NeedsHumanFilter,
    ) -> Result<NeedsHumanPage, StoreError> {
        let limit = if filter.limit == 0 { 100 } else { filter.limit };
        let first = NeedsHumanCursor { part: Part::Stuck, after: None };
        let mut at = filter.after.clone().unwrap_or(first);
        let unknown = self.unknown(&filter).await?;
        let (mut sagas, mut logs_read) = (Vec::new(), 0_usize);
        loop {
            let mut page = Vec::new();
            for query in self.queries(&filter, &unknown, &at) {
                page.extend(self.store.list(query).await?);
            }
            page.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            page.dedup_by(|a, b| a.id == b.id);
            page.truncate(PAGE);
            let is_last = page.len() < PAGE;
            for record in page {
                at.after = Some(record.id.clone());
                let mut found = self.judge(&record, filter.idle);
                if let Some(found) = &mut found
                    && at.part == Part::Halted
                    && logs_read < READ
                {
                    logs_read += 1;
                    self.look_closer(found).await;
                }
                sagas.extend(found);
                if sagas.len() == limit {
                    return Ok(NeedsHumanPage { sagas, next: Some(at) });
                }
            }
            if is_last {
                let Some(part) = at.part.next() else {
                    return Ok(NeedsHumanPage { sagas, next: None });
                };
                at = NeedsHumanCursor { part, after: None };
            }
        }
    }

    /// The fingerprints of unfinished sagas whose definition this program does not know; none for an operator that is attached to
    /// a store, which knows none at all.
    async fn unknown(&self, filter: &NeedsHumanFilter) -> Result<Vec<String>, StoreError> {
        let Some(home) = self.home else { return Ok(Vec::new()) };
        let versions = self.store.versions().await?.into_iter();
        let unknown = versions.filter(|version| {
            let is_named = filter.saga.as_ref().is_none_or(|saga| *saga == version.name);
            is_named && !home.knows(&version.fingerprint, &version.dag)
        });
        Ok(unknown.map(|version| version.fingerprint).collect())
    }

    /// What the store is asked for at this place. No saga beyond the last one of a page is on an earlier page of another query.
    fn queries(
        &self,
        filter: &NeedsHumanFilter,
        unknown: &[String],
        at: &NeedsHumanCursor,
    ) -> Vec<ListFilter> {
        let all = ListFilter {
            name: filter.saga.clone(),
            after: at.after.clone(),
            limit: PAGE,
            ..ListFilter::default()
        };
        let statuses = vec![SagaStatus::Running, SagaStatus::Failed, SagaStatus::RollingBack];
        let parked = Some(at.part == Part::Parked);
        let unfinished = ListFilter { statuses, parked, ..all.clone() };
        match at.part {
            Part::Stuck => vec![ListFilter { statuses: vec![SagaStatus::Stuck], ..all }],
            Part::Parked => vec![unfinished],
            Part::Halted => {
                // a saga that the only worker has not taken is known at once, and so is one that this program does not know
                let at_once = self.knows_who_is_left() || !self.unreadable.is_empty();
                let since = (!at_once).then(|| self.idle_since(filter.idle));
                let awake = ListFilter { suspended: Some(false), ..unfinished.clone() };
                let mut queries = vec![ListFilter { updated_before: since, ..awake.clone() }];
                queries.extend(unknown.iter().map(|fingerprint| ListFilter {
                    fingerprint: Some(fingerprint.clone()),
                    ..awake.clone()
                }));
                // nobody goes on with a saga that is suspended, until its time comes
                let due_before = Some(self.overdue_since(filter.idle));
                queries.push(ListFilter { due_before, ..unfinished });
                queries
            }
        }
    }

    /// True if it is known at once which sagas the only worker of the store has not taken.
    fn knows_who_is_left(&self) -> bool {
        match self.current {
            CurrentWorker::Absent | CurrentWorker::Present(Some(_)) => true,
            CurrentWorker::Present(None) | CurrentWorker::Unknown => false,
        }
    }

    /// A saga that was to be woken before this time has been forgotten; if there is nobody to wake it, at once.
    fn overdue_since(&self, longest: Duration) -> Timestamp {
        match self.current {
            CurrentWorker::Absent => self.now,
            CurrentWorker::Present(_) | CurrentWorker::Unknown => self.idle_since(longest),
        }
    }

    /// A saga whose last entry is from before this time has been idle for so long.
    fn idle_since(&self, longest: Duration) -> Timestamp {
        let idle = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.now.0.saturating_sub(idle))
    }

    /// Reads the log of a saga that does not go on: it may be corrupt, or tell what the saga waits for.
    async fn look_closer(&self, found: &mut NeedsHuman) {
        let id = &found.saga.id;
        let stored = match self.home {
            Some(home) => home.stored(id).await,
            None => match read(self.store, id).await {
                Ok(saga) => Ok(Stored { saga, definition: None }),
                Err(error) => Err(StoredError::Store(error)),
            },
        };
        let corruption = match stored.as_ref().map(|stored| stored.state_by_shape()) {
            Ok(Err(StoredError::Corrupt { why, .. })) => Some(why),
            Err(StoredError::Store(StoreError::Corrupt { seq, why, .. })) => {
                Some(corrupt(*seq, why))
            }
            Ok(_) | Err(_) => None,
        };
        if let Some(why) = corruption {
            (found.reason, found.because) = (HumanReason::Corrupt, why);
        } else if let (Ok(stored), HumanReason::NotProgressing) = (&stored, found.reason) {
            let why = self.facts_of(stored).why.sentence;
            found.because = format!("{why}; {}", found.because);
        }
    }

    /// Whether a saga of one of the queries needs a human.
    fn judge(&self, record: &SagaRecord, longest: Duration) -> Option<NeedsHuman> {
        let idle = Age(self.now.0.saturating_sub(record.updated_at.0));
        let is_idle = record.updated_at < self.idle_since(longest);
        let (reason, because) = match record.listed_state() {
            ListedState::Stuck => {
                let error = record.error.as_deref().unwrap_or("no error is recorded");
                (HumanReason::Stuck, format!("stuck: {error}"))
            }
            ListedState::Parked => {
                let why = record.parked_reason.as_deref().unwrap_or_default();
                (HumanReason::Parked, format!("parked: {why}"))
            }
            ListedState::Completed | ListedState::RolledBack => return None,
            ListedState::Waiting
            | ListedState::Paused
            | ListedState::Running
            | ListedState::Failed
            | ListedState::RollingBack
                if record.suspended =>
            {
                let at = record.wake_at.filter(|at| *at < self.overdue_since(longest))?;
                let since = Age(self.now.0.saturating_sub(at.0));
                let why = format!("its time came {since} ago, and no worker has woken it");
                self.left_alone(record, why)
            }
            ListedState::Waiting
            | ListedState::Paused
            | ListedState::Running
            | ListedState::Failed
            | ListedState::RollingBack => {
                let (orphaned, unknown) = (self.is_orphaned(record), self.is_unknown(record));
                // of a saga that waits for a time, nothing is due yet
                let waits = record.wake_at.is_some_and(|at| {
                    at > self.now && record.deadline.is_none_or(|deadline| deadline != at)
                });
                match (orphaned, unknown) {
                    (true, true) => self.of_unknown_version(record),
                    // it may be about to be taken
                    (true, false) if !self.knows_who_is_left() && !is_idle => return None,
                    (true, false) => {
                        let why = match &record.owner {
                            _ if self.current == CurrentWorker::Absent => {
                                "no worker is running".to_string()
                            }
                            Some(owner) => format!("its worker {owner} is gone"),
                            None => "no worker owns it".to_string(),
                        };
                        (HumanReason::OwnerNotCurrent, format!("{why}, last entry {idle} ago"))
                    }
                    (false, _) if self.unreadable.contains(&record.id) => {
                        (HumanReason::Corrupt, "its log is corrupt".to_string())
                    }
                    (false, _) if waits || record.paused || !is_idle => return None,
                    (false, _) => {
                        let why = format!("nothing has happened for {idle}");
                        (HumanReason::NotProgressing, why)
                    }
                }
            }
        };
        Some(NeedsHuman { saga: SagaSummary::of(record), reason, because })
    }

    /// A saga whose time has come, and that nobody has woken, for this reason if no other is known.
    fn left_alone(&self, record: &SagaRecord, why: String) -> (HumanReason, String) {
        let unknown = self.home.is_some_and(|home| home.definition_of(record).is_none());
        match self.current {
            _ if unknown => self.of_unknown_version(record),
            CurrentWorker::Absent => {
                (HumanReason::OwnerNotCurrent, format!("no worker is running: {why}"))
            }
            CurrentWorker::Present(_) | CurrentWorker::Unknown => {
                (HumanReason::NotProgressing, why)
            }
        }
    }

    /// A saga that the program which would run it does not know.
    fn of_unknown_version(&self, record: &SagaRecord) -> (HumanReason, String) {
        let name = &record.name;
        let why = match self.home {
            Some(_) => format!("started by a version of `{name}` that is not known here"),
            None => unknown_to_the_worker(&SagaSummary::of(record)),
        };
        (HumanReason::UnknownVersion, why)
    }
}

impl Operator {
    /// A page of the sagas that need a human, and why.
    ///
    /// It reads the records of sagas, and the logs of up to 100 of those that do not go on, to see whether they are corrupt.
    ///
    /// # Errors
    /// [`OperateError::Store`].
    ///
    /// ```
    /// use saga_core::UndoError;
    /// use saga_core::operator::{HumanReason, NeedsHumanFilter};
    /// use saga_core::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// #[saga_action(undo = refund())]
    /// async fn pay() -> Result<(), String> { Ok(()) }
    /// async fn refund() -> Result<(), UndoError> { Err(UndoError::permanent("the bank refuses")) }
    ///
    /// saga! { Order<()>() { pay {}; fail_if { condition: true, message: "sold out" }; } }
    ///
    /// let sec = Coordinator::builder(()).saga::<Order>().build().await?;
    /// let _ = sec.saga(Order {}).id("order-42").start().await?.await;
    /// let page = sec.operator("alice").needs_human(NeedsHumanFilter::default()).await?;
    /// assert_eq!(page.sagas[0].saga.id.as_str(), "order-42");
    /// assert_eq!(page.sagas[0].reason, HumanReason::Stuck);
    /// assert!(page.next.is_none());
    /// # Ok(()) }
    /// ```
    pub async fn needs_human(
        &self,
        filter: NeedsHumanFilter,
    ) -> Result<NeedsHumanPage, OperateError> {
        self.read(|reader| Box::pin(async move { Ok(reader.needs_human(filter).await?) })).await
    }
}
