//! The routes, and what all requests share.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use saga_core::operator::Operator;
use tokio::sync::Semaphore;

use crate::events::Counted;
use crate::options::Options;
use crate::sessions::{Session, Sessions};
use crate::{ask, assets, events, fleet, guard, list, problem, saga, session};

/// The largest form: a note of the largest size, and an output for a decision.
const MAX_FORM: usize = 256 * 1024;

/// How many pages can follow what happens at a time.
const MAX_STREAMS: usize = 128;

pub(crate) struct App {
    pub(crate) operator: Operator,
    pub(crate) options: Options,
    pub(crate) sessions: Sessions,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) counted: Counted,
}

pub(crate) type Shared = Arc<App>;

/// What a handler knows about the request it answers: the guard has found it out.
#[derive(Clone)]
pub(crate) struct Visit {
    /// The path at which the page is mounted, without a slash at the end.
    pub(crate) base: String,
    pub(crate) session: Option<Session>,
    /// The name of the cookie of a session. It has the port in it, because cookies do not: the pages of several programs on one
    /// computer would sign each other out.
    pub(crate) cookie: String,
    /// Where the request comes from, if the program tells.
    pub(crate) peer: Option<IpAddr>,
    /// Whether people can sign in to act.
    pub(crate) changes: bool,
}

impl Visit {
    /// The address of a page of ours.
    pub(crate) fn to(&self, path: impl std::fmt::Display) -> String {
        // axum does not find a nested router at its path with a slash at the end
        match (self.base.as_str(), path.to_string().as_str()) {
            ("", path) => path.to_string(),
            (base, "/") => base.to_string(),
            (base, path) => format!("{base}{path}"),
        }
    }
}

pub(crate) fn router(operator: Operator, options: Options) -> Router {
    let app = Arc::new(App {
        operator,
        options,
        sessions: Sessions::default(),
        streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        counted: Counted::default(),
    });
    Router::new()
        .route("/", get(fleet::fleet))
        .route("/needs-human", get(list::needs_human))
        .route("/sagas", get(list::list))
        .route("/sagas/{id}", get(saga::saga))
        .route("/sagas/{id}/nodes", get(saga::nodes::nodes))
        .route("/sagas/{id}/log", get(saga::log::log))
        .route("/sagas/{id}/ask", get(ask::confirm).post(ask::ask))
        .route("/session", get(session::form).post(session::sign_in))
        .route("/session/end", post(session::sign_out))
        .route("/events", get(events::events))
        .route("/static/{file}", get(assets::file))
        .fallback(problem::no_page)
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}
