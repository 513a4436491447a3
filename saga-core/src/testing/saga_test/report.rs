//! What a test found: a table of what went wrong where, and how the saga ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::plan::{Case, Place};
use super::run::RunEnd;
use super::verdict::Verdict;

/// A case that the saga does not survive, for people.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) place: String,
    /// What went wrong there.
    pub(super) what: String,
    /// What is wrong with how the saga ended.
    pub(super) why: String,
    /// The shortest test that shows it. `None` if no single run does.
    pub(super) test: Option<String>,
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
    /// The failures, each as text.
    failures: Vec<String>,
    /// The same, in parts.
    found: Vec<Failure>,
    /// The arguments of which nobody knows whether they are pure.
    opaque: BTreeSet<String>,
    /// The mocks that no run has called.
    unused: Vec<String>,
}

impl TestReport {
    pub(super) fn new(saga: &'static str, appends: Vec<String>) -> Self {
        Self {
            saga,
            appends,
            rollback: Vec::new(),
            cases: Vec::new(),
            failures: Vec::new(),
            found: Vec::new(),
            opaque: BTreeSet::new(),
            unused: Vec::new(),
        }
    }

    /// These arguments could not be compared with those of another evaluation.
    pub(super) fn set_opaque(&mut self, opaque: BTreeSet<String>) {
        self.opaque = opaque;
    }

    /// These mocks were called in no run.
    pub(super) fn set_unused(&mut self, unused: Vec<String>) {
        self.unused = unused;
    }

    pub(super) fn set_rollback(&mut self, appends: Vec<String>) {
        self.rollback = appends;
    }

    pub(super) fn add(&mut self, case: Case, verdict: Verdict) {
        self.cases.push((case, verdict));
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        self.failures.push(failure.to_string());
        self.found.push(failure);
    }

    /// The failures for people: those that are of one kind together, and only one test for each kind.
    pub(super) fn shown(&self) -> String {
        let mut kinds = Vec::<(&Failure, Vec<&Failure>)>::new();
        for failure in &self.found {
            match kinds.iter_mut().find(|(first, _)| first.first_line() == failure.first_line()) {
                Some((_, same)) => same.push(failure),
                None => kinds.push((failure, Vec::new())),
            }
        }
        let shown = kinds.into_iter().map(|(first, same)| {
            let others = match &*same {
                [] => String::new(),
                [_] => "\n1 other run fails in the same way:\n".to_string(),
                more => format!("\n{} other runs fail in the same way:\n", more.len()),
            };
            let same = same.into_iter().map(|same| format!("  {}, {}\n", same.place, same.what));
            format!("{first}{others}{}", same.collect::<String>())
        });
        shown.collect::<Vec<_>>().join("\n")
    }

    /// How many runs were made, not counting those that shortened a failure.
    pub fn runs(&self) -> usize {
        self.cases.len()
    }

    /// What the saga did not survive, each with a test that shows it. Empty if it survived everything.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// A place, with what the append contained in the run in question, or else where nothing went wrong.
    pub(super) fn place(&self, place: &Place, entries: Option<&str>) -> String {
        let append = |number: usize, of: &str, appends: &[String]| {
            let entries = entries.or(appends.get(number).map(String::as_str));
            let entries = entries.map(|entries| format!(": {entries}"));
            format!("append {number}{of}{}", entries.unwrap_or_default())
        };
        match place {
            Place::Saga => "the whole saga".to_string(),
            Place::Node(node) => format!("`{node}`"),
            Place::Append(number) => append(*number, "", &self.appends),
            Place::RollbackAppend(number) => append(*number, " of a rollback", &self.rollback),
        }
    }
}

impl Failure {
    /// What is wrong, without the values and the nodes that follow.
    fn first_line(&self) -> &str {
        self.why.lines().next().unwrap_or_default()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, what, why, test } = self;
        writeln!(f, "{place}, {what}: {why}")?;
        test.as_ref().map_or(Ok(()), |test| write!(f, "\n{test}"))
    }
}

impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} runs", self.saga, self.cases.len())?;
        let mut rows = BTreeMap::<&Place, Vec<(&str, (u64, &Verdict))>>::new();
        let mut order = Vec::new();
        for (case, verdict) in &self.cases {
            let row = rows.entry(&case.place).or_insert_with(|| {
                order.push(&case.place);
                Vec::new()
            });
            row.push((&case.what, (case.schedule.seed, verdict)));
        }
        for place in order {
            writeln!(f, "  {}", self.place(place, None))?;
            for (what, (seed, verdict)) in rows.remove(place).unwrap_or_default() {
                write!(f, "    {what:<28} {verdict}")?;
                match (seed, verdict.flaw()) {
                    (0, _) | (_, None) => writeln!(f)?,
                    (seed, Some(_)) => writeln!(f, " in another order (seed {seed})")?,
                }
            }
        }
        for opaque in &self.opaque {
            writeln!(f, "  not compared: {opaque}")?;
        }
        for mock in &self.unused {
            writeln!(f, "  never called: the mock of {mock}")?;
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
