//! The id of a saga in the address of a page.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

/// What a saga's id stands behind where an address cannot have it: browsers take `.` and `..` for steps within the address. No
/// id has this character.
const BEHIND: &str = "~";

/// An id as the part of an address.
pub(crate) fn of_saga(id: &str) -> String {
    let behind = if matches!(id, "." | "..") { BEHIND } else { "" };
    format!("/sagas/{behind}{}", crate::text::encoded(id))
}

/// The id of the saga that an address names.
pub(crate) struct SagaPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for SagaPath {
    type Rejection = PathRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PathRejection> {
        let Path(id) = Path::<String>::from_request_parts(parts, state).await?;
        Ok(Self(id.strip_prefix(BEHIND).map(str::to_string).unwrap_or(id)))
    }
}
