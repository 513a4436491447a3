//! What an action declares about itself.

use std::panic::Location;
use std::time::Duration;

use crate::action::Timeouts;
use crate::policy::{Policy, UndoContract};

/// What an action declares about itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActionSpec {
    /// The durable name.
    pub name: &'static str,
    /// The revision.
    pub rev: u32,
    /// A label for humans.
    pub label: Option<&'static str>,
    /// What its undo needs, and how often both are tried.
    pub policy: Policy,
    /// How long one attempt of the action may take.
    pub timeout: Option<Duration>,
    /// How long one attempt of the undo may take.
    pub undo_timeout: Option<Duration>,
    /// The undo as declared, such as `refund(output?)`.
    pub undo: &'static str,
    /// Where it is defined.
    pub place: &'static Location<'static>,
}

impl ActionSpec {
    /// The declaration of an action that states nothing else: it is attempted once, and its undo up to 10
    /// times. Its place is where this function is called. If the line number were an argument, an edit would
    /// make rustc recheck every action below it.
    #[track_caller]
    pub const fn new(name: &'static str, kind: UndoContract, undo: &'static str) -> Self {
        let (policy, place) = (Policy::new(kind), Location::caller());
        Self { name, rev: 0, label: None, policy, timeout: None, undo_timeout: None, undo, place }
    }

    /// The reason in `no_undo = "reason"`.
    pub(crate) fn no_undo(&self) -> Option<String> {
        let reason = self.undo.strip_prefix("no_undo = ")?;
        Some(serde_json::from_str(reason).unwrap_or_else(|_| reason.trim_matches('"').to_string()))
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts { action: self.timeout, undo: self.undo_timeout }
    }
}
