//! How many sagas there are of each name and version, and in which states.

use std::fmt;

use serde::Serialize;

use super::Reader;
use crate::coordinator::operator::Operator;
use crate::dag::stored_version;
use crate::error::OperateError;
use crate::log::utc::{serialize as utc, serialize_some as maybe_utc};
use crate::log::{ListedState, Timestamp};
use crate::store::{StateCount, StoreError, VersionCounts};

/// How many sagas there are, from [`Operator::fleet`]. `Display` shows it as a table in text.
///
/// ```
/// use saga_core::operator::ListedState;
/// use saga_core::prelude::*;
/// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
/// sec.run(Stamp {}).await?;
/// sec.run(Stamp {}).await?;
/// let fleet = sec.operator("alice").fleet().await?;
/// assert_eq!(fleet.in_state(ListedState::Completed), 2);
/// assert_eq!(fleet.in_state(ListedState::Stuck), 0);
/// assert_eq!(fleet.to_string(), "Stamp version 1: 2 completed\n");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fleet {
    /// When the sagas were counted.
    #[serde(serialize_with = "utc")]
    pub at: Timestamp,
    /// The sagas of each definition, by name and version.
    pub versions: Vec<FleetVersion>,
    /// When one of the oldest sagas was created that have not ended.
    #[serde(serialize_with = "maybe_utc")]
    pub oldest_unfinished: Option<Timestamp>,
}

/// The sagas of one definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FleetVersion {
    /// Their durable name.
    pub saga: String,
    /// The version of their definition; `None` if the DAG that is stored with them cannot be read.
    pub version: Option<u32>,
    /// The fingerprint of their definition.
    pub fingerprint: String,
    /// Whether the program that asks knows this definition; `None` if it runs no sagas, but is attached to a store.
    pub known: Option<bool>,
    /// How many there are in each state in which there are any.
    pub states: Vec<StateCount>,
}

impl Fleet {
    /// How many sagas are in this state.
    pub fn in_state(&self, state: ListedState) -> u64 {
        let counts = self.versions.iter().flat_map(|version| &version.states);
        counts.filter(|count| count.state == state).map(|count| count.sagas).sum()
    }

    /// How many sagas there are.
    pub fn sagas(&self) -> u64 {
        ListedState::ALL.into_iter().map(|state| self.in_state(state)).sum()
    }
}

impl FleetVersion {
    /// How many of them are in this state.
    pub fn in_state(&self, state: ListedState) -> u64 {
        let counts = self.states.iter().filter(|count| count.state == state);
        counts.map(|count| count.sagas).sum()
    }

    /// When one of the oldest of them was created that have not ended.
    pub fn oldest_unfinished(&self) -> Option<Timestamp> {
        let unfinished = self.states.iter().filter(|count| !count.state.is_ended());
        unfinished.map(|count| count.oldest).min()
    }
}

impl fmt::Display for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for version in &self.versions {
            write!(f, "{}", version.saga)?;
            match version.version {
                Some(number) => write!(f, " version {number}")?,
                None => write!(f, " fingerprint {}", version.fingerprint)?,
            }
            if version.known == Some(false) {
                write!(f, " (not known to this program)")?;
            }
            let mut between = ": ";
            for StateCount { state, sagas, .. } in &version.states {
                write!(f, "{between}{sagas} {state}")?;
                between = ", ";
            }
            if let Some(oldest) = version.oldest_unfinished() {
                write!(f, "; oldest unfinished from {oldest}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Reader<'_> {
    pub(super) async fn fleet(&self) -> Result<Fleet, StoreError> {
        let counts = self.store.counts().await?.into_iter();
        let mut versions = counts.map(|counts| self.version(counts)).collect::<Vec<_>>();
        versions.sort_by(|a, b| {
            (&a.saga, a.version, &a.fingerprint).cmp(&(&b.saga, b.version, &b.fingerprint))
        });
        let oldest = versions.iter().filter_map(FleetVersion::oldest_unfinished).min();
        Ok(Fleet { at: self.now, versions, oldest_unfinished: oldest })
    }

    fn version(&self, counts: VersionCounts) -> FleetVersion {
        let VersionCounts { name, fingerprint, dag, states } = counts;
        FleetVersion {
            saga: name,
            version: stored_version(dag.as_bytes()),
            known: self.home.map(|home| home.knows(&fingerprint, &dag)),
            fingerprint,
            states,
        }
    }
}

impl Operator {
    /// How many sagas there are of each name and version, in which states, and how old they are.
    ///
    /// # Errors
    /// [`OperateError::Store`].
    pub async fn fleet(&self) -> Result<Fleet, OperateError> {
        self.read(|reader| Box::pin(async move { Ok(reader.fleet().await?) })).await
    }
}
