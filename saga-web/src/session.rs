//! Who may act: they have entered the token, and carry a cookie that says so.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{COOKIE, HeaderMap, SET_COOKIE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use maud::{Markup, html};
use saga_core::operator::MAX_NAME;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::app::{Shared, Visit};
use crate::layout::{Page, csrf_field, page};
use crate::problem::Problem;

const COOKIE_NAME: &str = "saga_session";
const LIFETIME: Duration = Duration::from_secs(8 * 3600);
const MAX_SESSIONS: usize = 1000;

/// After so many wrong tokens, all wait until a minute has passed.
const MAX_WRONG: u32 = 10;
const WRONG_FOR: Duration = Duration::from_secs(60);

/// Somebody who has signed in.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) name: String,
    /// What their forms carry.
    pub(crate) csrf: String,
    until: Instant,
}

/// What is kept of a secret, so that comparing it with another takes no time that tells anything about it.
type Hashed = [u8; 32];

pub(crate) fn hashed(secret: &str) -> Hashed {
    Sha256::digest(secret.as_bytes()).into()
}

#[derive(Default)]
pub(crate) struct Sessions {
    all: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    sessions: HashMap<Hashed, Session>,
    wrong: u32,
    wrong_since: Option<Instant>,
}

/// 244 random bits of the operating system.
fn random() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs =
        cookies.flat_map(|cookies| cookies.split(';')).filter_map(|c| c.split_once('='));
    pairs.find(|(name, _)| name.trim() == COOKIE_NAME).map(|(_, value)| value.trim())
}

impl Sessions {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session whose cookie came with a request.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<Session> {
        let id = hashed(cookie(headers)?);
        let session = self.kept().sessions.get(&id).cloned()?;
        (session.until > Instant::now()).then_some(session)
    }

    /// Counts an attempt to sign in, and tells whether it may be made.
    fn may_try(&self) -> bool {
        let (mut kept, now) = (self.kept(), Instant::now());
        if kept.wrong_since.is_none_or(|since| now.duration_since(since) > WRONG_FOR) {
            (kept.wrong, kept.wrong_since) = (0, Some(now));
        }
        kept.wrong < MAX_WRONG
    }

    fn was_wrong(&self) {
        self.kept().wrong += 1;
    }

    /// Begins a session; returns what its cookie says.
    fn begin(&self, name: String) -> String {
        let (id, now) = (random(), Instant::now());
        let session = Session { name, csrf: random(), until: now + LIFETIME };
        let mut kept = self.kept();
        kept.sessions.retain(|_, session| session.until > now);
        if kept.sessions.len() >= MAX_SESSIONS {
            let oldest = kept.sessions.iter().min_by_key(|(_, session)| session.until);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                kept.sessions.remove(&oldest);
            }
        }
        kept.sessions.insert(hashed(&id), session);
        id
    }

    fn end(&self, headers: &HeaderMap) {
        if let Some(cookie) = cookie(headers) {
            self.kept().sessions.remove(&hashed(cookie));
        }
    }
}

/// The session that a form was sent with.
pub(crate) fn signed_in<'v>(visit: &'v Visit, csrf: &str) -> Result<&'v Session, Problem> {
    if !visit.changes {
        return Err(Problem::forbidden(
            "This page only shows: its program does not allow changes.",
        ));
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

pub(crate) async fn form(Extension(visit): Extension<Visit>) -> Response {
    shown(&visit, None).into_response()
}

fn shown(visit: &Visit, wrong: Option<&str>) -> Markup {
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
                label for="name" { "Your name, as it is recorded with what you do" }
                input id="name" name="name" autocomplete="username" required maxlength=(MAX_NAME / 4);
                label for="token" { "Token" }
                input id="token" name="token" type="password" autocomplete="current-password" required;
                button.primary { "Sign in" }
            }
        } @else {
            p { "This page only shows: its program does not allow changes." }
        }
    };
    page(visit, &Page::new("Sign in"), body)
}

#[derive(Deserialize)]
pub(crate) struct SignIn {
    name: String,
    token: String,
}

pub(crate) async fn sign_in(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
    Form(SignIn { name, token }): Form<SignIn>,
) -> Response {
    let Some(expected) = &app.options.token else {
        return Problem::forbidden("This page only shows: its program does not allow changes.")
            .shown(&visit);
    };
    if !app.sessions.may_try() {
        let why = "Too many wrong tokens. Try again in a minute.";
        return (StatusCode::TOO_MANY_REQUESTS, shown(&visit, Some(why))).into_response();
    }
    if hashed(&token) != hashed(expected) {
        app.sessions.was_wrong();
        let why = "This is not the token.";
        return (StatusCode::FORBIDDEN, shown(&visit, Some(why))).into_response();
    }
    let name = name.trim();
    if name.is_empty() || name.len() > MAX_NAME {
        let why = "Enter your name; it is recorded with what you do.";
        return (StatusCode::BAD_REQUEST, shown(&visit, Some(why))).into_response();
    }
    let id = app.sessions.begin(name.to_string());
    let lifetime = LIFETIME.as_secs();
    let cookie = set_cookie(&app, &visit, &format!("{COOKIE_NAME}={id}"), lifetime);
    ([(SET_COOKIE, cookie)], Redirect::to(&visit.to("/"))).into_response()
}

fn set_cookie(app: &Shared, visit: &Visit, pair: &str, lifetime: u64) -> String {
    let path = if visit.base.is_empty() { "/" } else { &visit.base };
    let secure = if app.options.secure { "; Secure" } else { "" };
    format!("{pair}; Path={path}; Max-Age={lifetime}; HttpOnly; SameSite=Strict{secure}")
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
    if let Err(problem) = signed_in(&visit, &csrf) {
        return problem.shown(&visit);
    }
    app.sessions.end(&headers);
    let cookie = set_cookie(&app, &visit, &format!("{COOKIE_NAME}="), 0);
    ([(SET_COOKIE, cookie)], Redirect::to(&visit.to("/"))).into_response()
}
