//! Writes that wait together. Each goes to its own log, then all of them are made durable at the same time.

use std::io;
use std::path::Path;

use uuid::Uuid;

use super::super::{Append, Created, NewDefinition, NewSaga, SagaRecord, StoreError};
use super::durable_files::Unsynced;
use super::log_writer::{KnownSaga, LogWriter};
use super::{file_names, log_file};
use crate::crash_points::crash_point;
use crate::log::{Answer, Entry, SagaId};

/// The largest number of writes in a group, each of which has a file open.
pub(super) const MAX_GROUP: usize = 128;

/// A write that can be made durable together with writes to other logs.
pub(super) enum LogWrite {
    Create(NewSaga),
    Append(Append),
}

impl LogWrite {
    pub(super) fn saga(&self) -> &SagaId {
        match self {
            Self::Create(new) => &new.record.id,
            Self::Append(append) => &append.saga,
        }
    }
}

/// A write that is in its log, and not durable yet.
pub(super) struct StagedWrite {
    /// The record after the write.
    record: SagaRecord,
    unsynced: Unsynced,
    /// The length of the log after the write.
    len: u64,
    answers: Vec<(Uuid, Answer)>,
}

/// What became of a write before anything is made durable.
enum Outcome {
    Staged,
    Known(Result<Created, StoreError>),
}

impl LogWriter {
    /// Carries out writes to different sagas. Returns one result for each, in the same order; that of an append is
    /// [`Created::New`].
    pub(super) fn write_together(
        &mut self,
        writes: Vec<LogWrite>,
    ) -> Vec<Result<Created, StoreError>> {
        let mut staged = Vec::new();
        let mut outcomes = Vec::new();
        for write in writes {
            let outcome = match write {
                LogWrite::Create(new) => self.stage_create(new, &mut staged),
                LogWrite::Append(append) => self.stage_append(append, &mut staged),
            };
            outcomes.push(outcome.unwrap_or_else(|e| Outcome::Known(Err(e))));
        }
        crash_point("file.group.staged");
        let mut committed = self.commit(staged).into_iter();
        crash_point("file.group.committed");
        let lost = || Err(self.directory.failed("a write has no result"));
        let result = |outcome| match outcome {
            Outcome::Known(result) => result,
            Outcome::Staged => committed.next().unwrap_or_else(lost).map(|()| Created::New),
        };
        outcomes.into_iter().map(result).collect()
    }

    fn stage_create(
        &self,
        new: NewSaga,
        staged: &mut Vec<StagedWrite>,
    ) -> Result<Outcome, StoreError> {
        new.check().map_err(|why| self.directory.failed(why))?;
        self.check()?;
        let NewSaga { record, entries } = new;
        if let Some(there) = self.sagas.get(&record.id) {
            return Ok(Outcome::Known(Ok(Created::Exists(Box::new(there.record.clone())))));
        }
        let name = file_names::of_log(&record.id);
        if self.directory.path(&name).exists() {
            return Err(self.unknown_log(record.id));
        }
        let lines =
            log_file::create(&record, &entries).map_err(|why| self.directory.failed(why))?;
        let unsynced = self.directory.begin_write(Path::new(&name), &lines);
        let unsynced = unsynced.map_err(|e| self.close_after(&record.id, &e))?;
        let len = lines.len() as u64;
        staged.push(StagedWrite { record, unsynced, len, answers: Vec::new() });
        Ok(Outcome::Staged)
    }

    fn stage_append(
        &mut self,
        append: Append,
        staged: &mut Vec<StagedWrite>,
    ) -> Result<Outcome, StoreError> {
        append.check().map_err(|why| self.directory.failed(why))?;
        self.check()?;
        let Some(known) = self.sagas.get(&append.saga) else {
            return Err(StoreError::NotFound { saga: append.saga });
        };
        let mut record = known.record.clone();
        append.apply_to(&mut record)?;
        let mut answers = append.answers;
        answers.retain(|(request, _)| self.directory.is_waiting(*request));
        staged.push(self.stage(record, &append.entries, append.change.definition, answers)?);
        Ok(Outcome::Staged)
    }

    /// Appends a changed record to its log, after the entries that changed it.
    fn stage(
        &mut self,
        record: SagaRecord,
        entries: &[Entry],
        definition: Option<Box<NewDefinition>>,
        answers: Vec<(Uuid, Answer)>,
    ) -> Result<StagedWrite, StoreError> {
        let Some(known) = self.sagas.get_mut(&record.id) else {
            return Err(StoreError::NotFound { saga: record.id });
        };
        if let Some(damage) = &known.damage {
            return Err(damage.clone());
        }
        let lines = log_file::change(&record, entries, definition, &answers)
            .map_err(|why| self.directory.failed(why))?;
        let name = file_names::of_log(&record.id);
        let name = Path::new(&name);
        if let Err(why) = self.directory.check_len(name, known.len) {
            let (saga, seq) = (record.id, known.record.next_seq);
            let damage = StoreError::Corrupt { saga, seq, why };
            known.damage = Some(damage.clone());
            return Err(damage);
        }
        let (before, len) = (known.len, known.len + lines.len() as u64);
        match self.directory.begin_append(name, before, &lines) {
            Ok(unsynced) => Ok(StagedWrite { record, unsynced, len, answers }),
            Err(e) => Err(self.close_after(&record.id, &e)),
        }
    }

    /// Makes staged writes durable, and then changes what is in memory. Returns one result for each.
    fn commit(&mut self, staged: Vec<StagedWrite>) -> Vec<Result<(), StoreError>> {
        if staged.is_empty() {
            return Vec::new();
        }
        let files: Vec<_> = staged.iter().map(|write| write.unsynced.file()).collect();
        let synced = self.sync_pool.sync(&files);
        drop(files);
        crash_point("file.group.synced");
        let finish =
            |(write, synced): (&StagedWrite, _)| self.directory.finish(&write.unsynced, synced);
        let finished: Vec<io::Result<()>> = staged.iter().zip(synced).map(finish).collect();
        crash_point("file.group.named");
        let listed = match staged.iter().any(|write| write.unsynced.is_new()) {
            true => self.directory.sync_directories(&[""]).map_err(|e| e.to_string()),
            false => Ok(()),
        };
        crash_point("file.group.listed");
        // The files may have been removed since they were opened.
        let checked = self.check_files();
        let mut results = Vec::new();
        for (write, finished) in staged.into_iter().zip(finished) {
            let durable = match (&listed, write.unsynced.is_new()) {
                (Err(why), true) => finished.and_then(|()| Err(io::Error::other(why.clone()))),
                (Ok(()) | Err(_), _) => finished,
            };
            results.push(match durable {
                Ok(()) => checked.clone().and(self.durable(write)),
                Err(e) => Err(self.close_after(&write.record.id, &e)),
            });
        }
        results
    }

    /// Changes what is in memory, after a write that is durable.
    fn durable(&mut self, write: StagedWrite) -> Result<(), StoreError> {
        let StagedWrite { record, len, answers, .. } = write;
        match self.sagas.get_mut(&record.id) {
            Some(known) => (known.record, known.len) = (record, len),
            None => {
                self.sagas.insert(record.id.clone(), KnownSaga { record, len, damage: None });
            }
        }
        if !answers.is_empty() {
            crash_point("file.append.answering");
        }
        // The answers are in the log: if this fails, they are given when the store is opened again.
        answers.into_iter().try_for_each(|(request, answer)| self.answer(request, answer))
    }

    /// Changes only the records of sagas, and returns them. Sagas that are not there are skipped.
    pub(super) fn change(
        &mut self,
        ids: &[SagaId],
        how: impl Fn(&mut SagaRecord),
    ) -> Result<Vec<SagaRecord>, StoreError> {
        let mut changed = Vec::new();
        for ids in ids.chunks(MAX_GROUP) {
            let mut staged = Vec::new();
            let result = ids.iter().try_for_each(|id| {
                changed.extend(self.stage_change(id, &how, &mut staged)?);
                Ok(())
            });
            self.commit(staged).into_iter().collect::<Result<(), _>>()?;
            result?;
        }
        Ok(changed)
    }

    fn stage_change(
        &mut self,
        id: &SagaId,
        how: impl Fn(&mut SagaRecord),
        staged: &mut Vec<StagedWrite>,
    ) -> Result<Option<SagaRecord>, StoreError> {
        let Some(known) = self.sagas.get(id) else {
            return match self.directory.path(file_names::of_log(id)).exists() {
                true => Err(self.unknown_log(id.clone())),
                false => Ok(None),
            };
        };
        let mut record = known.record.clone();
        how(&mut record);
        match self.stage(record.clone(), &[], None, Vec::new()) {
            Ok(write) => staged.push(write),
            // A damaged log must not keep other sagas from being claimed. Loading it reports the damage.
            Err(StoreError::Corrupt { .. }) => {
                if let Some(known) = self.sagas.get_mut(id) {
                    known.record = record.clone();
                }
            }
            Err(e) => return Err(e),
        }
        Ok(Some(record))
    }
}
