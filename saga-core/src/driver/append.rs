//! Appends: the entries of one step of the machine, and what they change in the saga's record.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use super::report::why;
use super::task_state::{AppendResult, TaskState};
use super::{Creation, CreationTime, Driver, TaskLink};
use crate::crash_points::crash_point;
use crate::error::ActionError;
use crate::log::{Answer, Entry, Halt, Payload, SagaEntry, Timestamp, Uuid};
use crate::machine::Event;
use crate::panics;
use crate::store::{Append, Created, NewSaga, RecordChange, Store, StoreError};

/// An append that the store has been asked for.
pub(super) enum AppendInFlight<'a> {
    Append(BoxFuture<'a, Result<(), StoreError>>),
    /// The first one, which creates the saga.
    Create(BoxFuture<'a, Result<Created, StoreError>>),
    /// What was to be written could not be made.
    Refused(Box<StoreError>),
}

impl AppendInFlight<'_> {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<AppendResult> {
        match self {
            Self::Append(append) => append.as_mut().poll(cx).map_ok(|()| None),
            Self::Create(create) => create.as_mut().poll(cx).map_ok(|created| match created {
                Created::New => None,
                Created::Exists(existing) => Some(existing),
            }),
            Self::Refused(error) => Poll::Ready(Err(StoreError::clone(error))),
        }
    }
}

impl Driver {
    /// Begins an append. An entry that a transaction has already written is not written again.
    pub(super) fn write(
        &mut self,
        entries: Vec<Entry>,
        answers: Vec<(Uuid, Answer)>,
        task: &mut TaskState<'_>,
    ) {
        if task.output_decided {
            self.values.fill(self.machine.state(), &entries);
            task.output_decided = false;
        }
        task.operators.will_answer(&answers, &entries);
        task.written = self.events_of(&entries);
        task.appends_progress = entries.iter().any(|entry| entry.kind.is_progress());
        let entries = task.transactions.not_written(entries);
        if !entries.is_empty() {
            task.lease_term = task.env.lease_term();
            task.append_time.start();
            task.append = Some(self.append(entries, answers, &*task.env.store));
            return;
        }
        self.publish(task);
        self.step(&mut vec![Event::Appended], task);
    }

    /// An append is durable.
    pub(super) fn appended(&self, task: &mut TaskState<'_>, link: &TaskLink) {
        task.made_progress |= task.appends_progress;
        crash_point("driver.append.durable");
        if !task.created {
            crash_point("driver.create.durable");
            self.report_created(link, task);
        }
        self.publish(task);
    }

    /// Tells handles, observers and operators what is durable now.
    fn publish(&self, task: &mut TaskState<'_>) {
        self.send_events(task);
        let status = self.machine.status();
        if task.reported.replace(status) != Some(status) {
            self.progress.report(status);
        }
        task.operators.answer_written();
        crash_point("driver.append.told");
    }

    /// The saga is in the store. Whatever a saga with this id did before is history.
    pub(super) fn report_created(&self, link: &TaskLink, task: &mut TaskState<'_>) {
        task.created = true;
        self.progress.running(self.machine.status());
        link.set_creation(Creation::New);
    }

    fn append<'a>(
        &mut self,
        mut entries: Vec<Entry>,
        answers: Vec<(Uuid, Answer)>,
        store: &'a dyn Store,
    ) -> AppendInFlight<'a> {
        let change = match self.change(&entries) {
            Ok(change) => change,
            Err(error) => return AppendInFlight::Refused(error.into()),
        };
        if std::mem::take(&mut self.is_new) {
            let created_at = entries.first().map_or(Timestamp(0), |entry| entry.at);
            self.created_at = CreationTime::at(created_at);
            let mut record = self.new_record(created_at);
            record.status = change.status;
            record.error = change.error;
            record.context = change.context;
            record.wake_at = change.wake_at;
            record.parked_reason = change.parked_reason.flatten();
            record.next_seq = self.machine.state().next_seq();
            self.origin.note(entries.first_mut());
            crash_point("driver.create.asking");
            return AppendInFlight::Create(store.create(NewSaga { record, entries }));
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
        crash_point("driver.append.asking");
        AppendInFlight::Append(store.append(append))
    }

    /// The context as it is now, if it is state. A context that cannot be encoded stops the saga: its entries
    /// would otherwise be stored without the state that goes with them.
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
        if status.ended_without_completing() {
            change.error = Some(why(self.machine.state()));
        }
        Ok(change)
    }
}
