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
use saga_core::operator::{Fleet, OperateError};
use saga_core::store::Position;
use serde::Deserialize;

use crate::app::{Shared, Visit};
use crate::problem::Problem;
use crate::session::hashed;

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

/// What the page of a saga shows, for comparison.
pub(crate) fn version_of_one(position: &Position) -> String {
    format!("{}{}", position.next_seq, if position.parked { "p" } else { "" })
}

/// What the pages of all sagas show, for comparison.
pub(crate) fn version_of_all(fleet: &Fleet) -> String {
    // the ages that are shown change by themselves
    let minute = fleet.at.0 / 60_000;
    let [a, b, c, d, ..] = hashed(&format!("{minute} {fleet}"));
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}

/// The version of what is watched, and how long to wait before it is asked for again.
async fn look(app: &Shared, saga: Option<&str>) -> Result<(String, Duration), OperateError> {
    let began = Instant::now();
    match saga {
        Some(id) => {
            let position = app.operator.position(id).await?;
            Ok((position.as_ref().map(version_of_one).unwrap_or_default(), OF_ONE))
        }
        None => {
            let version = version_of_all(&app.operator.fleet().await?);
            // counting a hundred thousand sagas must not be all that a store does
            Ok((version, OF_ALL.max(began.elapsed() * 20)))
        }
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
