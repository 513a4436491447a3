//! What connects the task of a saga with everybody else in this process: the messages to the task, and what has
//! become of the saga's creation. It is small, since there may be very many sagas that only wait.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;

use super::{PendingRequest, ProgressChannel};
use crate::context::{CallHome, TransactionRequest};
use crate::log::NodePath;
use crate::planted::{Mistake, planted};
use crate::store::{SagaRecord, StoreError};

/// What the coordinator tells the task of a saga.
pub(crate) enum Control {
    /// Start nothing new.
    Drain,
    /// The lease of this process has ended: drop what is in flight and stop, until it begins again.
    LeaseEnded,
    /// Drop what is in flight and stop. The sender is told as soon as the task has read this.
    Stop(oneshot::Sender<()>),
    /// Carry out an operator's request.
    Request(PendingRequest),
    /// Carry out a transaction that a call of the saga has requested.
    Transaction(TransactionRequest),
}

/// What connects a driver with the run that it is part of.
pub(crate) struct DriverLink {
    /// What the handles of the saga see.
    pub(crate) progress: Arc<ProgressChannel>,
    /// Where calls send the transactions that they request.
    pub(crate) home: Weak<dyn CallHome>,
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
pub(crate) struct TaskLink {
    state: Mutex<LinkState>,
    /// True while there are messages, which the task looks for often.
    has_messages: AtomicBool,
    /// What the handles of the saga see. Those who wait here are told when the creation is decided, and when the
    /// task ends.
    progress: Arc<ProgressChannel>,
}

#[derive(Default)]
struct LinkState {
    /// Wakes the task when a message arrives.
    task: Option<Waker>,
    /// True once the saga is known to be in the store, as most are.
    created: bool,
    /// True once the task has ended.
    ended: bool,
    rare: Option<Box<RareState>>,
}

/// What few runs have.
#[derive(Default)]
struct RareState {
    messages: VecDeque<Control>,
    /// What became of the creation instead.
    not_created: Option<Creation>,
    interrupted: Vec<NodePath>,
}

impl LinkState {
    fn rare(&mut self) -> &mut RareState {
        self.rare.get_or_insert_default()
    }

    fn creation(&self) -> Option<&Creation> {
        match self.created {
            true => Some(&Creation::New),
            false => self.rare.as_ref()?.not_created.as_ref(),
        }
    }
}

impl TaskLink {
    /// `created` is true for a saga that is in the store already.
    pub(crate) fn new(progress: Arc<ProgressChannel>, created: bool) -> Self {
        let state = LinkState { created, ..LinkState::default() };
        Self { state: Mutex::new(state), has_messages: AtomicBool::new(false), progress }
    }

    pub(crate) fn progress(&self) -> &Arc<ProgressChannel> {
        &self.progress
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
            state.rare().messages.push_back(message);
            self.has_messages.store(true, Ordering::Relaxed);
            state.task.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next message, if there is one. For the task alone, which is not woken by it.
    pub(super) fn next_message(&self) -> Option<Control> {
        // one that arrives just now is found when the task is about to sleep
        if !self.has_messages.load(Ordering::Relaxed) {
            return None;
        }
        self.take_message(&mut self.state())
    }

    fn take_message(&self, state: &mut LinkState) -> Option<Control> {
        let messages = &mut state.rare.as_mut()?.messages;
        let message = messages.pop_front();
        self.has_messages.store(!messages.is_empty(), Ordering::Relaxed);
        message
    }

    /// The next message. For the task alone, which is woken when there is one.
    pub(crate) fn poll_message(&self, cx: &Context<'_>) -> Poll<Control> {
        let mut state = self.state();
        if let Some(message) = self.take_message(&mut state) {
            return Poll::Ready(message);
        }
        let registered = state.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        if !registered && !planted(Mistake::MessageDoesNotWake) {
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
        {
            let mut state = self.state();
            match creation {
                Creation::New => state.created = true,
                Creation::Exists(_) | Creation::Failed(_) => {
                    state.rare().not_created = Some(creation);
                }
            }
        }
        self.progress.changed().notify_waiters();
    }

    /// True once it is known what became of the creation.
    pub(crate) fn is_creation_known(&self) -> bool {
        self.state().creation().is_some()
    }

    /// Waits until it is known what became of the creation; `None` if the task ended before.
    pub(crate) async fn creation(&self) -> Option<Creation> {
        loop {
            // made before the check, it misses nothing
            let changed = self.progress.changed().notified();
            {
                let state = self.state();
                let creation = state.creation().cloned();
                if creation.is_some() || state.ended {
                    return creation;
                }
            }
            changed.await;
        }
    }

    /// A shutdown has interrupted the calls of these nodes.
    pub(super) fn add_interrupted(&self, nodes: Vec<NodePath>) {
        if !nodes.is_empty() {
            self.state().rare().interrupted.extend(nodes);
        }
    }

    /// The nodes whose calls a shutdown interrupted.
    pub(crate) fn interrupted(&self) -> Vec<NodePath> {
        self.state().rare.as_ref().map(|rare| rare.interrupted.clone()).unwrap_or_default()
    }

    /// The task ends now: nobody reads messages any more, and those that were not read are dropped.
    pub(crate) fn end(&self) {
        let (unread, waker) = {
            let mut state = self.state();
            state.ended = true;
            let unread = state.rare.as_mut().map(|rare| std::mem::take(&mut rare.messages));
            (unread, state.task.take())
        };
        drop((unread, waker));
        self.progress.changed().notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use futures_util::FutureExt;

    use super::*;
    use crate::driver::ProgressChannels;

    fn new_link() -> TaskLink {
        TaskLink::new(ProgressChannels::default().of(&"a".parse().unwrap()), false)
    }

    struct Counter(Mutex<u32>);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            *self.0.lock().unwrap() += 1;
        }
    }

    #[test]
    fn messages_wake_the_task_and_arrive_in_order() {
        let link = new_link();
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
        let link = new_link();
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
        let link = new_link();
        let mut waits = Box::pin(link.creation());
        assert!(waits.as_mut().now_or_never().is_none());
        link.set_creation(Creation::New);
        assert!(matches!(waits.now_or_never(), Some(Some(Creation::New))));
        link.end();
        assert!(matches!(link.creation().now_or_never(), Some(Some(Creation::New))));
        let other = new_link();
        let mut waits = Box::pin(other.creation());
        assert!(waits.as_mut().now_or_never().is_none());
        other.end();
        assert!(matches!(waits.now_or_never(), Some(None)));
    }
}
