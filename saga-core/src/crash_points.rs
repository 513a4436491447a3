//! Named places where a test kills the process: before and after everything that a driver or a store does to what
//! outlives it. Without the feature `fault-injection` they compile to nothing.
//!
//! `SAGA_CRASH_AT=file.append.written` in the environment aborts the process the first time that it passes this
//! place, and `SAGA_CRASH_AT=file.append.written:3` the third time. No destructor runs, as after a kill.
//! `tests/crashes` in this repository passes through all of [`ALL`].

/// The names of all places, in alphabetical order. `saga-core/tests/crash_points.rs` compares them with the calls.
#[cfg(feature = "fault-injection")]
pub const ALL: &[&str] = &[
    "driver.append.asking",
    "driver.append.durable",
    "driver.append.told",
    "driver.call.ended",
    "driver.call.failed",
    "driver.call.starting",
    "driver.claim.done",
    "driver.create.asking",
    "driver.create.durable",
    "driver.finish.telling",
    "driver.migrate.asking",
    "driver.migrate.durable",
    "driver.probe.ended",
    "driver.probe.starting",
    "driver.recover.loaded",
    "driver.release.telling",
    "driver.request.accepted",
    "driver.shutdown.closing",
    "driver.shutdown.releasing",
    "driver.suspend.asking",
    "driver.suspend.durable",
    "driver.transaction.asking",
    "driver.transaction.durable",
    "driver.undo.ended",
    "driver.undo.starting",
    "driver.wake.claimed",
    "file.answer.moved",
    "file.answer.writing",
    "file.answer.written",
    "file.append.answering",
    "file.append.writing",
    "file.append.written",
    "file.claim.after",
    "file.claim.before",
    "file.claim_due.after",
    "file.claim_due.before",
    "file.directory.created",
    "file.group.committed",
    "file.group.listed",
    "file.group.named",
    "file.group.staged",
    "file.group.synced",
    "file.group.telling",
    "file.marker.writing",
    "file.marker.written",
    "file.new.writing",
    "file.new.written",
    "file.open.answered",
    "file.open.locked",
    "file.open.prepared",
    "file.open.repaired",
    "file.open.synced",
    "file.purge.listed",
    "file.purge.unlisted",
    "file.release.after",
    "file.release.before",
    "file.remove.after",
    "file.remove.before",
    "file.rename.after",
    "file.rename.before",
    "file.request.writing",
    "file.request.written",
    "file.requests.removed",
    "file.suspend.after",
    "file.suspend.before",
    "file.sync.after",
    "file.sync.before",
    "file.sync_directory.after",
    "file.sync_directory.before",
    "file.tail.cut",
    "file.tail.cutting",
    "file.take.after",
    "file.take.before",
    "file.unfinished.removed",
    "file.write.unlisted",
    "file.write.unsynced",
    "postgres.answer.after",
    "postgres.answer.before",
    "postgres.append.after",
    "postgres.append.before",
    "postgres.append.telling",
    "postgres.append.unknown",
    "postgres.claim.after",
    "postgres.claim.before",
    "postgres.claim_due.after",
    "postgres.claim_due.before",
    "postgres.create.after",
    "postgres.create.before",
    "postgres.create.telling",
    "postgres.define.after",
    "postgres.define.before",
    "postgres.delete.after",
    "postgres.delete.before",
    "postgres.forget.after",
    "postgres.forget.before",
    "postgres.introduce.after",
    "postgres.introduce.before",
    "postgres.meta.after",
    "postgres.meta.before",
    "postgres.migration.committed",
    "postgres.migration.created",
    "postgres.migration.written",
    "postgres.purge.after",
    "postgres.purge.before",
    "postgres.release.after",
    "postgres.release.before",
    "postgres.release.between",
    "postgres.renew.after",
    "postgres.renew.before",
    "postgres.request.after",
    "postgres.request.before",
    "postgres.retire.before",
    "postgres.retire.removed",
    "postgres.retire.restored",
    "postgres.shares.after",
    "postgres.shares.before",
    "postgres.standbys.after",
    "postgres.standbys.before",
    "postgres.suspend.after",
    "postgres.suspend.before",
    "postgres.take.after",
    "postgres.take.before",
    "postgres.transaction.begun",
    "postgres.transaction.committed",
    "postgres.transaction.compared",
    "postgres.transaction.ending",
    "postgres.transaction.found",
    "postgres.transaction.unknown",
    "postgres.transaction.worked",
    "postgres.transaction.written",
    "postgres.version.after",
    "postgres.version.before",
    "sqlite.answer.written",
    "sqlite.append.advanced",
    "sqlite.append.answered",
    "sqlite.append.defined",
    "sqlite.append.logged",
    "sqlite.append.redefined",
    "sqlite.batch.beginning",
    "sqlite.batch.begun",
    "sqlite.batch.committed",
    "sqlite.batch.told",
    "sqlite.batch.written",
    "sqlite.claim.written",
    "sqlite.claim_due.written",
    "sqlite.close.before",
    "sqlite.create.inserted",
    "sqlite.create.logged",
    "sqlite.delete.removed",
    "sqlite.migration.begun",
    "sqlite.migration.created",
    "sqlite.migration.written",
    "sqlite.open.configured",
    "sqlite.open.created",
    "sqlite.open.locked",
    "sqlite.open.migrated",
    "sqlite.purge.removed",
    "sqlite.release.written",
    "sqlite.remove.part",
    "sqlite.request.written",
    "sqlite.suspend.written",
    "sqlite.sync_directory.after",
    "sqlite.sync_directory.before",
    "sqlite.take.written",
    "sqlite.transaction.begun",
    "sqlite.transaction.committed",
    "sqlite.transaction.worked",
    "sqlite.transaction.written",
    "store.lock.opened",
    "store.lock.released",
];

/// Ends the process here, if the environment says so.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub(crate) const fn crash_point(_name: &'static str) {}

#[cfg(feature = "fault-injection")]
pub(crate) use planned::crash_point;
#[cfg(feature = "fault-injection")]
pub use planned::{CRASH_AT, passed};

#[cfg(feature = "fault-injection")]
mod planned {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, OnceLock, PoisonError};

    /// The environment variable with the name of a place, or with `count` to crash nowhere and to count.
    pub const CRASH_AT: &str = "SAGA_CRASH_AT";

    struct Plan {
        name: String,
        /// How many times it is passed, the last one included.
        times: u64,
        passed: Mutex<BTreeMap<&'static str, u64>>,
    }

    /// Nothing without the environment variable, so that other tests pay for one load only.
    fn plan() -> Option<&'static Plan> {
        static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
        let read = || {
            let at = std::env::var(CRASH_AT).ok()?;
            let (name, times) = match at.split_once(':') {
                Some((name, times)) => (name, times.parse().ok()?),
                None => (&*at, 1),
            };
            Some(Plan { name: name.to_string(), times, passed: Mutex::default() })
        };
        PLAN.get_or_init(read).as_ref()
    }

    /// Ends the process here, if the environment says so.
    pub(crate) fn crash_point(name: &'static str) {
        let Some(plan) = plan() else { return };
        let times = {
            let mut passed = plan.passed.lock().unwrap_or_else(PoisonError::into_inner);
            let times = passed.entry(name).or_default();
            *times += 1;
            *times
        };
        if plan.name == name && plan.times == times {
            eprintln!("crash point {name}:{times}");
            std::process::abort();
        }
    }

    /// How often this process has passed each place, if the environment variable is set.
    pub fn passed() -> BTreeMap<&'static str, u64> {
        plan().map_or_else(BTreeMap::new, |plan| {
            plan.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }
}
