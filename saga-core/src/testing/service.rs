//! A stand-in for a service that a saga calls.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::context::{ActionContext, FencingToken};
use crate::log::Uuid;

/// A rule that a receiver of calls obeys: see [`barrier`](crate::barrier), which has all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ReceiverRule {
    /// A repetition of a call returns the answer of the first one, and has no effect of its own.
    FirstAnswer,
    /// After an undo that found nothing to undo, the call that it was for is refused.
    UndoFirst,
    /// A call with a lower token than an earlier one is refused. A receiver with this rule also refuses the call after its
    /// undo, as long as both have tokens of one saga.
    Token,
}

/// Why an [`IdempotentService`] did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The work was refused, now or when this call arrived for the first time.
    #[error("{0}")]
    Refused(String),
    /// The call was undone before it arrived.
    #[error("the call was undone before it arrived")]
    Undone,
    /// A later call has already arrived.
    #[error("a later call has already arrived")]
    Stale,
}

/// A service in memory that a saga's actions call in tests. It keeps the first answer to each key, refusals too, and the
/// effects that are there now, each a `T`.
///
/// It obeys the same rules as [`barrier`](crate::barrier). Switch one [off](Self::without) to see what your saga needs from
/// the services that it calls.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::testing::{Ended, IdempotentService, ReceiverRule, SagaTest, ServiceError};
///
/// struct Agency { rooms: IdempotentService<String> }
///
/// #[saga_action(undo = cancel(), retry(max = 2))]
/// async fn book(cx: &ActionContext<Agency>, city: &str) -> Result<String, ServiceError> {
///     cx.rooms.call(cx, || Ok::<_, String>(format!("a room in {city}")))
/// }
/// async fn cancel(cx: &ActionContext<Agency>) -> Result<(), ServiceError> {
///     cx.rooms.undo(cx).map(drop)
/// }
///
/// saga! { Visit<Agency>(city: String) -> String { book { city } } }
///
/// let test = |service: fn() -> IdempotentService<String>| {
///     let agency = move || Agency { rooms: service() };
///     SagaTest::<Visit>::new(agency, Visit { city: "Rome".into() }).try_all(async |ended: &Ended<Visit>| {
///         assert_eq!(ended.context().rooms.effects().len(), usize::from(ended.completed()));
///     })
/// };
/// assert!(test(IdempotentService::new).failures().is_empty());
/// let forgets_undos =
///     || IdempotentService::new().without(ReceiverRule::UndoFirst).without(ReceiverRule::Token);
/// assert!(!test(forgets_undos).failures().is_empty(), "a request that arrives after its undo takes effect");
/// ```
pub struct IdempotentService<T> {
    calls: Mutex<HashMap<Uuid, Received<T>>>,
    off: BTreeSet<ReceiverRule>,
}

/// What the service knows of the calls with one key.
struct Received<T> {
    /// The highest token.
    token: FencingToken,
    answer: Option<Result<T, String>>,
    undone: bool,
    /// More than one where the service does not obey the rules.
    effects: Vec<T>,
}

impl<T: Clone> IdempotentService<T> {
    /// A service that obeys all rules.
    pub fn new() -> Self {
        Self { calls: Mutex::default(), off: BTreeSet::new() }
    }

    /// The same without a rule.
    pub fn without(mut self, rule: ReceiverRule) -> Self {
        self.off.insert(rule);
        self
    }

    /// A call of an action: does the work, unless it was done or refused before.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn call<C: 'static, E: fmt::Display>(
        &self,
        cx: &ActionContext<C>,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, ServiceError> {
        let mut calls = self.calls();
        let received = calls.entry(cx.action_key()).or_insert_with(|| Received::new(cx.token()));
        received.check(cx.token(), self.obeys(ReceiverRule::Token))?;
        if self.obeys(ReceiverRule::FirstAnswer)
            && let Some(answer) = &received.answer
        {
            return answer.clone().map_err(ServiceError::Refused);
        }
        if self.obeys(ReceiverRule::UndoFirst) && received.undone {
            return Err(ServiceError::Undone);
        }
        let answer = work().map_err(|refused| refused.to_string());
        received.answer = Some(answer.clone());
        received.effects.extend(answer.iter().cloned());
        answer.map_err(ServiceError::Refused)
    }

    /// A call of an undo: removes what the action did, and returns it. If there is nothing, that is fine.
    ///
    /// # Errors
    /// [`ServiceError::Stale`].
    pub fn undo<C: 'static>(&self, cx: &ActionContext<C>) -> Result<Option<T>, ServiceError> {
        let mut calls = self.calls();
        let received = calls.entry(cx.action_key()).or_insert_with(|| Received::new(cx.token()));
        received.check(cx.token(), self.obeys(ReceiverRule::Token))?;
        received.undone = true;
        Ok(received.effects.pop())
    }

    /// The effects that are there now.
    pub fn effects(&self) -> Vec<T> {
        self.calls().values().flat_map(|received| received.effects.iter().cloned()).collect()
    }

    fn obeys(&self, rule: ReceiverRule) -> bool {
        !self.off.contains(&rule)
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<Uuid, Received<T>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Received<T> {
    fn new(token: FencingToken) -> Self {
        Self { token, answer: None, undone: false, effects: Vec::new() }
    }

    fn check(&mut self, token: FencingToken, refuses: bool) -> Result<(), ServiceError> {
        if refuses && token < self.token {
            return Err(ServiceError::Stale);
        }
        self.token = self.token.max(token);
        Ok(())
    }
}

impl<T: Clone> Default for IdempotentService<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug + Clone> fmt::Debug for IdempotentService<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotentService")
            .field("effects", &self.effects())
            .finish_non_exhaustive()
    }
}
