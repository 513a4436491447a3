//! What others see of running sagas: a stream of events, traces and metrics. Only what is durable is shown,
//! and never a payload.

mod kind;

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use futures_util::future::{Either, select};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::task_state::TaskState;
use super::{Driver, ProgressChannel};
use crate::log::{Entry, NodePath, SagaId, SagaStatus, Timestamp};

pub use kind::EventKind;
use kind::Importance;

/// How many events a slow reader may lag behind before it misses some.
const BUFFER: usize = 4096;

/// Something that a saga has done: one entry of its log, without the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SagaEvent {
    /// Which saga.
    pub saga: SagaId,
    /// The saga's durable name.
    pub name: Arc<str>,
    /// The entry's number in the saga's log, from 1.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The node that it is about, if it is about one.
    pub node: Option<NodePath>,
    /// Which attempt of the node's action or undo, from 1; 0 where there is none.
    pub attempt: u32,
    /// What happened.
    pub kind: EventKind,
    /// The message of an error, or the reason for a cancellation or a pause.
    pub message: Option<String>,
    /// The status of the saga after the append that the entry was part of.
    pub status: SagaStatus,
}

impl SagaEvent {
    fn of(saga: &SagaId, name: &Arc<str>, entry: &Entry, status: SagaStatus) -> Self {
        Self {
            saga: saga.clone(),
            name: name.clone(),
            seq: entry.seq,
            at: entry.at,
            node: entry.node().cloned(),
            attempt: entry.attempt(),
            kind: EventKind::of(&entry.kind),
            message: entry.kind.message(),
            status,
        }
    }

    /// Traces the event. Every event names its saga, since a filter by level may hide the spans.
    fn trace(&self) {
        let (id, saga) = (&self.saga, &*self.name);
        // tracing calls an event's own text `message`
        let (node, why) = (self.node.as_ref().map(NodePath::as_str), self.message.as_deref());
        let (kind, status) = (self.kind, self.status.as_str());
        // an event about the saga is about no attempt
        let attempt = Some(self.attempt).filter(|attempt| *attempt > 0);
        match kind.importance() {
            Importance::Warning => {
                tracing::warn!(target: "saga_core", %id, saga, node, attempt, why, "{kind}");
            }
            Importance::Milestone
                if self.status == SagaStatus::Stuck && kind == EventKind::Ended =>
            {
                tracing::error!(target: "saga_core", %id, saga, status, "{kind}");
            }
            Importance::Milestone => {
                tracing::info!(target: "saga_core", %id, saga, status, why, "{kind}");
            }
            Importance::Detail => {
                tracing::debug!(target: "saga_core", %id, saga, node, attempt, why, "{kind}");
            }
        }
    }

    #[cfg(feature = "metrics")]
    fn count(&self) {
        let (saga, kind) = (self.name.to_string(), self.kind);
        if kind == EventKind::Created {
            metrics::counter!("saga_created_total", "saga" => saga).increment(1);
        } else if kind == EventKind::Ended {
            let status = self.status.as_str();
            metrics::counter!("saga_ended_total", "saga" => saga, "status" => status).increment(1);
        } else if kind == EventKind::Parked {
            metrics::counter!("saga_parked_total", "saga" => saga).increment(1);
        } else if self.node.is_some() {
            let kind = kind.as_str();
            metrics::counter!("saga_node_events_total", "saga" => saga, "kind" => kind)
                .increment(1);
        }
    }

    #[cfg(not(feature = "metrics"))]
    fn count(&self) {}
}

type Sender = broadcast::Sender<Arc<SagaEvent>>;

/// The observers of a coordinator's sagas, for as long as there may be events.
pub(crate) struct Observers(Arc<Channel>);

#[derive(Default)]
struct Channel {
    sender: RwLock<Option<Sender>>,
    /// True once somebody has asked for events, which is looked at for each append.
    asked: AtomicBool,
}

/// The same for holders that must not keep the streams of others open.
#[derive(Clone)]
pub(crate) struct WeakObservers(Weak<Channel>);

impl WeakObservers {
    /// A stream of the events of one saga from now on, for as long as this process may have some.
    pub(crate) fn events_of(&self, saga: SagaId, progress: Arc<ProgressChannel>) -> Events {
        let observers = self.0.upgrade().map(Observers);
        let observers = observers.unwrap_or_else(|| Observers(Arc::default()));
        Events { progress: Some(progress), ..observers.events(Some(saga)) }
    }
}

impl Observers {
    pub(crate) fn new() -> Self {
        let sender = RwLock::new(Some(broadcast::channel(BUFFER).0));
        Self(Arc::new(Channel { sender, asked: AtomicBool::new(false) }))
    }

    /// Traces, counts and sends the event of an entry that no driver wrote.
    pub(crate) fn tell(&self, saga: &SagaId, name: &Arc<str>, entry: &Entry, status: SagaStatus) {
        let event = SagaEvent::of(saga, name, entry, status);
        event.trace();
        event.count();
        // there may be no receiver
        self.with(|sender| drop(sender.send(Arc::new(event))));
    }

    /// Sends the events of what another process has done, which that process has traced and counted.
    pub(crate) fn send_of_another_process<'a>(
        &self,
        saga: &SagaId,
        name: &Arc<str>,
        status: SagaStatus,
        entries: impl Iterator<Item = &'a Entry>,
    ) {
        for entry in entries {
            let event = SagaEvent::of(saga, name, entry, status);
            // there may be no receiver
            self.with(|sender| drop(sender.send(Arc::new(event))));
        }
    }

    /// No more events come: all streams end.
    pub(crate) fn close(&self) {
        *self.0.sender.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn downgrade(&self) -> WeakObservers {
        WeakObservers(Arc::downgrade(&self.0))
    }

    fn with<T>(&self, look: impl FnOnce(&Sender) -> T) -> Option<T> {
        self.0.sender.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(look)
    }

    /// A stream of all events from now on, or of those of one saga.
    pub(crate) fn events(&self, saga: Option<SagaId>) -> Events {
        self.0.asked.store(true, Ordering::Release);
        let receiver = self.with(broadcast::Sender::subscribe);
        // without a sender there is nothing to wait for
        let receiver = receiver.unwrap_or_else(|| broadcast::channel(1).1);
        Events { receiver, saga, progress: None }
    }

    pub(crate) fn is_observed(&self) -> bool {
        let traced = tracing::enabled!(target: "saga_core", tracing::Level::ERROR);
        let asked = self.0.asked.load(Ordering::Acquire);
        (asked && self.with(broadcast::Sender::receiver_count) > Some(0))
            || traced
            || cfg!(feature = "metrics")
    }
}

/// Events of sagas as they happen, in the order of each saga's log.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::events::EventKind;
/// # #[saga_action(no_undo)]
/// # async fn greet(name: &str) -> Result<String, String> { Ok(format!("hello {name}")) }
/// # saga! { Greet<()>(name: String) -> String { greet { name } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Greet>().build().await?;
/// let mut events = sec.events();
/// sec.run(Greet { name: "Ada".into() }).await?;
/// let mut kinds = Vec::new();
/// while let Some(event) = events.next().await {
///     let event = event?;
///     kinds.push(event.kind.as_str());
///     if event.kind == EventKind::Ended { break }
/// }
/// assert_eq!(kinds, ["created", "started", "succeeded", "ended"]);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Arc<SagaEvent>>,
    saga: Option<SagaId>,
    /// For the events of one saga: tells whether more will come.
    progress: Option<Arc<ProgressChannel>>,
}

/// The reader was too slow, and has missed this many events. They are in the sagas' logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} events were missed; the saga log has them")]
pub struct MissedEvents(pub u64);

impl Events {
    /// The next event. `None` when there are no more: the coordinator is gone or was shut down, or the only saga
    /// of this stream has ended or was interrupted by a shutdown. If a saga is rolled back after its end,
    /// `next` continues with the events of that.
    ///
    /// # Errors
    /// [`MissedEvents`] if the reader was too slow; the stream continues after the gap.
    pub async fn next(&mut self) -> Option<Result<SagaEvent, MissedEvents>> {
        loop {
            let event = match self.receive().await? {
                Ok(event) => event,
                Err(missed) => return Some(Err(missed)),
            };
            if self.saga.as_ref().is_none_or(|saga| *saga == event.saga) {
                return Some(Ok(SagaEvent::clone(&event)));
            }
        }
    }

    /// The next event of any saga.
    async fn receive(&mut self) -> Option<Result<Arc<SagaEvent>, MissedEvents>> {
        let over = async {
            match &self.progress {
                Some(progress) => progress.last().await,
                // the events end with the coordinator
                None => pending().await,
            }
        };
        let received = match select(pin!(self.receiver.recv()), pin!(over)).await {
            Either::Left((received, _)) => Some(received),
            Either::Right(_) => None,
        };
        match received {
            Some(Ok(event)) => Some(Ok(event)),
            Some(Err(RecvError::Lagged(missed))) => Some(Err(MissedEvents(missed))),
            Some(Err(RecvError::Closed)) => None,
            // the events of a saga were sent before its end was reported
            None => match self.receiver.try_recv() {
                Ok(event) => Some(Ok(event)),
                Err(TryRecvError::Lagged(missed)) => Some(Err(MissedEvents(missed))),
                Err(TryRecvError::Empty | TryRecvError::Closed) => None,
            },
        }
    }
}

impl Driver {
    /// The events of these entries, if anybody observes them.
    pub(super) fn events_of(&self, entries: &[Entry]) -> Box<[SagaEvent]> {
        if !self.env.observers.is_observed() {
            return Box::default();
        }
        let (id, status) = (&self.run.id, self.machine.status());
        let name: Arc<str> = self.values.name().into();
        entries.iter().map(|entry| SagaEvent::of(id, &name, entry, status)).collect()
    }

    /// The entries of the last append are durable now: sends their events.
    pub(super) fn send_events(&self, task: &mut TaskState<'_>) {
        for event in std::mem::take(&mut task.written) {
            event.trace();
            event.count();
            if event.kind == EventKind::Ended {
                self.created_at.saga_ended(&event.name, event.status, event.at);
            }
            // there may be no receiver
            self.env.observers.with(|sender| drop(sender.send(Arc::new(event))));
        }
    }

    /// The saga is past its pivot, so nothing else is done about the deadline.
    pub(super) fn warn_overdue(&self) {
        tracing::warn!(
            target: "saga_core", id = %self.run.id, saga = self.values.name(),
            "the deadline has passed; the saga is past its point of no return and continues"
        );
    }
}
