//! The files of the page: its style sheet, its script and its icon. They are part of the program.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

const FILES: [(&str, &str, &str); 3] = [
    ("saga.css", "text/css; charset=utf-8", include_str!("../assets/saga.css")),
    ("saga.js", "text/javascript; charset=utf-8", include_str!("../assets/saga.js")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
];

/// Changes with the files, so that browsers can keep them.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut all = Sha256::new();
    FILES.iter().for_each(|(_, _, text)| all.update(text));
    all.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
});

pub(crate) fn address(name: &str) -> String {
    format!("/static/{name}?v={}", *VERSION)
}

pub(crate) async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(file, _, _)| *file == name) {
        Some((_, kind, text)) => {
            let kept = "public, max-age=31536000, immutable";
            ([(CONTENT_TYPE, *kind), (CACHE_CONTROL, kept)], *text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
