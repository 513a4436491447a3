//! Which sagas there are: a line for each, a page at a time.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Reader;
use crate::coordinator::operator::Operator;
use crate::dag::stored_version;
use crate::error::OperateError;
use crate::log::utc::{serialize as utc, serialize_some as maybe_utc};
use crate::log::{ListedState, SagaId, SagaStatus, Timestamp};
use crate::store::{ListFilter, SagaRecord, StoreError, VersionCounts, WorkerId};

/// Selects the sagas that [`Operator::list`] shows. A saga must match every field that is set. The list is ordered by id,
/// so pages stay what they are while sagas start and end: a saga that is on a page is on no other one.
///
/// ```
/// use saga_core::operator::{ListedState, SagaFilter};
/// use saga_core::prelude::*;
/// # #[saga_action(no_undo)]
/// # async fn greet(name: &str) -> Result<String, String> { Ok(format!("hello {name}")) }
/// # saga! { Greet<()>(name: String) -> String { greet { name } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Greet>().build().await?;
/// for id in ["eu-1", "eu-2", "us-1"] {
///     sec.saga(Greet { name: id.into() }).id(id).start().await?.await?;
/// }
/// let alice = sec.operator("alice");
/// let states = vec![ListedState::Completed, ListedState::Parked];
/// let mut filter = SagaFilter { states, id_prefix: Some("eu-".into()), limit: 1, ..SagaFilter::default() };
/// let mut ids = Vec::new();
/// loop {
///     let page = alice.list(filter.clone()).await?;
///     let Some(last) = page.last() else { break };
///     filter.after = Some(last.id.clone());
///     ids.extend(page.into_iter().map(|saga| saga.id.to_string()));
/// }
/// assert_eq!(ids, ["eu-1", "eu-2"]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SagaFilter {
    /// Only sagas in one of these states; if empty, in any state.
    pub states: Vec<ListedState>,
    /// Only sagas with this name.
    pub saga: Option<String>,
    /// Only sagas of this version of their definition.
    pub version: Option<u32>,
    /// Only sagas whose definition has a fingerprint that begins with this.
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

/// One saga, as a line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SagaSummary {
    /// Its id.
    pub id: SagaId,
    /// Its durable name.
    pub saga: String,
    /// The version of its definition; `None` if the DAG that is stored with it cannot be read.
    pub version: Option<u32>,
    /// The fingerprint of its definition.
    pub fingerprint: String,
    /// What it is doing.
    pub state: ListedState,
    /// Its status, which also tells which way a saga goes that is parked or paused.
    pub status: SagaStatus,
    /// When it was created.
    #[serde(serialize_with = "utc")]
    pub created_at: Timestamp,
    /// The time of its last entry in the log.
    #[serde(serialize_with = "utc")]
    pub updated_at: Timestamp,
    /// When it goes on by itself, if it waits for a time.
    #[serde(serialize_with = "maybe_utc")]
    pub wake_at: Option<Timestamp>,
    /// Its deadline.
    #[serde(serialize_with = "maybe_utc")]
    pub deadline: Option<Timestamp>,
    /// The worker that owns it.
    pub owner: Option<WorkerId>,
    /// Why it is parked, if it is.
    pub parked_reason: Option<String>,
    /// Why it did not complete, if it has ended without.
    pub error: Option<String>,
}

impl SagaSummary {
    /// What a record says.
    ///
    /// ```
    /// use saga_core::log::Timestamp;
    /// use saga_core::operator::{ListedState, SagaSummary};
    /// use saga_core::store::{SagaRecord, WorkerId};
    /// let mut record = SagaRecord::new("order-42".parse()?, "Order", WorkerId::generate(), Timestamp(0));
    /// record.parked_reason = Some("nobody knows whether the pivot took effect".into());
    /// assert_eq!(SagaSummary::of(&record).state, ListedState::Parked);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(record: &SagaRecord) -> Self {
        let version = stored_version(record.dag.as_bytes());
        Self {
            id: record.id.clone(),
            saga: record.name.to_string(),
            version,
            fingerprint: record.fingerprint.to_string(),
            state: record.listed_state(),
            status: record.status,
            created_at: record.created_at,
            updated_at: record.updated_at,
            wake_at: record.wake_at.filter(|_| !record.status.is_ended()),
            deadline: record.deadline,
            owner: record.owner.clone().filter(|_| !record.status.is_ended()),
            parked_reason: record.parked_reason.clone(),
            error: record.error.clone(),
        }
    }
}

impl SagaFilter {
    /// What the store is asked for: one query for each set of states that it can select at once.
    fn queries(&self) -> Vec<ListFilter> {
        let all = ListFilter {
            name: self.saga.clone(),
            id_prefix: self.id_prefix.clone(),
            created_after: self.created_after,
            created_before: self.created_before,
            updated_before: self.updated_before,
            after: self.after.clone(),
            limit: self.limit,
            ..ListFilter::default()
        };
        if self.states.is_empty() {
            return vec![all];
        }
        let unfinished = [SagaStatus::Running, SagaStatus::Failed, SagaStatus::RollingBack];
        let (mut ended, mut going, mut queries) = (Vec::new(), Vec::new(), Vec::new());
        let mut states = self.states.clone();
        states.sort_unstable();
        states.dedup();
        for state in states {
            let all = all.clone();
            match state {
                ListedState::Stuck => ended.push(SagaStatus::Stuck),
                ListedState::Completed => ended.push(SagaStatus::Completed),
                ListedState::RolledBack => ended.push(SagaStatus::RolledBack),
                ListedState::Waiting | ListedState::Running => {
                    let (parked, paused) = (Some(false), Some(false));
                    let suspended = Some(state == ListedState::Waiting);
                    let statuses = vec![SagaStatus::Running];
                    queries.push(ListFilter { statuses, parked, paused, suspended, ..all });
                }
                ListedState::Failed => going.push(SagaStatus::Failed),
                ListedState::RollingBack => going.push(SagaStatus::RollingBack),
                ListedState::Parked => {
                    let statuses = unfinished.to_vec();
                    queries.push(ListFilter { statuses, parked: Some(true), ..all });
                }
                ListedState::Paused => {
                    let statuses = unfinished.to_vec();
                    let (parked, paused) = (Some(false), Some(true));
                    queries.push(ListFilter { statuses, parked, paused, ..all });
                }
            }
        }
        if !ended.is_empty() {
            queries.push(ListFilter { statuses: ended, ..all.clone() });
        }
        if !going.is_empty() {
            let (parked, paused) = (Some(false), Some(false));
            queries.push(ListFilter { statuses: going, parked, paused, ..all });
        }
        queries
    }

    fn page_size(&self) -> usize {
        ListFilter { limit: self.limit, ..ListFilter::default() }.page_size()
    }
}

impl Reader<'_> {
    async fn list(&self, mut filter: SagaFilter) -> Result<Vec<SagaSummary>, StoreError> {
        let page_size = filter.page_size();
        let mut found = Vec::new();
        // of which definitions, once that has been found out
        let mut fingerprints = match &filter.fingerprint {
            Some(beginning) => {
                Some(self.fingerprints(|of| of.fingerprint.starts_with(beginning)).await?)
            }
            None => None,
        };
        loop {
            let mut page = Vec::new();
            for query in filter.queries() {
                let Some(fingerprints) = &fingerprints else {
                    page.extend(self.store.list(query).await?);
                    continue;
                };
                for fingerprint in fingerprints {
                    let fingerprint = Some(fingerprint.clone());
                    page.extend(
                        self.store.list(ListFilter { fingerprint, ..query.clone() }).await?,
                    );
                }
            }
            page.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            page.truncate(page_size);
            let is_last = page.len() < page_size;
            filter.after = page.last().map(|record| record.id.clone());
            let summaries = page.iter().map(SagaSummary::of);
            // no store has versions in a column
            found.extend(
                summaries.filter(|saga| {
                    filter.version.is_none_or(|version| saga.version == Some(version))
                }),
            );
            if is_last || found.len() >= page_size {
                found.truncate(page_size);
                return Ok(found);
            }
            // sagas of another version were on the page: there may be very many of these
            if let (Some(version), None, None) =
                (filter.version, &filter.fingerprint, &fingerprints)
            {
                // the version is part of a fingerprint
                let has = |of: &VersionCounts| stored_version(of.dag.as_bytes()) == Some(version);
                fingerprints = Some(self.fingerprints(has).await?);
            }
        }
    }

    /// The fingerprints of such definitions.
    async fn fingerprints(
        &self,
        such: impl Fn(&VersionCounts) -> bool,
    ) -> Result<Vec<String>, StoreError> {
        let counts = self.store.counts().await?.into_iter().filter(such);
        let fingerprints = counts.map(|of| of.fingerprint).collect::<BTreeSet<_>>();
        Ok(fingerprints.into_iter().collect())
    }
}

impl Operator {
    /// A page of the sagas that match a filter, ordered by id.
    ///
    /// # Errors
    /// [`OperateError::Store`].
    pub async fn list(&self, filter: SagaFilter) -> Result<Vec<SagaSummary>, OperateError> {
        self.read(|reader| Box::pin(async move { Ok(reader.list(filter).await?) })).await
    }
}
