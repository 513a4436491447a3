//! The page as HTTP: what is answered, with which headers, and what changes nothing.

mod changes;
#[path = "../common/mod.rs"]
mod common;
mod pages;
mod sessions;
mod waits;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// An answer, read to its end.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answered {
    /// What is between these two in the body.
    pub(crate) fn between(&self, before: &str, after: &str) -> String {
        let (_, rest) = self.body.split_once(before).unwrap_or_else(|| panic!("{}", self.body));
        rest.split_once(after).unwrap().0.to_string()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn send(page: &Router, request: Request<Body>) -> Answered {
    let response = page.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answered { status: parts.status, headers: parts.headers, body }
}

pub(crate) fn get(path: &str) -> axum::http::request::Builder {
    Request::get(path).header("host", "localhost:8080")
}

pub(crate) async fn read(page: &Router, path: &str) -> Answered {
    send(page, get(path).body(Body::empty()).unwrap()).await
}

/// A form as a browser sends it from a page of ours.
pub(crate) fn form(path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let mut request = plain_form(path, fields);
    request.headers_mut().insert("origin", "http://localhost:8080".parse().unwrap());
    request.headers_mut().insert("sec-fetch-site", "same-origin".parse().unwrap());
    request
}

/// A form of which nobody says where it comes from.
pub(crate) fn plain_form(path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect()
    };
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    Request::post(path)
        .header("host", "localhost:8080")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(pairs.collect::<Vec<_>>().join("&")))
        .unwrap()
}
