//! The calls of one saga that are in flight.
//!
//! A saga mostly has one call at a time, which is polled whenever the saga's task is. Where there are several,
//! each has a waker of its own, so that only those are polled that can go on.

use std::task::{Context, Poll};

use tracing::Span;

use super::attempt::{CallEnd, GuardedAttempt};
use super::blocking::PollTimes;
use super::several::Several;
use crate::clock::ClockView;
use crate::driver::Stopwatch;
use crate::driver::current_call::CurrentCall;
use crate::driver::permits::Permit;
use crate::driver::trace_links::call_failed;
use crate::machine::{AuthorizedCall, VertexId};

/// A call in flight.
pub(super) struct Call<'a> {
    pub(super) vertex: VertexId,
    pub(super) attempt: Option<GuardedAttempt<'a>>,
    pub(super) current: CurrentCall,
    /// What the action logs is found under its saga and node.
    pub(super) span: Option<Box<Span>>,
    pub(super) times: PollTimes,
    pub(super) stopwatch: Stopwatch,
    /// Returned once nothing of the attempt is left.
    pub(super) permit: Option<Permit>,
}

impl Call<'_> {
    fn is(&self, call: &AuthorizedCall) -> bool {
        self.current.context().is_some_and(|context| context.call.authorized == *call)
    }

    /// Ready with the end of the call; with `None` if a shutdown interrupted it. A call that must not begin waits to be
    /// dropped.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        clock: &mut ClockView,
        may_begin: &dyn Fn() -> bool,
    ) -> Poll<Option<CallEnd>> {
        let Some(attempt) = &mut self.attempt else { return Poll::Pending };
        if !attempt.has_begun() && !may_begin() {
            return Poll::Pending;
        }
        self.stopwatch.start();
        let _entered = self.span.as_ref().map(|span| span.enter());
        let began = clock.instant();
        let polled = self.current.poll(|| attempt.poll(cx));
        clock.expire();
        let took = clock.instant().duration_since(began);
        if let Some(call) = self.current.context() {
            self.times.ended(took, call);
            if let Poll::Ready(Some(end)) = &polled {
                self.stopwatch.call_ended(call, end);
                if let (Some(span), Some(failure)) = (&self.span, end.failure()) {
                    call_failed(span, &failure.message);
                }
            }
        }
        polled
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let _entered = self.span.as_ref().map(|span| span.enter());
        self.attempt = None;
        drop(self.permit.take());
    }
}

/// All calls of one saga that are in flight.
#[derive(Default)]
pub(in crate::driver) struct CallsInFlight<'a> {
    /// The only call.
    lone: Option<Call<'a>>,
    others: Option<Box<OtherCalls<'a>>>,
}

/// What a saga does not have whose nodes run one after the other.
#[derive(Default)]
struct OtherCalls<'a> {
    several: Several<Call<'a>>,
    ended: Vec<EndedCall>,
    interrupted: Vec<VertexId>,
}

/// A call that has ended.
pub(in crate::driver) type EndedCall = (VertexId, CallEnd);

impl<'a> CallsInFlight<'a> {
    pub(super) fn add(&mut self, call: Call<'a>) {
        if self.lone.is_none() && !self.has_several() {
            self.lone = Some(call);
            return;
        }
        let others = self.others.get_or_insert_default();
        if let Some(lone) = self.lone.take() {
            others.several.add(lone.vertex, lone);
        }
        others.several.add(call.vertex, call);
    }

    fn has_several(&self) -> bool {
        self.others.as_ref().is_some_and(|others| !others.several.is_empty())
    }

    /// Drops a call: it is never polled again, and its end is never reported.
    pub(in crate::driver) fn drop_call(&mut self, vertex: VertexId) {
        drop(self.lone.take_if(|call| call.vertex == vertex));
        if let Some(others) = &mut self.others {
            others.several.remove(vertex);
        }
    }

    /// The nodes whose calls are in flight.
    pub(in crate::driver) fn vertices(&self) -> impl Iterator<Item = VertexId> {
        let lone = self.lone.iter().map(|call| call.vertex);
        lone.chain(self.others.iter().flat_map(|others| others.several.vertices()))
    }

    /// The nodes whose calls ended without an outcome, because they waited for what a shutdown has stopped.
    pub(in crate::driver) fn interrupted(&self) -> impl Iterator<Item = VertexId> {
        self.others.iter().flat_map(|others| others.interrupted.iter().copied())
    }

    /// True if this very call is in flight.
    pub(in crate::driver) fn contains(&self, call: &AuthorizedCall) -> bool {
        let lone = self.lone.as_ref();
        let among = || self.others.as_ref()?.several.get(call.vertex);
        lone.or_else(among).is_some_and(|found| found.is(call))
    }

    /// Ready once calls have ended, or a shutdown has interrupted one. If there was only one, it is returned; where
    /// there are several, [`take_ended`](Self::take_ended) has those that have ended by now.
    pub(in crate::driver) fn poll_ended(
        &mut self,
        cx: &mut Context<'_>,
        clock: &mut ClockView,
        may_begin: &dyn Fn() -> bool,
    ) -> Poll<Option<EndedCall>> {
        if let Some(call) = &mut self.lone {
            let (vertex, polled) = (call.vertex, call.poll(cx, clock, may_begin));
            return polled.map(|end| {
                self.lone = None;
                if end.is_none() {
                    self.others.get_or_insert_default().interrupted.push(vertex);
                }
                Some((vertex, end?))
            });
        }
        match &mut self.others {
            Some(others) if !others.several.is_empty() => {
                others.poll_ended(cx, clock, may_begin).map(|()| None)
            }
            Some(_) | None => Poll::Pending,
        }
    }

    /// Those of several calls that have ended.
    pub(in crate::driver) fn take_ended(&mut self) -> Vec<EndedCall> {
        self.others.as_mut().map(|others| std::mem::take(&mut others.ended)).unwrap_or_default()
    }

    /// Gives the room of an emptied list back.
    pub(in crate::driver) fn use_again(&mut self, ended: Vec<EndedCall>) {
        if let Some(others) = &mut self.others {
            others.ended = ended;
        }
    }
}

impl OtherCalls<'_> {
    fn poll_ended(
        &mut self,
        cx: &Context<'_>,
        clock: &mut ClockView,
        may_begin: &dyn Fn() -> bool,
    ) -> Poll<()> {
        let interrupted = self.interrupted.len();
        let poll = |call: &mut Call<'_>, cx: &mut Context<'_>| call.poll(cx, clock, may_begin);
        self.several.poll(cx, poll, |vertex, end| match end {
            Some(end) => self.ended.push((vertex, end)),
            None => self.interrupted.push(vertex),
        });
        match self.ended.is_empty() && self.interrupted.len() == interrupted {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }
}
