//! What a migration would do to the sagas in a store, before anything is written.

use std::fmt;

use super::super::CoordinatorInner;
use super::super::definitions::Definitions;
use crate::limits::Limits;
use crate::log::{SagaId, SagaStatus};
use crate::machine::Ineligible;
use crate::store::{ListFilter, Store, StoreError};

/// How many records are listed in one go.
const PAGE: usize = 256;

/// What one [`Migration`](super::Migration) would do to the unfinished sagas of its old version that are in the store now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationOutlook {
    /// The saga's durable name.
    pub saga: String,
    /// The old version.
    pub from: u32,
    /// The new version.
    pub to: u32,
    /// The sagas that are migrated when they are next taken up.
    pub eligible: Vec<SagaId>,
    /// The sagas that first have to find out, with the old version, how their calls have ended, and why.
    pub settling: Vec<(SagaId, Ineligible)>,
    /// The sagas that go on with the old version, and why.
    pub staying: Vec<(SagaId, Ineligible)>,
}

impl fmt::Display for MigrationOutlook {
    /// A line with the numbers, and one for each saga that is not migrated, with the reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { saga, from, to, eligible, settling, staying } = self;
        write!(
            f,
            "`{saga}` from version {from} to version {to}: {} eligible, {} still to find out how a call ended, {} not eligible",
            eligible.len(),
            settling.len(),
            staying.len()
        )?;
        for (id, why) in settling.iter().chain(staying) {
            write!(f, "\n  {id}: {why}")?;
        }
        Ok(())
    }
}

impl CoordinatorInner {
    /// What the migrations of this program would do to the sagas in the store.
    pub(in crate::coordinator) async fn migrations(
        &self,
    ) -> Result<Vec<MigrationOutlook>, StoreError> {
        outlook(&*self.env.store, &self.definitions, &self.env.limits).await
    }
}

/// What migrations would do to the sagas in a store.
pub(in crate::coordinator) async fn outlook(
    store: &dyn Store,
    definitions: &Definitions,
    limits: &Limits,
) -> Result<Vec<MigrationOutlook>, StoreError> {
    let mut found = Vec::new();
    for (old, migration) in definitions.migrations() {
        let mut outlook = MigrationOutlook {
            saga: old.dag.name().to_string(),
            from: old.dag.version(),
            to: migration.new.dag.version(),
            eligible: Vec::new(),
            settling: Vec::new(),
            staying: Vec::new(),
        };
        let mut filter = ListFilter {
            name: Some(outlook.saga.clone()),
            statuses: vec![SagaStatus::Running, SagaStatus::Failed, SagaStatus::RollingBack],
            limit: PAGE,
            ..ListFilter::default()
        };
        loop {
            let page = store.list(filter.clone()).await?;
            for record in page.iter().filter(|r| *r.fingerprint == *old.dag.fingerprint()) {
                // it may have ended by now
                let Some(stored) = store.load(&record.id).await? else { continue };
                if *stored.record.fingerprint != *old.dag.fingerprint() {
                    continue;
                }
                let id = record.id.clone();
                match migration.plan(&stored, old, limits) {
                    Ok(_) => outlook.eligible.push(id),
                    Err(Ineligible::Ended) => {}
                    Err(why) if why.may_pass() => outlook.settling.push((id, why)),
                    Err(why) => outlook.staying.push((id, why)),
                }
            }
            filter.after = page.last().map(|record| record.id.clone());
            if page.len() < PAGE {
                break;
            }
        }
        found.push(outlook);
    }
    Ok(found)
}
