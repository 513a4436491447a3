//! What goes wrong in one run of a saga.

use std::fmt;

/// What goes wrong with one call of an action or an undo.
///
/// ```
/// use saga_core::testing::CallFault;
/// assert_eq!(CallFault::EffectThenInDoubt.to_string(), "effect, then in doubt");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CallFault {
    /// It fails with an error, and has no effect.
    Error,
    /// It has its effect, and fails with an error nevertheless.
    EffectThenError,
    /// Its request is lost: whoever called does not know whether it has had an effect. It has none.
    InDoubt,
    /// Its reply is lost: whoever called does not know whether it has had an effect. It has.
    EffectThenInDoubt,
    /// It panics before it has an effect.
    Panic,
    /// It panics after its effect.
    EffectThenPanic,
    /// It never returns, and has no effect.
    Hang,
    /// It has its effect, and never returns.
    EffectThenHang,
    /// It runs twice in a row with the same idempotency key.
    Repeated,
    /// Its reply is lost, and the request arrives only after the saga has ended.
    Late,
    /// It fails with an error that no other attempt can change, and has no effect. After an action the saga rolls back
    /// without a retry; after an undo it is stuck.
    ForGood,
}

impl CallFault {
    fn variant(self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::EffectThenError => "EffectThenError",
            Self::InDoubt => "InDoubt",
            Self::EffectThenInDoubt => "EffectThenInDoubt",
            Self::Panic => "Panic",
            Self::EffectThenPanic => "EffectThenPanic",
            Self::Hang => "Hang",
            Self::EffectThenHang => "EffectThenHang",
            Self::Repeated => "Repeated",
            Self::Late => "Late",
            Self::ForGood => "ForGood",
        }
    }
}

impl fmt::Display for CallFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::EffectThenError => "effect, then error",
            Self::InDoubt => "in doubt",
            Self::EffectThenInDoubt => "effect, then in doubt",
            Self::Panic => "panic",
            Self::EffectThenPanic => "effect, then panic",
            Self::Hang => "hangs",
            Self::EffectThenHang => "effect, then hangs",
            Self::Repeated => "repeated",
            Self::Late => "arrives late",
            Self::ForGood => "fails for good",
        })
    }
}

/// What happens to the saga while one of its actions is in flight, or to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Fault(CallFault),
    /// The saga is cancelled; the call returns afterwards.
    Cancel,
    /// The saga's deadline passes; the call returns afterwards.
    Deadline,
}

/// Something that happens to the calls of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Injection {
    pub(super) node: String,
    /// True for the node's undo.
    pub(super) undo: bool,
    pub(super) event: Event,
    /// True for every attempt, and not only for the first one.
    pub(super) always: bool,
}

impl Injection {
    /// True if it is about this call.
    pub(super) fn is_of(&self, node: &str, undo: bool) -> bool {
        self.node == node && self.undo == undo
    }

    /// True if it is a fault, of which a call has only one.
    pub(super) fn is_fault(&self) -> bool {
        match self.event {
            Event::Fault(_) => true,
            Event::Cancel | Event::Deadline => false,
        }
    }
}

/// A moment at which something became durable: the number of the append, from 0 for the creation of the saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crash {
    /// The process dies before that append.
    Before(usize),
    /// The process dies after it, and before it knows.
    After(usize),
}

/// All that goes wrong in one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    pub(super) injections: Vec<Injection>,
    pub(super) crash: Option<Crash>,
    /// The saga is cancelled after this append.
    pub(super) cancel: Option<usize>,
    /// In which order calls end that are in flight at the same time; 0: each at once.
    pub(super) seed: u64,
}

impl Schedule {
    pub(super) fn with(mut self, injection: Injection) -> Self {
        self.injections.push(injection);
        self
    }

    pub(super) fn crash(mut self, crash: Crash) -> Self {
        self.crash = Some(crash);
        self
    }

    /// True if the saga needs a deadline to end.
    pub(super) fn needs_deadline(&self) -> bool {
        self.injections.iter().any(|injection| {
            let hangs = Event::Fault(CallFault::Hang);
            let hangs_later = Event::Fault(CallFault::EffectThenHang);
            injection.event == Event::Deadline
                || !injection.undo && [hangs, hangs_later].contains(&injection.event)
        })
    }

    /// True if the undo of a node fails for good, after which the saga must be stuck.
    pub(super) fn gets_stuck(&self) -> bool {
        let for_good = Event::Fault(CallFault::ForGood);
        self.injections.iter().any(|injection| injection.undo && injection.event == for_good)
    }

    /// The number of the last append that it names.
    pub(super) fn last_append(&self) -> usize {
        let crash = self.crash.map_or(0, |(Crash::Before(append) | Crash::After(append))| append);
        crash.max(self.cancel.unwrap_or(0))
    }

    /// Schedules in which one thing less goes wrong.
    pub(super) fn shorter(&self) -> Vec<Self> {
        let without = |n: usize| {
            let mut shorter = self.clone();
            shorter.injections.remove(n);
            shorter
        };
        let mut shorter = (0..self.injections.len()).map(without).collect::<Vec<_>>();
        shorter.extend(self.crash.map(|_| Self { crash: None, ..self.clone() }));
        shorter.extend(self.cancel.map(|_| Self { cancel: None, ..self.clone() }));
        if self.seed != 0 {
            shorter.push(Self { seed: 0, ..self.clone() });
        }
        shorter
    }
}

/// As calls of `SagaTest`, one on each line.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Injection { node, undo, event, always } in &self.injections {
            match (event, undo, always) {
                (Event::Cancel, ..) => writeln!(f, ".cancel_during({node:?})")?,
                (Event::Deadline, false, _) => writeln!(f, ".deadline_during({node:?})")?,
                (Event::Deadline, true, _) => {
                    writeln!(f, ".deadline_during_undo({node:?})")?;
                }
                (Event::Fault(fault), undo, always) => {
                    let undo = if *undo { "_undo" } else { "" };
                    let always = if *always { "_always" } else { "" };
                    let fault = fault.variant();
                    writeln!(f, ".fault{undo}{always}({node:?}, CallFault::{fault})")?;
                }
            }
        }
        match self.crash {
            Some(Crash::Before(append)) => writeln!(f, ".crash_before({append})")?,
            Some(Crash::After(append)) => writeln!(f, ".crash_after({append})")?,
            None => {}
        }
        if let Some(append) = self.cancel {
            writeln!(f, ".cancel_after({append})")?;
        }
        match self.seed {
            0 => Ok(()),
            seed => writeln!(f, ".seed({seed})"),
        }
    }
}
