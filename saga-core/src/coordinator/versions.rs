//! The definitions of unfinished sagas that this program does not know: their sagas go on only with a program that does,
//! so that is said aloud.

use std::fmt;
use std::sync::PoisonError;
use std::time::Duration;

use super::CoordinatorInner;
use crate::dag::{stored_fingerprint, stored_version};
use crate::log::{Payload, Timestamp};
use crate::store::{ListFilter, SagaRecord, SagaVersion, StoreError};

/// How many records are listed in one go.
const PAGE: usize = 256;

/// What [`build`](super::CoordinatorBuilder::build) does if the store has unfinished sagas whose definition the program does
/// not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownVersions {
    /// Logs a warning for each definition, and builds the coordinator. The sagas stay as they are. For stores that several
    /// programs share, each of which knows some of the sagas.
    #[default]
    Warn,
    /// Fails with [`BuildError::UnknownVersions`](super::BuildError::UnknownVersions). For a program that is the only one on its
    /// store: a deployment that would leave sagas behind then stops before it has changed anything.
    Refuse,
}

impl CoordinatorInner {
    /// Looks at the definitions of unfinished sagas, and rebuilds definitions that consist of registered actions. Remembers
    /// the ones that this program does not know.
    pub(super) async fn learn_versions(&self) -> Result<(), StoreError> {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for version in self.env.store.versions().await? {
            if self.definitions.known(&version.fingerprint).is_some() {
                known.push(version);
                continue;
            }
            let dag = self.intact(&version).await?;
            match self.definitions.rebuild(&dag, &version.fingerprint) {
                Some(definition) => {
                    self.definitions.remember(definition);
                    known.push(version);
                }
                None => unknown.push(version),
            }
        }
        #[cfg(feature = "metrics")]
        set_gauges(&self.unknown_versions(), &known, &unknown);
        *self.unknown.lock().unwrap_or_else(PoisonError::into_inner) = unknown;
        Ok(())
    }

    /// The DAG of a version. The store shows the one of some saga, which may be damaged. Another saga's copy
    /// then takes its place, so that one damaged saga does not keep the others from resuming.
    async fn intact(&self, version: &SagaVersion) -> Result<Payload, StoreError> {
        let fits = |dag: &Payload| {
            stored_fingerprint(dag.as_bytes()).is_some_and(|found| found == version.fingerprint)
        };
        if fits(&version.dag) {
            return Ok(version.dag.clone());
        }
        let name = Some(version.name.clone());
        let mut filter = ListFilter { name, limit: PAGE, ..ListFilter::default() };
        loop {
            let page = self.env.store.list(filter.clone()).await?;
            let same = |record: &&SagaRecord| *record.fingerprint == *version.fingerprint;
            if let Some(record) = page.iter().filter(same).find(|record| fits(&record.dag)) {
                return Ok(record.dag.clone());
            }
            filter.after = page.last().map(|record| record.id.clone());
            if page.len() < PAGE {
                return Ok(version.dag.clone());
            }
        }
    }

    /// The definitions of unfinished sagas that this program does not know, as of the last look.
    pub(super) fn unknown_versions(&self) -> Vec<SagaVersion> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says which unfinished sagas do not go on in this program, and how to bring them back.
    pub(super) fn warn_of_unknown_versions(&self) {
        let now = self.env.clock.now();
        for SagaVersion { name, fingerprint, dag, unfinished, oldest } in self.unknown_versions() {
            let version = stored_version(dag.as_bytes());
            tracing::warn!(
                target: "saga_core", saga = name, version, fingerprint, unfinished, oldest_age = ?age(oldest, now),
                "unfinished sagas were started by a version of `{name}` that is not registered here, so this program does not \
                 run them; register that version with `CoordinatorBuilder::old_saga`"
            );
        }
    }
}

/// How long ago that was, in whole seconds.
fn age(then: Timestamp, now: Timestamp) -> Duration {
    Duration::from_secs(now.0.saturating_sub(then.0) / 1000)
}

/// Sets a gauge for each version of which there are unfinished sagas, or were when `before` was found to be unknown: to 0 if
/// this program knows it. The least of what all workers say is then how many sagas no worker knows.
#[cfg(feature = "metrics")]
fn set_gauges(before: &[SagaVersion], known: &[SagaVersion], unknown: &[SagaVersion]) {
    let zero = before.iter().chain(known).map(|version| (version, 0));
    let counted = unknown.iter().map(|version| (version, version.unfinished));
    for (SagaVersion { name, fingerprint, dag, .. }, unfinished) in zero.chain(counted) {
        let version = stored_version(dag.as_bytes()).map(|number| number.to_string());
        let labels = [
            ("saga", name.clone()),
            ("version", version.unwrap_or_default()),
            ("fingerprint", fingerprint.clone()),
        ];
        metrics::gauge!("saga_unknown_version", &labels).set(unfinished as f64);
    }
}

/// Unknown versions in a sentence.
pub(super) struct Listed<'a>(pub(super) &'a [SagaVersion]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.iter().map(|version| version.unfinished).sum::<u64>();
        let sagas = if all == 1 { "saga" } else { "sagas" };
        write!(f, "the store has {all} unfinished {sagas} that this program cannot run: ")?;
        for (i, version) in self.0.iter().enumerate() {
            let SagaVersion { name, fingerprint, dag, unfinished, .. } = version;
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{unfinished} of `{name}`")?;
            if let Some(version) = stored_version(dag.as_bytes()) {
                write!(f, " version {version}")?;
            }
            write!(f, " (fingerprint {fingerprint})")?;
        }
        Ok(())
    }
}
