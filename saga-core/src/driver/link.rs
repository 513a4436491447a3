//! What connects the task of a saga with everybody else in this process: the messages to the task, and what has
//! become of the saga's creation. It is one small allocation for each run, since there may be very many sagas
//! that only wait.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::{Notify, oneshot};

use super::PendingRequest;
use crate::log::NodePath;
use crate::store::{SagaRecord, StoreError};

/// What the coordinator tells the task of a saga.
pub(crate) enum Control {
    /// Start nothing new.
    Drain,
    /// Drop what is in flight and stop. The sender is told as soon as the task has read this.
    Stop(oneshot::Sender<()>),
    /// Carry out an operator's request.
    Request(PendingRequest),
}

/// What became of the creation of a saga.
#[derive(Clone)]
pub(crate) enum Creation {
    /// It is in the store.
    New,
    /// Its id is taken, by this saga.
    Exists(Arc<SagaRecord>),
    Failed(StoreError),
}

/// The connection to the task of one run of a saga.
#[derive(Default)]
pub(crate) struct TaskLink {
    state: Mutex<LinkState>,
    /// Notified when the creation is decided, and when the task ends.
    changed: Notify,
}

#[derive(Default)]
struct LinkState {
    creation: Option<KnownCreation>,
    messages: VecDeque<Control>,
    /// Wakes the task when a message arrives.
    task: Option<Waker>,
    /// True once the task has ended.
    ended: bool,
    interrupted: Vec<NodePath>,
}

/// A [`Creation`] in less room.
enum KnownCreation {
    New,
    Other(Box<Creation>),
}

impl TaskLink {
    /// For a saga that is in the store already.
    pub(crate) fn stored() -> Self {
        let state = LinkState { creation: Some(KnownCreation::New), ..LinkState::default() };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message to the task. If the task has ended or ends without reading it, the message is dropped.
    pub(crate) fn send(&self, message: Control) {
        let waker = {
            let mut state = self.state();
            if state.ended {
                drop(state);
                return drop(message);
            }
            state.messages.push_back(message);
            state.task.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next message. For the task alone.
    pub(crate) fn poll_message(&self, cx: &Context<'_>) -> Poll<Control> {
        let mut state = self.state();
        if let Some(message) = state.messages.pop_front() {
            return Poll::Ready(message);
        }
        if !state.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            // a waker runs code when it is dropped, so it is not dropped under the lock
            let before = state.task.replace(cx.waker().clone());
            drop(state);
            drop(before);
        }
        Poll::Pending
    }

    /// The next message. For the task alone.
    pub(crate) async fn message(&self) -> Control {
        poll_fn(|cx| self.poll_message(cx)).await
    }

    /// Says what became of the creation.
    pub(crate) fn set_creation(&self, creation: Creation) {
        self.state().creation = Some(match creation {
            Creation::New => KnownCreation::New,
            other @ (Creation::Exists(_) | Creation::Failed(_)) => {
                KnownCreation::Other(Box::new(other))
            }
        });
        self.changed.notify_waiters();
    }

    /// True once it is known what became of the creation.
    pub(crate) fn is_creation_known(&self) -> bool {
        self.state().creation.is_some()
    }

    /// Waits until it is known what became of the creation; `None` if the task ended before.
    pub(crate) async fn creation(&self) -> Option<Creation> {
        loop {
            // made before the check, it misses nothing
            let changed = self.changed.notified();
            {
                let state = self.state();
                match &state.creation {
                    Some(KnownCreation::New) => return Some(Creation::New),
                    Some(KnownCreation::Other(creation)) => return Some(Creation::clone(creation)),
                    None if state.ended => return None,
                    None => {}
                }
            }
            changed.await;
        }
    }

    /// The calls of these nodes were interrupted by a shutdown.
    pub(crate) fn set_interrupted(&self, nodes: Vec<NodePath>) {
        self.state().interrupted = nodes;
    }

    /// The nodes whose calls a shutdown interrupted.
    pub(crate) fn interrupted(&self) -> Vec<NodePath> {
        self.state().interrupted.clone()
    }

    /// The task ends now: nobody reads messages any more, and those that were not read are dropped.
    pub(crate) fn end(&self) {
        let (unread, waker) = {
            let mut state = self.state();
            state.ended = true;
            (std::mem::take(&mut state.messages), state.task.take())
        };
        drop((unread, waker));
        self.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use futures_util::FutureExt;

    use super::*;

    struct Counter(Mutex<u32>);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            *self.0.lock().unwrap() += 1;
        }
    }

    #[test]
    fn messages_wake_the_task_and_arrive_in_order() {
        let link = TaskLink::default();
        let woken = Arc::new(Counter(Mutex::new(0)));
        let waker = Waker::from(woken.clone());
        let cx = Context::from_waker(&waker);
        assert!(link.poll_message(&cx).is_pending() && link.poll_message(&cx).is_pending());
        let (stop, mut stopped) = oneshot::channel();
        link.send(Control::Drain);
        link.send(Control::Stop(stop));
        assert_eq!(*woken.0.lock().unwrap(), 1);
        assert!(matches!(link.poll_message(&cx), Poll::Ready(Control::Drain)));
        assert!(matches!(link.poll_message(&cx), Poll::Ready(Control::Stop(_))));
        assert!(link.poll_message(&cx).is_pending());
        assert!(stopped.try_recv().is_err());
    }

    #[test]
    fn what_a_task_has_not_read_at_its_end_is_dropped() {
        let link = TaskLink::default();
        let (stop, mut stopped) = oneshot::channel();
        link.send(Control::Stop(stop));
        assert_eq!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        link.end();
        assert_eq!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        let (stop, mut stopped) = oneshot::channel();
        link.send(Control::Stop(stop));
        assert_eq!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn whoever_waits_for_the_creation_hears_of_it_or_of_the_end_of_the_task() {
        let link = TaskLink::default();
        let mut waits = Box::pin(link.creation());
        assert!(waits.as_mut().now_or_never().is_none());
        link.set_creation(Creation::New);
        assert!(matches!(waits.now_or_never(), Some(Some(Creation::New))));
        link.end();
        assert!(matches!(link.creation().now_or_never(), Some(Some(Creation::New))));
        let other = TaskLink::default();
        let mut waits = Box::pin(other.creation());
        assert!(waits.as_mut().now_or_never().is_none());
        other.end();
        assert!(matches!(waits.now_or_never(), Some(None)));
    }
}
