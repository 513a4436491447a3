//! Several calls, each with a waker of its own, so that only those are polled that can go on.
//!
//! Whoever wakes a call puts its vertex into a list and wakes the task of the saga, if that sleeps. The task polls
//! the calls in the list. It takes about as long as with a `FuturesUnordered`, in which a call cannot be found by its
//! node to be dropped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::by_vertex::ByVertex;
use crate::machine::VertexId;

pub(super) struct Several<T> {
    calls: ByVertex<Woken<T>>,
    /// The calls that have not been polled yet.
    fresh: Vec<VertexId>,
    ready: Arc<ReadyCalls>,
}

/// A call among others, and what wakes it.
struct Woken<T> {
    call: T,
    signal: Arc<CallSignal>,
    waker: Waker,
}

/// Wakes the task of the saga, and tells it which call can go on.
struct CallSignal {
    vertex: VertexId,
    /// True from when it is in the list until it is polled.
    listed: AtomicBool,
    ready: Arc<ReadyCalls>,
}

impl Wake for CallSignal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.listed.swap(true, Ordering::AcqRel) {
            let task = {
                let mut ready = self.ready.lock();
                ready.calls.push(self.vertex);
                ready.task.take()
            };
            task.into_iter().for_each(Waker::wake);
        }
    }
}

/// The calls that can go on.
#[derive(Default)]
struct ReadyCalls(Mutex<ReadyList>);

#[derive(Default)]
struct ReadyList {
    calls: Vec<VertexId>,
    /// The task of the saga, while it sleeps.
    task: Option<Waker>,
}

impl ReadyCalls {
    fn lock(&self) -> MutexGuard<'_, ReadyList> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the calls that can go on to `calls`. From now on, the task is woken for those that come.
    fn take(&self, calls: &mut Vec<VertexId>, cx: &Context<'_>) {
        let mut ready = self.lock();
        calls.append(&mut ready.calls);
        if !ready.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            let before = ready.task.replace(cx.waker().clone());
            // a waker runs code when it is dropped, so it is not dropped under the lock
            drop(ready);
            drop(before);
        }
    }
}

impl<T> Default for Several<T> {
    fn default() -> Self {
        Self { calls: ByVertex::default(), fresh: Vec::new(), ready: Arc::default() }
    }
}

impl<T> Several<T> {
    /// Adds a call, which is polled the next time.
    pub(super) fn add(&mut self, vertex: VertexId, call: T) {
        let (listed, ready) = (AtomicBool::new(true), self.ready.clone());
        let signal = Arc::new(CallSignal { vertex, listed, ready });
        let waker = Waker::from(signal.clone());
        self.fresh.push(vertex);
        self.calls.insert(vertex, Woken { call, signal, waker });
    }

    /// Drops a call; returns false if there is none.
    pub(super) fn remove(&mut self, vertex: VertexId) -> bool {
        self.calls.remove(vertex)
    }

    pub(super) fn get(&self, vertex: VertexId) -> Option<&T> {
        self.calls.get(vertex).map(|woken| &woken.call)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The nodes whose calls these are, in their order.
    pub(super) fn vertices(&self) -> impl Iterator<Item = VertexId> {
        self.calls.vertices()
    }

    /// Polls the calls that can go on. Those that are ready are removed, and `ended` is told.
    pub(super) fn poll<E>(
        &mut self,
        cx: &Context<'_>,
        mut poll: impl FnMut(&mut T, &mut Context<'_>) -> Poll<E>,
        mut ended: impl FnMut(VertexId, E),
    ) {
        let mut calls = std::mem::take(&mut self.fresh);
        self.ready.take(&mut calls, cx);
        for vertex in calls.drain(..) {
            // one that was listed by the waker of an earlier call of its node is polled in vain
            let Some(Woken { call, signal, waker }) = self.calls.get_mut(vertex) else { continue };
            // A swap, so that the call sees what was done before a wake that found it in the list. A plain store
            // might even come after such a wake, which would then be lost.
            signal.listed.swap(false, Ordering::AcqRel);
            if let Poll::Ready(end) = poll(call, &mut Context::from_waker(waker)) {
                self.calls.remove(vertex);
                ended(vertex, end);
            }
        }
        // its room is used again
        self.fresh = calls;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, AtomicUsize};
    use std::thread;

    use super::*;

    /// A call that ends when it is told to, and keeps the last waker.
    #[derive(Default)]
    struct Told {
        polls: u32,
        waker: Option<Waker>,
        ends: bool,
        wakes_itself: bool,
    }

    impl Told {
        fn poll(&mut self, cx: &Context<'_>) -> Poll<u32> {
            self.polls += 1;
            self.waker = Some(cx.waker().clone());
            if self.wakes_itself {
                self.wakes_itself = false;
                cx.waker().wake_by_ref();
            }
            if self.ends { Poll::Ready(self.polls) } else { Poll::Pending }
        }
    }

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Calls of the nodes below `n`, which have been polled once, and their task.
    fn polled(n: u32) -> (Several<Told>, Arc<Task>) {
        let (mut several, task) = (Several::default(), Arc::new(Task::default()));
        (0..n).for_each(|vertex| several.add(vertex, Told::default()));
        assert!(poll(&mut several, &task).is_empty());
        (several, task)
    }

    fn poll(several: &mut Several<Told>, task: &Arc<Task>) -> Vec<(VertexId, u32)> {
        let (waker, mut ended) = (Waker::from(task.clone()), Vec::new());
        several.poll(
            &Context::from_waker(&waker),
            |call, cx| call.poll(cx),
            |vertex, polls| ended.push((vertex, polls)),
        );
        ended
    }

    fn polls(several: &Several<Told>) -> Vec<u32> {
        several.vertices().map(|vertex| several.get(vertex).unwrap().polls).collect()
    }

    fn waker(several: &Several<Told>, vertex: VertexId) -> Waker {
        several.get(vertex).unwrap().waker.clone().unwrap()
    }

    fn end(several: &mut Several<Told>, vertex: VertexId) {
        several.calls.get_mut(vertex).unwrap().call.ends = true;
    }

    #[test]
    fn only_calls_that_were_woken_are_polled() {
        let (mut several, task) = polled(3);
        assert!(poll(&mut several, &task).is_empty());
        assert_eq!(polls(&several), [1, 1, 1]);
        end(&mut several, 1);
        waker(&several, 1).wake();
        waker(&several, 2).wake();
        assert_eq!(poll(&mut several, &task), [(1, 2)]);
        assert_eq!(polls(&several), [1, 2]);
        assert!(!several.is_empty() && several.get(1).is_none());
    }

    #[test]
    fn many_wakes_wake_the_task_once_and_poll_each_call_once() {
        let (mut several, task) = polled(1_000);
        for vertex in (0..1_000).chain(0..1_000) {
            end(&mut several, vertex);
            waker(&several, vertex).wake();
        }
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        let ended = poll(&mut several, &task);
        assert!(ended.len() == 1_000 && ended.iter().all(|(_, polls)| *polls == 2));
        assert!(several.is_empty() && several.vertices().next().is_none());
    }

    #[test]
    fn a_call_that_is_woken_while_it_is_polled_is_polled_again() {
        let (mut several, task) = polled(2);
        several.calls.get_mut(0).unwrap().call.wakes_itself = true;
        waker(&several, 0).wake();
        assert!(poll(&mut several, &task).is_empty());
        assert_eq!(task.0.load(Ordering::Relaxed), 2, "and the task is not asleep meanwhile");
        assert!(poll(&mut several, &task).is_empty());
        assert_eq!(polls(&several), [3, 1]);
    }

    #[test]
    fn the_wakers_of_calls_that_are_gone_wake_nobody_else() {
        let (mut several, task) = polled(2);
        let (dropped, stays) = (waker(&several, 0), waker(&several, 1));
        assert!(several.remove(0) && !several.remove(0));
        dropped.wake_by_ref();
        assert!(poll(&mut several, &task).is_empty());
        assert_eq!(polls(&several), [1]);
        // the next call of the node is polled in vain at most once
        several.add(0, Told::default());
        assert!(poll(&mut several, &task).is_empty());
        (0..3).for_each(|_| dropped.wake_by_ref());
        assert!(poll(&mut several, &task).is_empty());
        assert!(poll(&mut several, &task).is_empty());
        assert!(polls(&several)[0] <= 2 && polls(&several)[1] == 1);
        drop(several);
        stays.wake();
        dropped.wake();
    }

    /// Wakes a thread that sleeps.
    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    #[test]
    fn no_wake_of_another_thread_is_lost() {
        const ROUNDS: u32 = 20_000;
        let (told, seen) = (AtomicU32::new(0), AtomicU32::new(0));
        let mut several = Several::default();
        several.add(7, false);
        several.add(8, false);
        let sleeper = Waker::from(Arc::new(Unpark(thread::current())));
        let wakers = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                for round in 1..=ROUNDS {
                    told.store(round, Ordering::Relaxed);
                    wakers.lock().unwrap().iter().for_each(Waker::wake_by_ref);
                    while seen.load(Ordering::Relaxed) < round {
                        std::hint::spin_loop();
                    }
                }
            });
            while !several.is_empty() {
                // no lock but the first time: it would order what must be in order without it
                let poll = |known: &mut bool, cx: &mut Context<'_>| {
                    if !std::mem::replace(known, true) {
                        wakers.lock().unwrap().push(cx.waker().clone());
                    }
                    let told = told.load(Ordering::Relaxed);
                    seen.store(told, Ordering::Relaxed);
                    if told == ROUNDS { Poll::Ready(()) } else { Poll::Pending }
                };
                several.poll(&Context::from_waker(&sleeper), poll, |_, ()| {});
                if !several.is_empty() {
                    thread::park();
                }
            }
            other.join().unwrap();
        });
    }
}
