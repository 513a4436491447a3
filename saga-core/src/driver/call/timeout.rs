//! A user's future with its timeout.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::error::{ActionError, UndoError};
use crate::panics::Contained;
use crate::planted::{Mistake, planted};
use crate::probe::Probe;
use crate::value::{ActionOutput, AttemptError};

pub(super) type ActionFuture<'a> = BoxFuture<'a, Result<ActionOutput, AttemptError>>;
pub(super) type UndoFuture<'a> = BoxFuture<'a, Result<(), UndoError>>;
pub(super) type ProbeFuture<'a> = BoxFuture<'a, Result<Probe<ActionOutput>, ActionError>>;

/// A user's future with its timeout. What is dropped when the time is over may panic.
pub(super) fn within<'a, T: Send + 'a, E: Send + 'a>(
    limit: Option<Duration>,
    call: BoxFuture<'a, Result<T, E>>,
    cut: fn(ActionError) -> E,
) -> BoxFuture<'a, Result<T, E>> {
    let limit = limit.filter(|_| !planted(Mistake::TimeoutIgnored));
    let Some(limit) = limit else { return call };
    let mut call = Contained::new(call);
    Box::pin(async move {
        let ended = poll_fn(|cx| match call.get_mut() {
            Some(call) => call.as_mut().poll(cx),
            None => Poll::Pending,
        });
        tokio::time::timeout(limit, ended).await.unwrap_or_else(|_| {
            Err(cut(ActionError::TimedOut { message: format!("timed out after {limit:?}") }))
        })
    })
}
