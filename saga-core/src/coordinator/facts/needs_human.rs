//! Which sagas wait for somebody.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::why::unknown_to_the_worker;
use super::words::Age;
use super::{Reader, SagaSummary};
use crate::coordinator::operator::Operator;
use crate::coordinator::stored::{Stored, StoredError, read};
use crate::error::OperateError;
use crate::log::{InvalidSagaId, ListedState, SagaId, SagaStatus, Timestamp};
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

/// A place among the sagas that need a human, as text of the form `parked:order-42`.
///
/// ```
/// use saga_core::operator::NeedsHumanCursor;
/// let cursor: NeedsHumanCursor = "parked:order-42".parse()?;
/// assert_eq!(cursor.to_string(), "parked:order-42");
/// # Ok::<(), saga_core::operator::InvalidCursor>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NeedsHumanCursor {
    part: Part,
    after: Option<SagaId>,
}

/// In which order sagas that need a human are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Stuck,
    Parked,
    Halted,
}

impl Part {
    const ALL: [Self; 3] = [Self::Stuck, Self::Parked, Self::Halted];

    fn as_str(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Parked => "parked",
            Self::Halted => "halted",
        }
    }

    fn next(self) -> Option<Self> {
        match self {
            Self::Stuck => Some(Self::Parked),
            Self::Parked => Some(Self::Halted),
            Self::Halted => None,
        }
    }
}

/// A text that is not a place among the sagas that need a human.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCursor {
    /// It does not begin with one of the three parts of the list.
    #[error("{0:?} is no place in the list; it begins with `stuck:`, `parked:` or `halted:`")]
    NoPart(String),
    /// What follows is not the id of a saga.
    #[error(transparent)]
    Id(#[from] InvalidSagaId),
}

impl fmt::Display for NeedsHumanCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after.as_ref().map(SagaId::as_str).unwrap_or_default();
        write!(f, "{}:{after}", self.part.as_str())
    }
}

impl FromStr for NeedsHumanCursor {
    type Err = InvalidCursor;

    fn from_str(s: &str) -> Result<Self, InvalidCursor> {
        let (word, after) = s.split_once(':').unwrap_or_default();
        let part = Part::ALL.into_iter().find(|part| part.as_str() == word);
        let part = part.ok_or_else(|| InvalidCursor::NoPart(s.to_string()))?;
        let after = if after.is_empty() { None } else { Some(after.parse()?) };
        Ok(Self { part, after })
    }
}

impl TryFrom<String> for NeedsHumanCursor {
    type Error = InvalidCursor;

    fn try_from(s: String) -> Result<Self, InvalidCursor> {
        s.parse()
    }
}

impl From<NeedsHumanCursor> for String {
    fn from(cursor: NeedsHumanCursor) -> Self {
        cursor.to_string()
    }
}

impl Reader<'_> {
    async fn needs_human(&self, filter: NeedsHumanFilter) -> Result<NeedsHumanPage, StoreError> {
        let limit = if filter.limit == 0 { 100 } else { filter.limit };
        let first = NeedsHumanCursor { part: Part::Stuck, after: None };
        let mut at = filter.after.clone().unwrap_or(first);
        let (mut sagas, mut logs_read) = (Vec::new(), 0_usize);
        loop {
            let page = self.store.list(self.query(&filter, &at)).await?;
            let is_last = page.len() < PAGE;
            for record in page {
                at.after = Some(record.id.clone());
                let mut found = self.judge(&record, filter.idle);
                if let Some(found) = &mut found
                    && at.part == Part::Halted
                    && logs_read < READ
                {
                    logs_read += 1;
                    if let Some(why) = self.corruption(&record.id).await {
                        (found.reason, found.because) = (HumanReason::Corrupt, why);
                    }
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

    fn query(&self, filter: &NeedsHumanFilter, at: &NeedsHumanCursor) -> ListFilter {
        let all = ListFilter {
            name: filter.saga.clone(),
            after: at.after.clone(),
            limit: PAGE,
            ..ListFilter::default()
        };
        let unfinished = vec![SagaStatus::Running, SagaStatus::Aborting, SagaStatus::RollingBack];
        match at.part {
            Part::Stuck => ListFilter { statuses: vec![SagaStatus::Stuck], ..all },
            Part::Parked => ListFilter { statuses: unfinished, parked: Some(true), ..all },
            Part::Halted => {
                // a saga that the only worker has not taken is known at once
                let at_once = match self.current {
                    CurrentWorker::Absent | CurrentWorker::Present(Some(_)) => true,
                    CurrentWorker::Present(None) | CurrentWorker::Unknown => false,
                };
                let updated_before = (!at_once).then(|| self.idle_since(filter.idle));
                let parked = Some(false);
                // of a saga that is suspended, nothing is due
                let suspended = Some(false);
                ListFilter { statuses: unfinished, parked, suspended, updated_before, ..all }
            }
        }
    }

    /// A saga whose last entry is from before this time has been idle for so long.
    fn idle_since(&self, longest: Duration) -> Timestamp {
        let idle = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.now.0.saturating_sub(idle))
    }

    /// What is wrong with what is stored of a saga, if it cannot be understood.
    async fn corruption(&self, id: &SagaId) -> Option<String> {
        let state = match self.home {
            Some(home) => home.stored(id).await.and_then(|stored| stored.state_by_shape()),
            None => match read(self.store, id).await {
                Ok(saga) => Stored { saga, definition: None }.state_by_shape(),
                Err(error) => Err(StoredError::Store(error)),
            },
        };
        match state {
            Err(StoredError::Corrupt { why, .. }) => Some(why),
            Err(StoredError::Store(StoreError::Corrupt { seq, why, .. })) => {
                Some(corrupt(seq, &why))
            }
            Ok(_) | Err(StoredError::Store(_) | StoredError::UnknownVersion { .. }) => None,
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
            ListedState::Completed | ListedState::RolledBack | ListedState::Waiting => {
                return None;
            }
            ListedState::Paused
            | ListedState::Running
            | ListedState::Aborting
            | ListedState::RollingBack => {
                let (orphaned, unknown) = (self.is_orphaned(record), self.is_unknown(record));
                // of a saga that waits for a time, nothing is due yet
                let waits = record.wake_at.is_some_and(|at| {
                    at > self.now && record.deadline.is_none_or(|deadline| deadline != at)
                });
                match (orphaned, unknown) {
                    (true, true) => {
                        let name = &record.name;
                        let why = match self.home {
                            Some(_) => {
                                format!("started by a version of `{name}` that is not known here")
                            }
                            None => unknown_to_the_worker(&SagaSummary::of(record)),
                        };
                        (HumanReason::UnknownVersion, why)
                    }
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
                    (false, _) if waits || record.paused || !is_idle => return None,
                    (false, _) => {
                        let why =
                            format!("nothing has happened for {idle}, though something is due");
                        (HumanReason::NotProgressing, why)
                    }
                }
            }
        };
        Some(NeedsHuman { saga: SagaSummary::of(record), reason, because })
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
