//! Which requests of other processes this one deals with: those for one saga are in a lane, and have their turn one after the
//! other.
//!
//! Each is brought to its saga once: one that is refused leaves nothing in the log, so a second delivery could carry it out
//! although the operator was told otherwise. If this process must give up on a request, because another one has the saga or the
//! store fails, it gives up on its whole lane, so that whoever finds these requests next finds all of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ambient::{HashMap, HashSet};
use crate::driver::PendingAnswer;
use crate::log::{Request, SagaId, Uuid};
use crate::planted::{Mistake, planted};

/// The lanes of all sagas.
#[derive(Default)]
pub(super) struct Lanes(Mutex<State>);

#[derive(Default)]
struct State {
    lanes: HashMap<SagaId, Lane>,
    /// The requests that this process knows of and that the store may still list.
    known: HashMap<Uuid, Phase>,
    /// Those of them that are forgotten once no reply is under way that may list them.
    over: Vec<Uuid>,
    /// How many replies are under way.
    reads: usize,
    /// The sagas whose lanes are new, and not worked off by anybody yet.
    new: Vec<SagaId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// In its lane, or being brought to its saga.
    Waits,
    /// Nothing is left to do: it is answered, in the log, or cannot be carried out by this process.
    Done,
    /// Given up: it is tried again once the store lists it anew, and what was asked after it waits for that.
    Left,
}

#[derive(Default)]
struct Lane {
    queue: VecDeque<InLane>,
    /// Notified when the saga has been claimed while its lane rests.
    rests: Option<Arc<Notify>>,
}

/// A request in its lane. If it has been sent to the saga already, its answer is awaited.
pub(super) struct InLane {
    pub(super) request: Request,
    pub(super) sent: Option<PendingAnswer>,
}

/// How a request leaves its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// This process has no more to do for it, and does not try it again.
    Done,
    /// It is answered.
    Answered,
    /// It is tried again later. What was asked after it need not wait for that.
    Again,
}

/// While the store is asked for requests, and until its reply is dealt with.
pub(super) struct Reading<'a>(&'a Lanes);

impl Lanes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests this process knows of.
    pub(super) fn known(&self) -> usize {
        self.state().known.len()
    }

    /// The store is asked for requests from now on.
    pub(super) fn read(&self) -> Reading<'_> {
        let mut state = self.state();
        if state.reads == 0 {
            for id in std::mem::take(&mut state.over) {
                state.known.remove(&id);
            }
        }
        state.reads += 1;
        Reading(self)
    }

    /// The sagas that have a new lane, which the caller works off.
    pub(super) fn take_new(&self) -> Vec<SagaId> {
        std::mem::take(&mut self.state().new)
    }

    /// The request that has its turn. `None` if the lane has ended.
    pub(super) fn front(&self, saga: &SagaId) -> Option<InLane> {
        let mut state = self.state();
        let lane = state.lanes.get_mut(saga)?;
        let Some(front) = lane.queue.front_mut() else {
            state.lanes.remove(saga);
            return None;
        };
        Some(InLane { request: front.request.clone(), sent: front.sent.take() })
    }

    /// The request that had its turn leaves the lane.
    pub(super) fn leave(&self, saga: &SagaId, id: Uuid, turn: Turn) {
        let mut state = self.state();
        if let Some(lane) = state.lanes.get_mut(saga) {
            lane.queue.retain(|waits| waits.request.id != id);
        }
        state.set(id, turn);
    }

    /// What became of a request that is in no lane any more.
    pub(super) fn settle(&self, id: Uuid, turn: Turn) {
        self.state().set(id, turn);
    }

    /// The lane rests from now on. It is notified if the saga is claimed meanwhile.
    pub(super) fn rest(&self, saga: &SagaId) -> Arc<Notify> {
        let rests = Arc::new(Notify::new());
        if let Some(lane) = self.state().lanes.get_mut(saga) {
            lane.rests = Some(rests.clone());
        }
        rests
    }

    /// Gives up on a lane that has rested; false if the saga was claimed meanwhile, so that the lane goes on.
    pub(super) fn give_up(&self, saga: &SagaId) -> bool {
        let mut state = self.state();
        if state.lanes.get(saga).is_some_and(|lane| lane.rests.is_none()) {
            return false;
        }
        let lane = state.lanes.remove(saga).unwrap_or_default();
        lane.queue.iter().for_each(|waits| state.set(waits.request.id, Turn::Again));
        true
    }
}

impl State {
    fn set(&mut self, id: Uuid, turn: Turn) {
        let phase = match turn {
            Turn::Done | Turn::Answered => Phase::Done,
            Turn::Again => Phase::Left,
        };
        self.known.insert(id, phase);
        match turn {
            Turn::Done => {}
            Turn::Answered | Turn::Again => self.over.push(id),
        }
    }

    /// Puts a request at the end of its lane.
    fn queue(&mut self, waits: InLane) {
        self.known.insert(waits.request.id, Phase::Waits);
        let saga = waits.request.saga.clone();
        let lane = self.lanes.entry(saga.clone()).or_insert_with(|| {
            self.new.push(saga);
            Lane::default()
        });
        match planted(Mistake::LaterRequestFirst) {
            true => lane.queue.push_front(waits),
            false => lane.queue.push_back(waits),
        }
    }
}

impl Reading<'_> {
    /// Takes those requests from the store's reply that are new.
    pub(super) fn take(&self, listed: Vec<Request>) {
        let mut state = self.0.state();
        let mut waits = HashSet::default();
        for request in listed {
            match state.known.get(&request.id) {
                Some(Phase::Waits | Phase::Done) => {}
                Some(Phase::Left) => drop(waits.insert(request.saga)),
                None if waits.contains(&request.saga) => {}
                None => state.queue(InLane { request, sent: None }),
            }
        }
    }

    /// Takes the requests for a saga that was claimed before the store was asked, and sends them to it, except behind a request
    /// that is being brought to it right now.
    pub(super) fn pass_on(
        &self,
        saga: &SagaId,
        listed: Vec<Request>,
        send: impl Fn(Request) -> PendingAnswer,
    ) {
        let mut state = self.0.state();
        let rested = match state.lanes.get_mut(saga).map(|lane| (lane.rests.take(), lane)) {
            Some((Some(rests), lane)) => Some((rests, std::mem::take(&mut lane.queue))),
            Some((None, _)) => {
                drop(state);
                return self.take(listed);
            }
            None => None,
        };
        // nobody has answered what is listed now
        for waits in rested.iter().flat_map(|(_, queue)| queue) {
            state.set(waits.request.id, Turn::Again);
        }
        for request in listed {
            let phase = state.known.get(&request.id).copied();
            if phase.is_none() || phase == Some(Phase::Left) {
                state.over.retain(|id| *id != request.id);
                let sent = Some(send(request.clone()));
                state.queue(InLane { request, sent });
            }
        }
        if let Some((rests, _)) = rested {
            rests.notify_one();
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.state().reads -= 1;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ambient::uuid_by_time;
    use crate::driver::PendingRequest;
    use crate::log::{Command, Timestamp};

    fn pause(saga: &str) -> Request {
        let (id, by, at) = (uuid_by_time(), "bob".to_string(), Timestamp(1));
        Request { id, saga: saga.parse().unwrap(), command: Command::Pause, by, at }
    }

    fn front(lanes: &Lanes, saga: &SagaId) -> Option<Uuid> {
        lanes.front(saga).map(|front| front.request.id)
    }

    #[test]
    fn requests_have_their_turn_in_order_and_once() {
        let lanes = Lanes::default();
        let (a, other, b) = (pause("x"), pause("y"), pause("x"));
        let all = vec![a.clone(), other.clone(), b.clone()];
        lanes.read().take(all.clone());
        assert_eq!(lanes.take_new(), [a.saga.clone(), other.saga.clone()]);
        assert_eq!(front(&lanes, &a.saga), Some(a.id));
        lanes.leave(&a.saga, a.id, Turn::Answered);
        assert_eq!(front(&lanes, &a.saga), Some(b.id));
        lanes.leave(&b.saga, b.id, Turn::Done);
        assert_eq!(front(&lanes, &a.saga), None);
        // what has no answer in the store yet, or will have none, is not taken again
        let reading = lanes.read();
        reading.take(vec![b]);
        assert!(lanes.take_new().is_empty());
    }

    #[test]
    fn a_reply_that_is_under_way_lets_nothing_pass_what_was_given_up() {
        let lanes = Lanes::default();
        let (first, second) = (pause("x"), pause("x"));
        lanes.read().take(vec![first.clone()]);
        lanes.take_new();
        let reading = lanes.read();
        lanes.rest(&first.saga);
        assert!(lanes.give_up(&first.saga));
        reading.take(vec![first.clone(), second.clone()]);
        assert!(lanes.take_new().is_empty());
        drop(reading);
        lanes.read().take(vec![first.clone(), second]);
        assert_eq!(lanes.take_new().first(), Some(&first.saga));
        assert_eq!(front(&lanes, &first.saga), Some(first.id));
    }

    #[test]
    fn a_saga_that_is_claimed_while_its_lane_rests_is_sent_all_that_is_listed() {
        let lanes = Lanes::default();
        let (gone, first, second) = (pause("x"), pause("x"), pause("x"));
        let saga = &first.saga;
        lanes.read().take(vec![gone.clone(), first.clone()]);
        let rests = lanes.rest(saga);
        let sent = Mutex::new(Vec::new());
        let send = |request: Request| {
            sent.lock().unwrap().push(request.id);
            PendingRequest::new(request).1
        };
        lanes.read().pass_on(saga, vec![first.clone(), second.clone()], send);
        assert!(rests.notified().now_or_never().is_some());
        assert!(!lanes.give_up(saga), "it goes on");
        assert_eq!(*sent.lock().unwrap(), [first.id, second.id]);
        for request in [first.clone(), second] {
            let front = lanes.front(saga).unwrap();
            assert!(front.request.id == request.id && front.sent.is_some());
            lanes.leave(saga, request.id, Turn::Answered);
        }
        assert_eq!(front(&lanes, saga), None);
    }

    #[test]
    fn what_is_passed_on_comes_behind_what_is_being_brought_to_the_saga() {
        let lanes = Lanes::default();
        let (first, second) = (pause("x"), pause("x"));
        lanes.read().take(vec![first.clone()]);
        assert_eq!(front(&lanes, &first.saga), Some(first.id));
        let listed = vec![first.clone(), second.clone()];
        lanes.read().pass_on(&first.saga, listed, |_| unreachable!("it has its turn"));
        lanes.leave(&first.saga, first.id, Turn::Answered);
        let front = lanes.front(&first.saga).unwrap();
        assert!(front.request.id == second.id && front.sent.is_none());
    }
}
