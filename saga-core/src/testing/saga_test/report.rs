//! What a test found: a table of what went wrong where, and how the saga ended.

use std::collections::BTreeMap;
use std::fmt;

use super::plan::{Case, Place};
use super::run::RunEnd;
use super::schedule::Schedule;

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Good(RunEnd),
    /// There was no such append in this run.
    Absent(String),
    /// It was not reached, although it should have been.
    NotReached(String),
    Bad(String),
}

/// What a [`SagaTest`](super::SagaTest) found: for each node and each thing that can go wrong with it, how the saga ended. It
/// is shown as a table.
#[derive(Debug, Clone)]
pub struct TestReport {
    saga: &'static str,
    /// What each append contains, where nothing goes wrong.
    appends: Vec<String>,
    /// The same where the saga rolls back.
    rollback: Vec<String>,
    cases: Vec<(Case, Verdict)>,
    failures: Vec<String>,
}

impl TestReport {
    pub(super) fn new(saga: &'static str, appends: Vec<String>) -> Self {
        Self { saga, appends, rollback: Vec::new(), cases: Vec::new(), failures: Vec::new() }
    }

    pub(super) fn set_rollback(&mut self, appends: Vec<String>) {
        self.rollback = appends;
    }

    pub(super) fn add(&mut self, case: Case, verdict: Verdict) {
        self.cases.push((case, verdict));
    }

    /// A case went wrong: `schedule` is the shortest that shows it.
    pub(super) fn fail(&mut self, place: &str, what: &str, why: &str, schedule: &Schedule) {
        let test = test_of(self.saga, schedule);
        self.failures.push(format!("{place}, {what}: {why}\n\n{test}"));
    }

    /// How many runs were made, not counting those that shortened a failure.
    pub fn runs(&self) -> usize {
        self.cases.len()
    }

    /// What the saga did not survive, each with a test that shows it. Empty if it survived everything.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    pub(super) fn place(&self, place: &Place) -> String {
        match place {
            Place::Node(node) => format!("`{node}`"),
            Place::Append(number) => append(*number, "", &self.appends),
            Place::RollbackAppend(number) => append(*number, " of a rollback", &self.rollback),
        }
    }
}

fn append(number: usize, of: &str, appends: &[String]) -> String {
    let entries = appends.get(number).map(|entries| format!(": {entries}"));
    format!("append {number}{of}{}", entries.unwrap_or_default())
}

/// A test that repeats one run.
fn test_of(saga: &str, schedule: &Schedule) -> String {
    format!(
        "    #[test]\n    fn {}() {{\n        SagaTest::<{saga}>::new(context, params())\n{}            \
         .check(invariant);\n    }}\n",
        "it_survives_this",
        schedule.to_string().replace("        .", "            ."),
    )
}

impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} runs", self.saga, self.cases.len())?;
        let mut rows = BTreeMap::<&Place, Vec<(&str, &Verdict)>>::new();
        let mut order = Vec::new();
        for (case, verdict) in &self.cases {
            let row = rows.entry(&case.place).or_insert_with(|| {
                order.push(&case.place);
                Vec::new()
            });
            row.push((&case.what, verdict));
        }
        for place in order {
            writeln!(f, "  {}", self.place(place))?;
            for (what, verdict) in rows.remove(place).unwrap_or_default() {
                writeln!(f, "    {what:<28} {verdict}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good(end) => write!(f, "{end}"),
            Self::Absent(_) => f.write_str("(there was no such append)"),
            Self::NotReached(_) => f.write_str("NOT REACHED"),
            Self::Bad(_) => f.write_str("FAILED"),
        }
    }
}

impl fmt::Display for RunEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::RolledBack(_) => f.write_str("rolled back"),
            Self::Stuck(_) => f.write_str("stuck"),
            Self::Parked(why) => write!(f, "parked: {why}"),
            Self::Never(why) => write!(f, "never ended: {why}"),
            Self::Broken(why) => write!(f, "could not run: {why}"),
        }
    }
}
