//! Writes to logs, on behalf of the worker. Only the worker writes logs, and it keeps all records in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::slice;
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use super::super::open_files::OpenFiles;
use super::super::worker_lock::WorkerLock;
use super::super::{Purge, SagaRecord, StoreError, StoredSaga, Suspension, WorkerId};
use super::directory::{Directory, LOCK};
use super::durable_files::is_full;
use super::file_names;
use super::group_commit::MAX_GROUP;
use super::log_file::LogFile;
use super::sync_pool::SyncPool;
use crate::crash_points::crash_point;
use crate::log::{Answer, SagaId, Timestamp};

pub(super) struct LogWriter {
    pub(super) directory: Directory,
    pub(super) sagas: BTreeMap<SagaId, KnownSaga>,
    pub(super) sync_pool: SyncPool,
    /// Why the store refuses all further writes, if it does.
    poison: OnceLock<String>,
    files: OpenFiles,
    _lock: WorkerLock,
}

/// A saga in memory; its entries stay on disk.
pub(super) struct KnownSaga {
    pub(super) record: SagaRecord,
    /// The length of its log file.
    pub(super) len: u64,
    /// The damage to its log, if any. A damaged log no longer grows, and the record changes only in memory.
    pub(super) damage: Option<StoreError>,
}

impl LogWriter {
    /// Takes the lock and cleans up after a crash.
    pub(super) fn open(directory: Directory) -> Result<Self, StoreError> {
        directory.create()?;
        let lock = WorkerLock::take(directory.place(), &directory.path(LOCK))?;
        crash_point("file.open.locked");
        directory.prepare()?;
        crash_point("file.open.prepared");
        let files = directory.watch(&lock)?;
        let mut sync_pool = SyncPool::new(directory.clone());
        let logs = directory.logs()?;
        let intact = logs.iter().filter(|log| log.damage.is_none()).collect::<Vec<_>>();
        for group in intact.chunks(MAX_GROUP) {
            make_durable(&directory, &mut sync_pool, group)?;
        }
        let mut sagas = BTreeMap::new();
        for LogFile { saga: StoredSaga { record, .. }, len, damage, .. } in logs {
            sagas.insert(record.id.clone(), KnownSaga { record, len, damage });
        }
        crash_point("file.open.repaired");
        // A log that cannot be decoded still belongs to a saga.
        directory.remove_requests(|id| {
            !sagas.contains_key(id) && !directory.path(file_names::of_log(id)).exists()
        })?;
        Ok(Self { directory, sagas, sync_pool, poison: OnceLock::new(), files, _lock: lock })
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &SagaRecord> {
        self.sagas.values().map(|kept| &kept.record)
    }

    pub(super) fn run_key_of(&self, id: &SagaId) -> Option<Uuid> {
        self.sagas.get(id).map(|kept| kept.record.run_key)
    }

    pub(super) fn claim(
        &mut self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> Result<Vec<SagaRecord>, StoreError> {
        self.check()?;
        let free = SagaRecord::claimable(self.records(), worker, fingerprints, limit);
        crash_point("file.claim.before");
        let claimed = self.change(&free, |record| record.claim(worker))?;
        crash_point("file.claim.after");
        // what is left then, it does not know
        if claimed.len() < limit {
            WorkerLock::sign(&self.directory.path(LOCK), worker);
        }
        Ok(claimed)
    }

    pub(super) fn suspend(&mut self, suspension: &Suspension) -> Result<(), StoreError> {
        self.check()?;
        let id = &suspension.saga;
        // compared before anything is written
        if let Some(kept) = self.sagas.get(id) {
            kept.record.clone().suspend(suspension)?;
        }
        crash_point("file.suspend.before");
        let suspended = self.change(slice::from_ref(id), |record| {
            // it was compared above, and nobody else writes
            let _ = record.suspend(suspension);
        })?;
        crash_point("file.suspend.after");
        match suspended.is_empty() {
            true => Err(StoreError::NotFound { saga: id.clone() }),
            false => Ok(()),
        }
    }

    pub(super) fn claim_due(
        &mut self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SagaRecord>, StoreError> {
        self.check()?;
        let due = SagaRecord::due(self.records(), fingerprints, now, limit);
        crash_point("file.claim_due.before");
        let claimed = self.change(&due, |record| record.claim(worker))?;
        crash_point("file.claim_due.after");
        Ok(claimed)
    }

    pub(super) fn take(
        &mut self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> Result<Option<SagaRecord>, StoreError> {
        self.check()?;
        crash_point("file.take.before");
        let taken = self.change(slice::from_ref(id), |record| record.take(worker))?;
        crash_point("file.take.after");
        Ok(taken.into_iter().next())
    }

    pub(super) fn release(&mut self, worker: &WorkerId) -> Result<(), StoreError> {
        self.check()?;
        let owned = |r: &&SagaRecord| r.owner.as_ref() == Some(worker) && !r.status.is_ended();
        let owned: Vec<SagaId> = self.records().filter(owned).map(|r| r.id.clone()).collect();
        let release = |record: &mut SagaRecord| {
            record.release(worker);
        };
        crash_point("file.release.before");
        self.change(&owned, release)?;
        crash_point("file.release.after");
        Ok(())
    }

    pub(super) fn answer(&mut self, request: Uuid, answer: Answer) -> Result<(), StoreError> {
        self.check()?;
        self.directory.answer(request, answer).inspect_err(|e| self.poison(e.to_string()))?;
        self.check_files()
    }

    pub(super) fn delete(&mut self, id: &SagaId) -> Result<bool, StoreError> {
        self.check()?;
        match self.sagas.get(id) {
            Some(kept) if kept.record.is_held() => {
                return Err(StoreError::Fenced { saga: id.clone() });
            }
            None if !self.directory.path(file_names::of_log(id)).exists() => return Ok(false),
            Some(_) | None => {}
        }
        self.remove(&BTreeSet::from([id.clone()]))?;
        Ok(true)
    }

    pub(super) fn purge(&mut self, purge: &Purge) -> Result<u64, StoreError> {
        self.check()?;
        let asked = self.directory.asked()?;
        let old = purge.select(self.records(), |id| asked.contains(id));
        let old: BTreeSet<SagaId> = old.into_iter().collect();
        if !old.is_empty() {
            self.remove(&old)?;
        }
        Ok(old.len() as u64)
    }

    /// Removes the logs first: requests without a saga are removed when the store is opened.
    fn remove(&mut self, gone: &BTreeSet<SagaId>) -> Result<(), StoreError> {
        for id in gone {
            let removed = self.directory.remove(Path::new(&file_names::of_log(id)));
            removed.map_err(|e| self.close_after(id, &e))?;
            self.sagas.remove(id);
        }
        crash_point("file.purge.unlisted");
        if let Err(e) = self.directory.sync_directories(&[""]) {
            self.poison(e.to_string());
            return Err(self.directory.failed(format!("cannot remove sagas: {e}")));
        }
        crash_point("file.purge.listed");
        self.directory
            .remove_requests(|id| gone.contains(id))
            .inspect_err(|e| self.poison(e.to_string()))
    }

    /// The error for a log file whose saga is not in memory.
    pub(super) fn unknown_log(&self, saga: SagaId) -> StoreError {
        match self.directory.log(&saga) {
            Err(e) => e,
            Ok(_) => {
                let why = "another program has written its file; open the store again".to_string();
                StoreError::Corrupt { saga, seq: 0, why }
            }
        }
    }

    /// Fails if the files are no longer where the next worker will look for them.
    pub(super) fn check_files(&self) -> Result<(), StoreError> {
        self.files.check().map_err(|why| self.directory.closed(why))
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.poison.get() {
            None => self.check_files(),
            Some(why) => Err(self.directory.closed(format!(
                "an earlier write failed ({why}), so the store accepts no more writes; check the disk, \
                 then open the store again"
            ))),
        }
    }

    /// Closes the store after a failed write, unless the disk was full. After a failed write or fsync it is
    /// unknown what is on disk, and a later fsync may succeed without it (PostgreSQL's "fsyncgate").
    pub(super) fn close_after(&self, saga: &SagaId, e: &io::Error) -> StoreError {
        if is_full(e) {
            return write_error(&self.directory, saga, e);
        }
        self.poison(e.to_string());
        self.directory.closed(write_error_text(saga, e))
    }

    fn poison(&self, why: String) {
        self.poison.get_or_init(|| why);
    }
}

/// Makes logs durable, without what was cut short by a crash, and gives the answers that their last writes gave. The last
/// write of a killed worker may be complete but not durable. From now on it is visible.
fn make_durable(
    directory: &Directory,
    sync_pool: &mut SyncPool,
    logs: &[&LogFile],
) -> Result<(), StoreError> {
    let failed = |log: &LogFile, e| write_error(directory, &log.saga.record.id, &e);
    let mut files = Vec::new();
    for log in logs {
        let name = file_names::of_log(&log.saga.record.id);
        let file = directory.reopen(Path::new(&name), log.cut_short.then_some(log.len));
        files.push(Arc::new(file.map_err(|e| failed(log, e))?));
    }
    for (log, synced) in logs.iter().zip(sync_pool.sync(&files)) {
        synced.map_err(|e| failed(log, e))?;
        crash_point("file.open.synced");
        for (request, answer) in &log.answers {
            directory.answer(*request, answer.clone())?;
            crash_point("file.open.answered");
        }
    }
    Ok(())
}

fn write_error(directory: &Directory, saga: &SagaId, e: &io::Error) -> StoreError {
    directory.failed(write_error_text(saga, e))
}

fn write_error_text(saga: &SagaId, e: &io::Error) -> String {
    format!("cannot write the log of saga {saga}: {e}")
}
