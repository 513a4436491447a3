//! What an action declares about its undo and its retries. Read by the machine, set by the macros.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::LONGEST_WAIT;

/// What an undo needs to know, and so what can be done about a node whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoContract {
    /// `undo = f(output, ..)`: needs the output. In doubt, the action is run again until it answers.
    Output,
    /// `undo = f(output?, ..)`: takes the output if there is one.
    MaybeOutput,
    /// `undo = f(..)`: works from the inputs alone.
    #[serde(rename = "no_output")] // the stored word, which fingerprints depend on
    InputsOnly,
    /// `no_undo`: there is nothing worth undoing.
    #[serde(rename = "nothing")]
    None,
}

/// How often a call is tried, and how long to wait between tries.
///
/// The wait before try n + 1 is `base * factor^(n - 1)`, at most `cap`, of which a share `jitter` is
/// random (a hash of the call's key and try, so that recovery computes the same).
///
/// A try that was cut off by the end of its process, or by a shutdown, is made again and does not count.
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
    /// True if nobody said anything about tries.
    #[serde(skip)]
    unsaid: bool,
}

impl Retry {
    /// A single try.
    pub const fn never() -> Self {
        Self::up_to(1)
    }

    /// Up to `max` tries, the first one included; 0 counts as 1.
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

    /// As many tries as it takes.
    pub const fn forever() -> Self {
        Self { max: None, ..Self::up_to(1) }
    }

    /// The wait after the first try; default 100 ms. More than 100 years count as that.
    pub const fn base(self, base: Duration) -> Self {
        Self { base: bounded(base), ..self }
    }

    /// The longest wait; default 1 min. More than 100 years count as that.
    pub const fn cap(self, cap: Duration) -> Self {
        Self { cap: bounded(cap), ..self }
    }

    /// By how much the wait grows each time; below 1 counts as 1; default 2.
    pub const fn factor(self, factor: f64) -> Self {
        Self { factor: if factor >= 1.0 { factor } else { 1.0 }, ..self }
    }

    /// Which share of a wait is random, from 0 to 1; default 0.5.
    pub const fn jitter(self, jitter: f64) -> Self {
        let jitter = if jitter >= 0.0 && jitter <= 1.0 { jitter } else { 0.0 };
        Self { jitter, ..self }
    }

    /// How many tries at most; `None` for ever.
    pub const fn max(&self) -> Option<u32> {
        self.max
    }

    /// The tries of a pivot as long as nobody knows whether it took effect: its own, or ten if it has none. It
    /// can neither be undone nor left alone then, and a timeout or a lost connection is often over soon.
    pub(crate) fn of_pivot_in_doubt(self) -> Self {
        if self.unsaid { Self::up_to(10) } else { self }
    }

    /// True if a call that was tried `tries` times may be tried again.
    pub fn allows_after(&self, tries: u32) -> bool {
        self.max.is_none_or(|max| tries < max)
    }

    /// How long to wait after try number `tries`; `dice` is any hash of the call.
    pub fn delay_after(&self, tries: u32, dice: u64) -> Duration {
        if self.base.is_zero() {
            return Duration::ZERO;
        }
        let exponent = i32::try_from(tries.saturating_sub(1)).unwrap_or(i32::MAX);
        let full =
            (self.base.as_secs_f64() * self.factor.powi(exponent)).min(self.cap.as_secs_f64());
        // 53 bits: every value is exact in an f64
        let random = (dice >> 11) as f64 / (1u64 << 53) as f64;
        let delay = Duration::try_from_secs_f64(full * (1.0 - self.jitter * random));
        // one that was read from a store may say anything
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

/// What the machine must know of an action.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// What its undo needs.
    pub undo: UndoContract,
    /// True if the undo is also called after an attempt that failed for sure, to clean up what it did in
    /// part. Only for undos that do without the output: [`UndoContract::MaybeOutput`], [`UndoContract::InputsOnly`].
    pub undo_on_failure: bool,
    /// Tries of the action.
    pub retry: Retry,
    /// Tries of the undo.
    pub undo_retry: Retry,
}

impl Policy {
    /// One try of the action (ten of a pivot in doubt), ten of the undo, and nothing to undo after a failure.
    pub const fn new(undo: UndoContract) -> Self {
        let retry = Retry { unsaid: true, ..Retry::never() };
        Self { undo, undo_on_failure: false, retry, undo_retry: Retry::up_to(10) }
    }

    /// True if the undo is called after an attempt that failed for sure.
    pub const fn undoes_failures(&self) -> bool {
        self.undo_on_failure
            && matches!(self.undo, UndoContract::MaybeOutput | UndoContract::InputsOnly)
    }
}
