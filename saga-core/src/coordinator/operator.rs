//! Operators: people and tools that steer sagas from outside.
//!
//! A request takes four forms on its way. An [`Operator`] method names a [`Command`], and makes it a
//! [`Request`]. The coordinator delivers it to the task of the saga (`deliver`), with a channel for the answer,
//! as a `PendingRequest`. The saga's machine receives it as one event. `attached` leaves the request in the
//! store instead, where the process that runs the saga finds it (`request_poller`).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::attached::AttachedStore;
use super::deliver::OwnSagas;
use super::signal::MAX_EVENT_ID;
use super::{Coordinator, CoordinatorInner};
use crate::ambient::uuid_and_time;
use crate::error::OperateError;
use crate::log::{Answer, Command, Decision, Fault, NodePath, Request, SagaId, Timestamp};
use crate::store::Store;

/// The longest note or reason of a request, in bytes. Each is kept in the saga's log.
pub const MAX_NOTE: usize = 4096;

/// The longest name of an operator, in bytes.
pub const MAX_NAME: usize = 256;

/// Steers sagas from outside: cancels and pauses them, and repairs those that are stuck. A request
/// that is granted is recorded in the saga's log, with the operator's name. One that the saga refuses changes nothing and is not
/// recorded, unless it was left in the store for another process: [`audit`](Self::audit) lists those too.
///
/// An operator from [`Coordinator::operator`] acts at once. One that is [attached](Self::attach) to a store
/// leaves its requests there for the process that runs the sagas, and waits for the answer.
///
/// What one operator (with its clones, and those [named](Self::named) from it) asks of one saga is carried out in the order in which
/// it was asked: in which the futures were first polled, if several wait for their answers at the same time. Only the effect of a
/// cancel may come later, which is held while the pivot is in flight. Of requests that different processes leave in a store, those
/// with the earlier time come first, by the clocks of these processes.
///
/// All methods fail with [`OperateError`]; if the saga refuses the request, it says why.
///
/// ```
/// use saga_core::prelude::*;
/// # use std::time::Duration;
///
/// #[saga_action(no_undo)]
/// async fn ship(cx: &ActionContext<()>) -> Result<String, String> {
///     tokio::select! {
///         () = cx.cancelled() => Err("called off".into()),
///         () = tokio::time::sleep(Duration::from_secs(3600)) => Ok("shipped".into()),
///     }
/// }
/// saga! { Order<()>() -> String { ship {} } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Order>().build().await?;
/// let order = sec.saga(Order {}).id("order-42").start().await?;
/// sec.operator("alice").cancel("order-42", "the customer changed their mind").await?;
/// assert!(matches!(order.await, Err(SagaError::RolledBack(_))));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Operator {
    by: String,
    sagas: Arc<dyn Deliver>,
}

/// Where an operator's requests go.
pub(super) trait Deliver: Send + Sync {
    /// Brings a request to its saga, and waits for the answer.
    fn deliver(&self, request: Request) -> BoxFuture<'_, Result<Answer, OperateError>>;

    /// Where the sagas are stored.
    fn store(&self) -> &Arc<dyn Store>;

    /// The coordinator of this process, if the sagas are its own.
    fn home(&self) -> Option<&Arc<CoordinatorInner>>;
}

impl Operator {
    /// An operator of sagas that another process runs on this store, for example in a command line tool.
    /// The store may be one that is attached for reading and requests only. Each method waits up to
    /// `patience` for its answer. A request that is not answered in that time stays in the store, and is
    /// carried out once a process runs the saga.
    pub fn attach(store: impl Store, by: impl Into<String>, patience: Duration) -> Self {
        Self { by: by.into(), sagas: Arc::new(AttachedStore::new(Arc::new(store), patience)) }
    }

    /// The same operator under another name, which is recorded with its requests.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// let page = sec.operator("operations page");
    /// sec.saga(Stamp {}).id("stamp-1").start().await?.await?;
    /// page.named("alice").rollback("stamp-1", "a wrong stamp").await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn named(&self, by: impl Into<String>) -> Self {
        Self { by: by.into(), sagas: self.sagas.clone() }
    }

    /// Rolls back a saga that has not ended. If it is paused, its undos wait for the end of the pause; if it
    /// is parked, it resumes. While the pivot is in flight, the request is held: the answer comes when the pivot has ended, and
    /// is [`Answer::Held`] from another process if its patience ends before.
    ///
    /// # Errors
    /// Refused if the saga has ended, is past its pivot, or is parked because its pivot is in doubt.
    pub async fn cancel(
        &self,
        id: &str,
        reason: impl Into<String>,
    ) -> Result<Answer, OperateError> {
        self.ask(id, Command::Cancel { reason: reason.into() }).await
    }

    /// Starts no new node and no new undo of a saga. Calls in flight go on, and the deadline still counts:
    /// if it passes, the saga rolls back, and its undos wait for the end of the pause.
    ///
    /// # Errors
    /// Refused if the saga has ended.
    pub async fn pause(&self, id: &str) -> Result<Answer, OperateError> {
        self.ask(id, Command::Pause).await
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// Refused if the saga is not paused.
    pub async fn resume(&self, id: &str) -> Result<Answer, OperateError> {
        self.ask(id, Command::Resume).await
    }

    /// Starts one node or undo of a paused saga.
    ///
    /// # Errors
    /// Refused if the saga is not paused, or nothing is ready to start.
    pub async fn step(&self, id: &str) -> Result<Answer, OperateError> {
        self.ask(id, Command::Step).await
    }

    /// Retries the failed undo of one node of a stuck saga. If the node's action is in doubt, the action is
    /// run again first.
    ///
    /// # Errors
    /// Refused if that undo has not failed, or a call of the saga is in flight.
    pub async fn retry_undo(
        &self,
        id: &str,
        node: impl Into<NodePath>,
    ) -> Result<Answer, OperateError> {
        self.ask(id, Command::RetryUndo { node: node.into() }).await
    }

    /// Retries all failed undos of a stuck saga.
    ///
    /// # Errors
    /// As [`retry_undo`](Self::retry_undo).
    pub async fn retry_all(&self, id: &str) -> Result<Answer, OperateError> {
        self.ask(id, Command::RetryAll).await
    }

    /// Records that someone has dealt with the effect that a failed undo left behind, at the receiver too.
    ///
    /// # Errors
    /// As [`retry_undo`](Self::retry_undo).
    pub async fn resolve(
        &self,
        id: &str,
        node: impl Into<NodePath>,
        note: impl Into<String>,
    ) -> Result<Answer, OperateError> {
        self.ask(id, Command::Resolve { node: node.into(), note: note.into() }).await
    }

    /// Rolls back a saga that has completed. A saga that is already rolled back stays as it is.
    ///
    /// # Errors
    /// Refused if the saga has not ended, is stuck, or is past its pivot.
    pub async fn rollback(
        &self,
        id: &str,
        reason: impl Into<String>,
    ) -> Result<Answer, OperateError> {
        self.ask(id, Command::Rollback { reason: reason.into() }).await
    }

    /// Retries a node that failed after the point of no return and made the saga stuck.
    ///
    /// # Errors
    /// Refused if the node did not.
    pub async fn retry(&self, id: &str, node: impl Into<NodePath>) -> Result<Answer, OperateError> {
        self.ask(id, Command::Retry { node: node.into() }).await
    }

    /// Says how a pivot ended whose saga is parked because the pivot is in doubt, and resumes the saga.
    ///
    /// Also replaces a stored output that this program cannot read by one that it can. The saga then stays
    /// parked, since there may be more such outputs: [`unpark`](Self::unpark) resumes it once all can be read.
    ///
    /// # Errors
    /// Refused if neither applies to the node, or the output is not of the node's type.
    pub async fn decide(
        &self,
        id: &str,
        node: impl Into<NodePath>,
        decision: Decision,
        note: impl Into<String>,
    ) -> Result<Answer, OperateError> {
        let (node, note) = (node.into(), note.into());
        self.ask(id, Command::Decide { node, decision, note }).await
    }

    /// Resumes a parked saga.
    ///
    /// # Errors
    /// Refused if the saga is not parked, or this program cannot read one of its stored values.
    pub async fn unpark(&self, id: &str) -> Result<Answer, OperateError> {
        self.ask(id, Command::Unpark).await
    }

    /// Injects a fault into a node, for a test. The fault stays with the saga, even through a crash.
    ///
    /// # Errors
    /// Refused if the saga has ended or has no such node.
    pub async fn inject(
        &self,
        id: &str,
        node: impl Into<NodePath>,
        fault: Fault,
    ) -> Result<Answer, OperateError> {
        self.ask(id, Command::Inject { node: node.into(), fault }).await
    }

    pub(super) fn store(&self) -> &dyn Store {
        &**self.sagas.store()
    }

    pub(super) fn home(&self) -> Option<&Arc<CoordinatorInner>> {
        self.sagas.home()
    }

    /// The name that is recorded with the requests.
    pub fn name(&self) -> &str {
        &self.by
    }

    pub(super) fn check_lengths(&self, command: &Command) -> Result<(), OperateError> {
        let note = command.note().map_or(0, str::len);
        let event_id =
            if let Command::Signal { event_id, .. } = command { event_id.len() } else { 0 };
        for (what, len, max) in [
            ("note", note, MAX_NOTE),
            ("name of the operator", self.by.len(), MAX_NAME),
            ("id of the event", event_id, MAX_EVENT_ID),
        ] {
            if len > max {
                return Err(OperateError::TooLong { what, len, max });
            }
        }
        Ok(())
    }

    /// Whether others can make sense of the name and the note in the log. A prediction does not need that: it may be asked for
    /// before somebody has written the note.
    fn check_words(&self, command: &Command) -> Result<(), OperateError> {
        let name = "name of the operator";
        if self.by.trim().is_empty() {
            return Err(OperateError::Unfit { what: name, why: "is empty" });
        }
        if self.by.chars().any(char::is_control) {
            return Err(OperateError::Unfit { what: name, why: "has control characters" });
        }
        if command.note().is_some_and(|note| note.trim().is_empty()) {
            return Err(OperateError::Unfit { what: "note or reason", why: "is empty" });
        }
        Ok(())
    }

    /// Asks for any command; the other methods are short for this.
    ///
    /// # Errors
    /// [`OperateError::TooLong`] if the note has more than [`MAX_NOTE`] bytes, or the operator's name more than
    /// [`MAX_NAME`]; [`OperateError::Unfit`] if one of them is blank, or the name has control characters; refused as the command's own method says.
    pub async fn ask(&self, id: &str, command: Command) -> Result<Answer, OperateError> {
        let saga: SagaId = id.parse()?;
        self.check_lengths(&command)?;
        self.check_words(&command)?;
        let ((id, at), by) = (uuid_and_time(), self.by.clone());
        let request = Request { id, saga: saga.clone(), command, by, at: Timestamp(at) };
        match self.sagas.deliver(request).await? {
            Answer::Refused(refusal) => Err(OperateError::Refused { saga, refusal }),
            answer @ (Answer::Done
            | Answer::Held
            | Answer::NothingToDo { .. }
            | Answer::Duplicate) => Ok(answer),
        }
    }
}

impl CoordinatorInner {
    /// An operator of the sagas of this coordinator.
    pub(super) fn operator(self: &Arc<Self>, by: String) -> Operator {
        Operator { by, sagas: Arc::new(OwnSagas(self.clone())) }
    }
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator").field("by", &self.by).finish_non_exhaustive()
    }
}

impl<C: Send + Sync + 'static> Coordinator<C> {
    /// An operator of this coordinator's sagas, and of those at rest in its store. `by` is the name that is
    /// recorded in their logs.
    pub fn operator(&self, by: impl Into<String>) -> Operator {
        self.inner.operator(by.into())
    }
}
