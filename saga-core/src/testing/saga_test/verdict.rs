//! What is wrong with a run, if anything.

use std::fmt;

use super::SagaTest;
use super::ended::Ended;
use super::run::{Run, RunEnd};
use super::schedule::Schedule;
use crate::typed::Saga;

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Good(RunEnd),
    /// There was no such append in this run.
    Absent(String),
    /// It was not reached, although it should have been.
    NotReached(String),
    Bad(Flaw),
}

/// What is wrong with a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) why: String,
    /// The saga and its nodes at the end, one on each line. Empty if nothing is known of them.
    pub(super) ended: String,
    /// What the append contained at which the process died or the saga was cancelled.
    pub(super) append: Option<String>,
    /// False if a single run does not take it for wrong.
    pub(super) shows_alone: bool,
}

impl Flaw {
    pub(super) fn of(run: &Run, why: String) -> Self {
        let (ended, append) = (run.ended.clone(), run.seen.struck.clone());
        Self { why, ended, append, shows_alone: true }
    }

    /// What is the same in two runs that fail because of the same mistake: where the assertion is that failed, or what else
    /// was said, without the numbers in it.
    pub(super) fn kind(&self) -> String {
        match self.why.rsplit_once(" (at ") {
            Some((_, place)) => place.to_string(),
            None => self.why.chars().filter(|c| !c.is_ascii_digit()).collect(),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        if !self.ended.is_empty() {
            f.write_str("\nthe saga and its nodes:")?;
        }
        for line in self.ended.lines() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl Verdict {
    /// What is wrong, for people.
    pub(super) fn failure(&self) -> Option<String> {
        match self {
            Self::Good(_) => None,
            Self::NotReached(why) | Self::Absent(why) => Some(why.clone()),
            Self::Bad(flaw) => Some(flaw.to_string()),
        }
    }

    /// What is wrong with a run that was made.
    pub(super) fn flaw(&self) -> Option<&Flaw> {
        match self {
            Self::Good(_) | Self::NotReached(_) | Self::Absent(_) => None,
            Self::Bad(flaw) => Some(flaw),
        }
    }
}

impl<S: Saga> SagaTest<S> {
    /// A run by itself, as [`check`](SagaTest::check) makes it.
    pub(super) fn single<I>(&self, schedule: &Schedule, invariant: &I) -> Verdict
    where
        I: AsyncFn(&Ended<S>),
    {
        let run = self.run(schedule, invariant);
        match verdict_of(schedule, schedule.gets_stuck(), &run) {
            Verdict::Good(RunEnd::Completed) if self.rolls_back => {
                let why = "it completed, and `SagaTest::rolls_back` says that it rolls back";
                Verdict::Bad(Flaw::of(&run, why.to_string()))
            }
            verdict @ (Verdict::Good(_)
            | Verdict::Absent(_)
            | Verdict::NotReached(_)
            | Verdict::Bad(_)) => verdict,
        }
    }
}

pub(super) fn verdict_of(schedule: &Schedule, may_need_a_human: bool, run: &Run) -> Verdict {
    let bad = |why: String| Verdict::Bad(Flaw::of(run, why));
    if let Some(why) = &run.violation {
        return bad(why.clone());
    }
    let end = match &run.end {
        end @ (RunEnd::Completed | RunEnd::RolledBack(_)) => end.clone(),
        end @ (RunEnd::Stuck(_) | RunEnd::Parked(_)) if may_need_a_human => end.clone(),
        RunEnd::Stuck(why) => return bad(why.clone()),
        end @ (RunEnd::Parked(_) | RunEnd::Never(_) | RunEnd::Broken(_)) => {
            return bad(end.to_string());
        }
    };
    match run.not_reached(schedule) {
        None => Verdict::Good(end),
        // calls that ended at the same time shared an append
        Some(why) if schedule.last_append() >= run.seen.appends.len() => Verdict::Absent(why),
        Some(why) => Verdict::NotReached(why),
    }
}
