//! Signing in with the token, and out.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, ORIGIN, SET_COOKIE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use maud::{Markup, html};
use saga_core::SagaId;
use saga_core::operator::MAX_NAME;
use serde::Deserialize;

use crate::app::{Shared, Visit};
use crate::layout::{Page, csrf_field, page, saga_page};
use crate::problem::Problem;
use crate::sessions::{LIFETIME, Session, hashed};

/// How long each attempt takes, so that few can be made in a row. Nobody who is quick and wrong keeps others from signing in.
const ATTEMPT: Duration = Duration::from_millis(300);

const READ_ONLY: &str = "This page only shows: its program does not allow changes.";

/// The session that a form was sent with.
pub(crate) fn signed_in<'v>(visit: &'v Visit, csrf: &str) -> Result<&'v Session, Problem> {
    if !visit.changes {
        return Err(Problem::forbidden(READ_ONLY));
    }
    let Some(session) = &visit.session else {
        return Err(Problem::forbidden(
            "You are not signed in, or no longer. Nothing was changed.",
        ));
    };
    if hashed(csrf) != hashed(&session.csrf) {
        let why = "The form is not of this session. Nothing was changed; load the page again.";
        return Err(Problem::forbidden(why));
    }
    Ok(session)
}

/// Where a reader wants to go once they have signed in.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Goal {
    /// A saga's id; none for the overview.
    saga: String,
}

impl Goal {
    fn address(&self, visit: &Visit) -> String {
        // nothing else that an address says leads anywhere
        match self.saga.parse::<SagaId>() {
            Ok(id) => saga_page(visit, id.as_str()),
            Err(_) => visit.to("/"),
        }
    }
}

pub(crate) async fn form(Extension(visit): Extension<Visit>, Query(goal): Query<Goal>) -> Response {
    shown(&visit, &goal, None).into_response()
}

fn shown(visit: &Visit, goal: &Goal, wrong: Option<&str>) -> Markup {
    let body = html! {
        h1 { "Sign in" }
        @if let Some(session) = &visit.session {
            p { "You are signed in as " bdi { (session.name) } "." }
            form method="post" action=(visit.to("/session/end")) {
                (csrf_field(session))
                button { "Sign out" }
            }
        } @else if visit.changes {
            p { "Anybody can look. To act, enter the token that the operator of this service has set." }
            @if let Some(wrong) = wrong { p.notice.bad role="alert" { (wrong) } }
            form.card.narrow method="post" action=(visit.to("/session")) {
                input type="hidden" name="saga" value=(goal.saga);
                label for="name" { "Your name, as it is recorded with what you do" }
                input id="name" name="name" autocomplete="username" required maxlength=(MAX_NAME / 4);
                label for="token" { "Token" }
                input id="token" name="token" type="password" autocomplete="current-password" required;
                button.primary { "Sign in" }
            }
        } @else {
            p { (READ_ONLY) }
        }
    };
    page(visit, &Page::new("Sign in"), body)
}

#[derive(Deserialize)]
pub(crate) struct SignIn {
    name: String,
    token: String,
    #[serde(flatten)]
    goal: Goal,
}

pub(crate) async fn sign_in(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(SignIn { name, token, goal }): Form<SignIn>,
) -> Response {
    let Some(expected) = &app.options.token else {
        return Problem::forbidden(READ_ONLY).shown(&visit);
    };
    if visit.peer.is_some_and(|peer| !app.sessions.may_try(peer)) {
        let why = "Too many wrong tokens from your address. Try again in a minute.";
        return (StatusCode::TOO_MANY_REQUESTS, shown(&visit, &goal, Some(why))).into_response();
    }
    tokio::time::sleep(ATTEMPT).await;
    if hashed(&token) != hashed(expected) {
        if let Some(peer) = visit.peer {
            app.sessions.was_wrong(peer);
        }
        let why = "This is not the token.";
        return (StatusCode::FORBIDDEN, shown(&visit, &goal, Some(why))).into_response();
    }
    let name = name.trim();
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        let why = "Enter your name; it is recorded with what you do.";
        return (StatusCode::BAD_REQUEST, shown(&visit, &goal, Some(why))).into_response();
    }
    let secret = app.sessions.begin(name.to_string());
    let secure = app.options.secure || is_https(&headers);
    let cookie = set_cookie(&visit, &secret, LIFETIME.as_secs(), secure);
    ([(SET_COOKIE, cookie)], Redirect::to(&goal.address(&visit))).into_response()
}

/// True if the browser has the page over HTTPS; a proxy may speak HTTP with this program.
fn is_https(headers: &HeaderMap) -> bool {
    headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

fn set_cookie(visit: &Visit, value: &str, lifetime: u64, secure: bool) -> String {
    let Visit { base, cookie, .. } = visit;
    let path = if base.is_empty() { "/" } else { base };
    let secure = if secure { "; Secure" } else { "" };
    format!("{cookie}={value}; Path={path}; Max-Age={lifetime}; HttpOnly; SameSite=Strict{secure}")
}

#[derive(Deserialize)]
pub(crate) struct SignOut {
    #[serde(default)]
    csrf: String,
}

pub(crate) async fn sign_out(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(SignOut { csrf }): Form<SignOut>,
) -> Response {
    let session = match signed_in(&visit, &csrf) {
        Ok(session) => session,
        Err(problem) => return problem.shown(&visit),
    };
    app.sessions.end(session);
    let secure = app.options.secure || is_https(&headers);
    let cookie = set_cookie(&visit, "", 0, secure);
    ([(SET_COOKIE, cookie)], Redirect::to(&visit.to("/"))).into_response()
}
