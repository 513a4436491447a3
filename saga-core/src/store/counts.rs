//! How many sagas a store has, for an overview.

use std::collections::BTreeMap;

use super::SagaRecord;
use crate::log::{ListedState, Payload, Timestamp};

/// How many sagas of one definition a store has, in each state. Comes from [`Store::counts`](super::Store::counts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionCounts {
    /// The sagas' durable name.
    pub name: String,
    /// The fingerprint of their DAG.
    pub fingerprint: String,
    /// The DAG of one of them as JSON.
    pub dag: Payload,
    /// How many there are in each state in which there are any, in the order of the states.
    pub states: Vec<StateCount>,
}

/// How many sagas of one definition are in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct StateCount {
    /// The state.
    pub state: ListedState,
    /// How many sagas.
    pub sagas: u64,
    /// When one of the oldest of them was created.
    #[serde(serialize_with = "crate::log::utc::serialize")]
    pub oldest: Timestamp,
}

/// Counts sagas by name, fingerprint and state.
#[derive(Debug, Default)]
pub(super) struct Counting(BTreeMap<(String, String), (Payload, BTreeMap<ListedState, Count>)>);

#[derive(Debug)]
struct Count {
    sagas: u64,
    oldest: Timestamp,
}

impl Counting {
    /// Adds one saga.
    pub(super) fn add(&mut self, record: &SagaRecord) {
        let key = (record.name.to_string(), record.fingerprint.to_string());
        self.add_all(key, record.listed_state(), 1, record.created_at, || record.dag.clone());
    }

    /// Adds several sagas of a definition, which is its name and its fingerprint. `dag` is only called for the first ones.
    pub(super) fn add_all(
        &mut self,
        definition: (String, String),
        state: ListedState,
        sagas: u64,
        oldest: Timestamp,
        dag: impl FnOnce() -> Payload,
    ) {
        let (_, states) = self.0.entry(definition).or_insert_with(|| (dag(), BTreeMap::new()));
        let count = states.entry(state).or_insert(Count { sagas: 0, oldest });
        count.sagas = count.sagas.saturating_add(sagas);
        count.oldest = count.oldest.min(oldest);
    }

    pub(super) fn counts(self) -> Vec<VersionCounts> {
        let counts = self.0.into_iter().map(|((name, fingerprint), (dag, states))| {
            let states = states.into_iter();
            let states = states
                .map(|(state, Count { sagas, oldest })| StateCount { state, sagas, oldest })
                .collect();
            VersionCounts { name, fingerprint, dag, states }
        });
        counts.collect()
    }
}

impl VersionCounts {
    /// Counts these sagas, for stores that keep all records in memory.
    pub fn select<'a>(records: impl IntoIterator<Item = &'a SagaRecord>) -> Vec<Self> {
        let mut counting = Counting::default();
        records.into_iter().for_each(|record| counting.add(record));
        counting.counts()
    }
}
