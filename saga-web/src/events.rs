//! Live updates: a stream of server-sent events that says when something has changed. What has, the page reads again.

use std::convert::Infallible;
use std::pin::pin;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::future::{Either, select};
use futures_util::stream;
use saga_core::operator::{Fleet, OperateError, Operator};
use saga_core::store::Position;
use serde::Deserialize;

use crate::app::{Shared, Visit};
use crate::problem::Problem;
use crate::sessions::hashed;

/// How often a saga is looked at that a page shows.
const OF_ONE: Duration = Duration::from_millis(400);

/// How often all sagas are counted, unless that takes long.
const OF_ALL: Duration = Duration::from_secs(4);

/// A browser connects again when its stream ends; so no stream has to live for ever.
const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
pub(crate) struct What {
    saga: Option<String>,
}

/// What the page of a saga shows, for comparison. A request that is left, and one that is refused, change nothing but the number of
/// those without an answer.
pub(crate) fn version_of_one(position: &Position, unanswered: usize) -> String {
    format!("{}{} {unanswered}", position.next_seq, if position.parked { "p" } else { "" })
}

/// What the pages of all sagas show, for comparison.
pub(crate) fn version_of_all(fleet: &Fleet) -> String {
    // the ages that are shown change by themselves
    let minute = fleet.at.0 / 60_000;
    let [a, b, c, d, ..] = hashed(&format!("{minute} {fleet}"));
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}

/// The version of all sagas, counted once for all pages that follow them.
#[derive(Default)]
pub(crate) struct Counted(tokio::sync::Mutex<Option<Count>>);

struct Count {
    version: String,
    /// Until when it is not counted again.
    until: Instant,
}

impl Counted {
    /// The version, and how long it stays what it is.
    async fn version(&self, operator: &Operator) -> Result<(String, Duration), OperateError> {
        let mut count = self.0.lock().await;
        let began = Instant::now();
        if let Some(Count { version, until }) = &*count
            && *until > began
        {
            return Ok((version.clone(), until.duration_since(began)));
        }
        let version = version_of_all(&operator.fleet().await?);
        // counting a hundred thousand sagas must not be all that a store does
        let pause = OF_ALL.max(began.elapsed() * 20);
        *count = Some(Count { version: version.clone(), until: Instant::now() + pause });
        Ok((version, pause))
    }
}

/// The version of what is watched, and how long to wait before it is asked for again.
async fn look(app: &Shared, saga: Option<&str>) -> Result<(String, Duration), OperateError> {
    match saga {
        Some(id) => {
            let Some(position) = app.operator.position(id).await? else {
                return Ok((String::new(), OF_ONE));
            };
            Ok((version_of_one(&position, app.operator.unanswered(id).await?), OF_ONE))
        }
        None => app.counted.version(&app.operator).await,
    }
}

pub(crate) async fn events(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
    Query(What { saga }): Query<What>,
) -> Response {
    let Ok(permit) = app.streams.clone().try_acquire_owned() else {
        return Problem::busy("Too many pages follow what happens.").shown(&visit);
    };
    let (end, until) = (app.options.end.clone(), Instant::now() + LIFETIME);
    let begin = (app, saga, None::<String>, Duration::ZERO);
    let events = stream::unfold(begin, move |(app, saga, last, mut wait)| {
        let (end, _permit) = (end.clone(), &permit);
        async move {
            loop {
                let pause = pin!(tokio::time::sleep(wait));
                if let Either::Left(_) = select(end.clone(), pause).await {
                    return None;
                }
                if Instant::now() > until {
                    return None;
                }
                // a store that fails is asked again, and so is one whose saga is gone
                let Ok((version, next)) = look(&app, saga.as_deref()).await else {
                    wait = OF_ALL;
                    continue;
                };
                wait = next;
                if last.as_ref() != Some(&version) {
                    let event = Ok::<_, Infallible>(Event::default().data(&version));
                    return Some((event, (app, saga, Some(version), wait)));
                }
            }
        }
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::default());
    ([(CACHE_CONTROL, "no-store")], stream).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use saga_core::log::{SagaEntry, Timestamp};
    use saga_core::store::{MemoryStore, NewSaga, SagaRecord, Store, WorkerId};

    #[tokio::test]
    async fn all_who_follow_the_sagas_share_one_count() {
        let store = MemoryStore::new();
        let operator = Operator::attach(store.clone(), "page", Duration::ZERO);
        let counted = Counted::default();
        let (none, pause) = counted.version(&operator).await.unwrap();
        assert!(pause >= OF_ALL);
        let id = "order-1".parse().unwrap();
        let record = SagaRecord::new(id, "Order", WorkerId::generate(), Timestamp(1));
        let kind =
            SagaEntry::Created { run_key: record.run_key, traceparent: None, starts_at: None }
                .into();
        let created = saga_core::log::Entry { seq: 1, epoch: 1, at: Timestamp(1), kind };
        let record = SagaRecord { next_seq: 2, ..record };
        store.create(NewSaga { record, entries: vec![created] }).await.unwrap();
        // nobody counts again before the pause is over
        let (same, rest) = counted.version(&operator).await.unwrap();
        assert!(same == none && rest <= pause);
        assert_ne!(version_of_all(&operator.fleet().await.unwrap()), none);
    }
}
