//! What is answered when something cannot be shown or done.

use axum::Extension;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;
use saga_core::operator::OperateError;

use crate::app::Visit;
use crate::layout::{Page, page};
use crate::text::user;

/// Why a page cannot be shown, in words for its reader.
pub(crate) struct Problem {
    status: StatusCode,
    title: &'static str,
    text: String,
}

impl Problem {
    pub(crate) fn forbidden(text: &str) -> Self {
        Self { status: StatusCode::FORBIDDEN, title: "Not allowed", text: text.to_string() }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, title: "That cannot be read", text: text.into() }
    }

    pub(crate) fn busy(text: &str) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, title: "Busy", text: text.to_string() }
    }

    fn missing(text: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, title: "Not found", text }
    }

    pub(crate) fn shown(self, visit: &Visit) -> Response {
        let body = html! {
            h1 { (self.title) }
            p.notice.bad role="alert" { (user(&self.text)) }
            p { a href=(visit.to("/")) { "To the overview" } }
        };
        (self.status, page(visit, &Page::new(self.title), body)).into_response()
    }
}

impl From<OperateError> for Problem {
    fn from(error: OperateError) -> Self {
        let text = error.to_string();
        match error {
            OperateError::NotFound { .. } => Self::missing(text),
            OperateError::InvalidId(_) => Self::missing(text),
            OperateError::Refused { .. } => {
                Self { status: StatusCode::CONFLICT, title: "Refused", text }
            }
            OperateError::Unanswered { .. } => {
                Self { status: StatusCode::ACCEPTED, title: "Not answered yet", text }
            }
            // the store's error, a coordinator that has been shut down, and what the future adds
            _ => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The sagas cannot be reached",
                text,
            },
        }
    }
}

/// The answer to a request, or why there is none.
pub(crate) fn answer<T: IntoResponse>(visit: &Visit, result: Result<T, Problem>) -> Response {
    match result {
        Ok(shown) => shown.into_response(),
        Err(problem) => problem.shown(visit),
    }
}

pub(crate) async fn no_page(Extension(visit): Extension<Visit>) -> Response {
    Problem::missing("There is no such page.".to_string()).shown(&visit)
}
