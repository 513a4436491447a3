//! What an action declares about its undo and its retries. The macros and builders set it, and the machine acts
//! on it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::LONGEST_WAIT;

/// What an undo needs as input, which determines how a node in doubt (one whose outcome is unknown) is
/// compensated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoContract {
    /// `undo = f(output, ..)`: the undo needs the output. A node in doubt is run again until its outcome is
    /// known.
    Output,
    /// `undo = f(output?, ..)`: the undo takes the output if there is one. It also compensates a node in doubt.
    MaybeOutput,
    /// `undo = f(..)`: the undo works from the inputs alone. It also compensates a node in doubt.
    #[serde(rename = "no_output")] // the stored word, which fingerprints depend on
    InputsOnly,
    /// `no_undo`: the action has no effect that needs to be undone.
    #[serde(rename = "nothing")]
    None,
}

/// A kind of database that can keep rows of an action's own beside the log.
///
/// ```
/// use saga_core::store::DatabaseKind;
/// assert_eq!(DatabaseKind::Sqlite.to_string(), "SQLite");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseKind {
    /// SQLite: a `SqliteStore` keeps the log.
    Sqlite,
    /// PostgreSQL: a `PostgresStore` keeps the log.
    Postgres,
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// How many times a call is attempted, and how long to wait between attempts.
///
/// The wait after attempt n is `base * factor^(n - 1)`, capped at `cap`. The fraction `jitter` of it is random:
/// a hash of the call's key and attempt number, so that recovery computes the same wait.
///
/// An attempt that was interrupted by a crash or a shutdown is repeated and does not count.
///
/// ```
/// use saga_core::Retry;
/// use std::time::Duration;
/// let retry = Retry::up_to(5).base(Duration::from_millis(50)).cap(Duration::from_secs(1));
/// assert_eq!(retry.max(), Some(5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    max: Option<u32>,
    base: Duration,
    cap: Duration,
    factor: f64,
    jitter: f64,
    /// True if the number of attempts was not declared.
    #[serde(skip)]
    unsaid: bool,
}

impl Retry {
    /// A single attempt.
    pub const fn never() -> Self {
        Self::up_to(1)
    }

    /// Up to `max` attempts, including the first; 0 counts as 1.
    pub const fn up_to(max: u32) -> Self {
        Self {
            max: Some(if max == 0 { 1 } else { max }),
            base: Duration::from_millis(100),
            cap: Duration::from_secs(60),
            factor: 2.0,
            jitter: 0.5,
            unsaid: false,
        }
    }

    /// Attempts without limit, until one succeeds.
    pub const fn forever() -> Self {
        Self { max: None, ..Self::up_to(1) }
    }

    /// Sets the wait after the first attempt; default 100 ms, at most 100 years.
    pub const fn base(self, base: Duration) -> Self {
        Self { base: bounded(base), ..self }
    }

    /// Sets the longest wait; default 1 min, at most 100 years.
    pub const fn cap(self, cap: Duration) -> Self {
        Self { cap: bounded(cap), ..self }
    }

    /// Sets the factor by which the wait grows after each attempt; default 2. A factor below 1 counts as 1.
    pub const fn factor(self, factor: f64) -> Self {
        Self { factor: if factor >= 1.0 { factor } else { 1.0 }, ..self }
    }

    /// Sets the fraction of each wait that is random, from 0 to 1; default 0.5.
    pub const fn jitter(self, jitter: f64) -> Self {
        let jitter = if jitter >= 0.0 && jitter <= 1.0 { jitter } else { 0.0 };
        Self { jitter, ..self }
    }

    /// The maximum number of attempts; `None` if there is no limit.
    pub const fn max(&self) -> Option<u32> {
        self.max
    }

    /// The attempts of a pivot that is in doubt: as declared, or ten if nothing was declared. Such a pivot can
    /// neither be undone nor left alone, and a timeout or a lost connection is often temporary.
    pub(crate) fn of_pivot_in_doubt(self) -> Self {
        if self.unsaid { Self::up_to(10) } else { self }
    }

    /// What was declared, in the words of `#[saga_action(retry(..))]`; `None` if nothing was.
    #[cfg(feature = "testing")]
    pub(crate) fn in_words(&self) -> Option<String> {
        if self.unsaid {
            return None;
        }
        let attempts = self.max.map_or("forever".to_string(), |max| format!("max = {max}"));
        let default = Self::never();
        let (base, cap) = (format!("base = {:?}", self.base), format!("cap = {:?}", self.cap));
        let factor = format!("factor = {}", self.factor);
        let jitter = format!("jitter = {}", self.jitter);
        let rest = [
            (self.base != default.base, base),
            (self.cap != default.cap, cap),
            (self.factor != default.factor, factor),
            (self.jitter != default.jitter, jitter),
        ];
        let said = rest.into_iter().filter(|(said, _)| *said).map(|(_, words)| words);
        Some([attempts].into_iter().chain(said).collect::<Vec<_>>().join(", "))
    }

    /// True if a call may be attempted again after `tries` attempts.
    pub fn allows_after(&self, tries: u32) -> bool {
        self.max.is_none_or(|max| tries < max)
    }

    /// How long to wait after attempt number `tries`; `dice` is a hash of the call.
    pub fn delay_after(&self, tries: u32, dice: u64) -> Duration {
        if self.base.is_zero() {
            return Duration::ZERO;
        }
        let exponent = i32::try_from(tries.saturating_sub(1)).unwrap_or(i32::MAX);
        let full =
            (self.base.as_secs_f64() * self.factor.powi(exponent)).min(self.cap.as_secs_f64());
        // Every 53-bit value is exact in an f64.
        let random = (dice >> 11) as f64 / (1u64 << 53) as f64;
        let delay = Duration::try_from_secs_f64(full * (1.0 - self.jitter * random));
        // A policy that was read from a store may contain any numbers.
        bounded(delay.unwrap_or(self.cap))
    }
}

const fn bounded(wait: Duration) -> Duration {
    if wait.as_secs() < LONGEST_WAIT.as_secs() { wait } else { LONGEST_WAIT }
}

impl Default for Retry {
    fn default() -> Self {
        Self::never()
    }
}

/// The part of an action's declaration that the machine acts on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// What its undo needs.
    pub undo: UndoContract,
    /// True if the undo is also called after an attempt that definitely failed, to clean up partial effects. It
    /// has a meaning only for undos that can run without an output: [`UndoContract::MaybeOutput`] and
    /// [`UndoContract::InputsOnly`].
    pub undo_on_failure: bool,
    /// In which database the action has its only effect: rows that are committed together with its `succeeded` in
    /// the log. An attempt without a `succeeded` has then had no effect, so the node is never in doubt. `None` if the
    /// action may have other effects.
    pub transaction: Option<DatabaseKind>,
    /// The attempts of the action.
    pub retry: Retry,
    /// The attempts of the undo.
    pub undo_retry: Retry,
    /// True if an attempt after a definite failure has a key of its own, for receivers that keep the first answer to
    /// each key, refusals included. As long as the node is in doubt, its key stays.
    pub fresh_key: bool,
    /// True if the action can be asked whether it took effect ([`Action::probe`](crate::action::Action::probe)). It is asked
    /// when it is in doubt, before it is run again, undone or given up.
    pub probe: bool,
}

impl Policy {
    /// One attempt of the action (ten if it is a pivot in doubt), ten of the undo, and no undo after a definite
    /// failure.
    pub const fn new(undo: UndoContract) -> Self {
        let retry = Retry { unsaid: true, ..Retry::never() };
        let undo_retry = Retry::up_to(10);
        Self {
            undo,
            undo_on_failure: false,
            transaction: None,
            retry,
            undo_retry,
            fresh_key: false,
            probe: false,
        }
    }

    /// True if the undo is called after an attempt that definitely failed. What a transaction wrote is rolled back when
    /// it fails, so there is nothing to undo then.
    pub const fn undoes_failures(&self) -> bool {
        match self.undo {
            _ if self.transaction.is_some() => false,
            UndoContract::MaybeOutput | UndoContract::InputsOnly => self.undo_on_failure,
            UndoContract::Output | UndoContract::None => false,
        }
    }
}
