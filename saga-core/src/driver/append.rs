//! What goes into the store: the entries of a in_flight, and what they change in the saga's record.

use futures_util::future::BoxFuture;

use super::Driver;
use super::in_flight::{Appended, InFlight};
use crate::error::ActionError;
use crate::log::{Answer, Entry, Halt, Payload, SagaEntry, SagaStatus, Uuid};
use crate::machine::Event;
use crate::panics;
use crate::store::{Append, Created, NewSaga, RecordChange, StoreError};

impl<C: Send + Sync + 'static> Driver<C> {
    /// Begins the append of a in_flight. What a transaction has written already is not written again.
    pub(super) fn write(
        &mut self,
        entries: Vec<Entry>,
        answers: Vec<(Uuid, Answer)>,
        in_flight: &mut InFlight,
    ) {
        if in_flight.decides {
            self.values.fill(self.machine.state(), &entries);
            in_flight.decides = false;
        }
        in_flight.answers.clone_from(&answers);
        in_flight.written = self.observed(&entries);
        in_flight.gets_on = entries.iter().any(|entry| entry.kind.is_progress());
        let entries = in_flight.transactions.not_written(entries);
        if !entries.is_empty() {
            in_flight.append = Some(self.append(entries, answers));
            return;
        }
        self.observe(in_flight);
        self.report_status();
        in_flight.answer();
        let appended = self.step([Event::Appended]);
        in_flight.todo.extend(appended);
    }

    fn append(
        &mut self,
        entries: Vec<Entry>,
        answers: Vec<(Uuid, Answer)>,
    ) -> BoxFuture<'static, Appended> {
        let store = self.env.store.clone();
        let change = match self.change(&entries) {
            Ok(change) => change,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        if let Some(mut record) = self.new.take() {
            record.status = change.status;
            record.error = change.error;
            record.context = change.context;
            record.wake_at = change.wake_at;
            record.parked_reason = change.parked_reason.flatten();
            record.next_seq = self.machine.state().next_seq();
            return Box::pin(async move {
                match store.create(NewSaga { record, entries }).await? {
                    Created::New => Ok(None),
                    Created::Exists(existing) => Ok(Some(existing)),
                }
            });
        }
        let append = Append {
            saga: self.run.id.clone(),
            owner: self.env.worker.clone(),
            epoch: self.epoch,
            expected_next_seq: entries.first().map_or(0, |entry| entry.seq),
            entries,
            change,
            answers,
        };
        Box::pin(async move { store.append(append).await.map(|()| None) })
    }

    /// The context as it is now, if it is state. One that cannot be written stops the saga: what the entries
    /// say would be without the state that goes with it.
    fn snapshot(&self) -> Result<Option<Payload>, StoreError> {
        let Some(write) = self.env.snapshot else { return Ok(None) };
        let store = "the context of the saga".to_string();
        let context = panics::contain(|| write(&self.env.user))
            .unwrap_or_else(|message| Err(ActionError::Panicked { message }));
        context.map(Some).map_err(|error| StoreError::Failed { store, why: error.to_string() })
    }

    /// What these entries change in the saga's record.
    pub(super) fn change(&self, entries: &[Entry]) -> Result<RecordChange, StoreError> {
        let status = self.machine.status();
        let mut change = RecordChange::status(status);
        change.context = self.snapshot()?;
        change.wake_at = self.machine.wake_at();
        for entry in entries {
            match entry.saga_entry().and_then(SagaEntry::halt) {
                Some(Halt::Paused) => change.paused = Some(true),
                Some(Halt::Resumed) => change.paused = Some(false),
                Some(Halt::Parked(reason)) => change.parked_reason = Some(Some(reason.to_string())),
                Some(Halt::Unparked) => change.parked_reason = Some(None),
                None => {}
            }
            change.progress |= entry.kind.is_progress();
        }
        if matches!(status, SagaStatus::RolledBack | SagaStatus::Stuck) {
            change.error = Some(self.values.report(&self.machine, &self.run.id).why());
        }
        Ok(change)
    }
}
