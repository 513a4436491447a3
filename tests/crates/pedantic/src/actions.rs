//! Actions of each form.

use std::borrow::Cow;
use std::fmt;

use saga_core::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Desk;

type Cx = ActionContext<Desk>;

/// What can go wrong.
#[derive(Debug, Serialize, Deserialize)]
pub enum DeskError {
    /// Nobody is there.
    Closed,
    /// Somebody may have been there.
    Unsure,
}

impl fmt::Display for DeskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_unsure() { "unsure" } else { "closed" })
    }
}

impl std::error::Error for DeskError {}

impl DeskError {
    pub(crate) fn is_unsure(&self) -> bool {
        matches!(self, Self::Unsure)
    }
}

/// What was booked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Booking {
    /// For whom.
    pub name: String,
    /// How many.
    pub seats: u32,
}

/// Undone with its output, and tried again.
///
/// # Errors
/// If nobody is there.
#[saga_action(
    undo = cancel(output, name),
    retry(max = 3, base = "10ms", cap = "1s", factor = 1.5, jitter = 0.5, when = DeskError::is_unsure),
    undo_retry(max = 5, base = "10ms"),
    timeout = "30s",
    undo_timeout = "10s",
    in_doubt = DeskError::is_unsure,
    label = "book seats",
    name = "pedantic.book",
    rev = 2
)]
pub async fn book<'a, 'b: 'a>(
    cx: &ActionContext<Desk>,
    name: &'a str,
    seats: u32,
    remarks: &[Cow<'b, str>],
) -> Result<Booking, DeskError> {
    cx.note(format!("book {seats} for {name} {remarks:?}")).await;
    if name.is_empty() { Err(DeskError::Closed) } else { Ok(Booking { name: name.into(), seats }) }
}

async fn cancel(cx: &Cx, booking: &Booking, name: &str) -> Result<(), DeskError> {
    cx.note(format!("cancel {} for {name}", booking.seats)).await;
    Ok(())
}

/// Undone with its output if there is one; its context is an alias.
///
/// # Errors
/// Never.
#[saga_action(undo = forget(output?))]
pub async fn remember(cx: &Cx, text: Option<&String>) -> Result<String, DeskError> {
    cx.note(format!("remember {text:?}")).await;
    Ok(text.cloned().unwrap_or_default())
}

async fn forget(cx: &Cx, text: Option<&String>) -> Result<(), DeskError> {
    cx.note(format!("forget {text:?}")).await;
    Ok(())
}

/// Undone without its output.
///
/// # Errors
/// Never.
#[saga_action(undo = unlock())]
pub async fn lock(cx: &ActionContext<Desk>) -> Result<(), DeskError> {
    cx.note("lock".into()).await;
    Ok(())
}

async fn unlock(cx: &Cx) -> Result<(), DeskError> {
    cx.note("unlock".into()).await;
    Ok(())
}

/// Runs anywhere, and never gives up.
///
/// # Errors
/// Never.
#[saga_action(no_undo = "only waits", retry(forever))]
pub async fn pause(r#for: u32) -> Result<u32, DeskError> {
    std::future::ready(()).await;
    Ok(r#for)
}
