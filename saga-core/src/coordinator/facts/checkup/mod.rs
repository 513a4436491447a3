//! Whether a store works, whether somebody runs the sagas in it, and which of them wait for somebody.

mod look;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Facts;
use crate::coordinator::operator::Operator;
use crate::error::OperateError;

/// What [`Operator::check_up`] looks for.
///
/// ```
/// use saga_core::operator::{CheckupOptions, DiskSpace};
/// use std::time::Duration;
/// let options = CheckupOptions { idle: Duration::from_secs(3600), ..CheckupOptions::default() };
/// assert_eq!(CheckupOptions::default().idle, Duration::from_secs(300));
/// assert_eq!(options.disk, DiskSpace::NotLooked);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckupOptions {
    /// After how long without an entry in its log a saga that is due for something counts as not progressing; 5 minutes by
    /// default. Give more if calls may take longer.
    pub idle: Duration,
    /// How much room the disk of the store has, which whoever asks has found out.
    pub disk: DiskSpace,
    /// How many MiB must be free on that disk; 256 by default.
    pub min_free: u64,
}

impl Default for CheckupOptions {
    fn default() -> Self {
        Self { idle: Duration::from_secs(300), disk: DiskSpace::NotLooked, min_free: 256 }
    }
}

/// How much room the disk of a store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskSpace {
    /// Nobody has looked: there is no finding about it.
    NotLooked,
    /// It cannot be told, for this reason.
    Unknown(String),
    /// So many MiB are free.
    Free(u64),
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Check {
    /// The room on the store's disk.
    Disk,
    /// Whether the store opens.
    Store,
    /// How many sagas there are.
    Sagas,
    /// One worker that is alive.
    Worker,
    /// Whether there is a worker.
    Workers,
    /// Sagas that are stuck.
    Stuck,
    /// Sagas that are parked.
    Parked,
    /// Sagas whose log is corrupt.
    Logs,
    /// Sagas without a worker that knows their version.
    Versions,
    /// Sagas to which nothing happens.
    Progress,
    /// Reading the store failed.
    Read,
}

impl Check {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Store => "store",
            Self::Sagas => "sagas",
            Self::Worker => "worker",
            Self::Workers => "workers",
            Self::Stuck => "stuck",
            Self::Parked => "parked",
            Self::Logs => "logs",
            Self::Versions => "versions",
            Self::Progress => "progress",
            Self::Read => "read",
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing is wrong.
    Ok,
    /// It cannot be told from here.
    Unknown,
    /// Somebody has to do something.
    Problem,
}

/// Something that was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// What was found.
    pub level: Level,
    /// The same in words, and what to do about it.
    pub what: String,
}

/// Everything that was looked at, from [`Operator::check_up`]. `Display` shows a line for each finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Checkup {
    /// True if there is no [problem](Level::Problem).
    pub healthy: bool,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Checkup {
    /// That of a store that cannot be opened.
    ///
    /// ```
    /// use saga_core::operator::{CheckupOptions, Checkup};
    /// let checkup = Checkup::unopened("the file does not exist", &CheckupOptions::default());
    /// assert!(!checkup.healthy);
    /// assert_eq!(checkup.to_string(), "store: PROBLEM, the file does not exist\n");
    /// ```
    pub fn unopened(why: impl Into<String>, options: &CheckupOptions) -> Self {
        let mut checkup = Self::begun(options);
        checkup.add(Check::Store, Level::Problem, why);
        checkup
    }

    fn begun(options: &CheckupOptions) -> Self {
        let mut checkup = Self { healthy: true, findings: Vec::new() };
        match &options.disk {
            DiskSpace::NotLooked => {}
            DiskSpace::Unknown(why) => checkup.add(Check::Disk, Level::Unknown, why),
            DiskSpace::Free(free) => {
                let tight = *free < options.min_free;
                let advice = "; make room: sagas stop where they are when it is full, and go on by themselves once it is not";
                let advice = if tight { advice } else { "" };
                checkup.judge(
                    Check::Disk,
                    tight,
                    format!("{free} MiB are free for the store{advice}"),
                );
            }
        }
        checkup
    }

    fn add(&mut self, check: Check, level: Level, what: impl Into<String>) {
        self.healthy &= level != Level::Problem;
        self.findings.push(Finding { check, level, what: what.into() });
    }

    /// A problem if something is wrong.
    fn judge(&mut self, check: Check, wrong: bool, what: String) {
        self.add(check, if wrong { Level::Problem } else { Level::Ok }, what);
    }
}

impl fmt::Display for Checkup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { check, level, what } in &self.findings {
            let level = match level {
                Level::Ok => "ok",
                Level::Unknown => "unknown",
                Level::Problem => "PROBLEM",
            };
            writeln!(f, "{}: {level}, {what}", check.as_str())?;
        }
        Ok(())
    }
}

impl Operator {
    /// Checks whether the store works, whether somebody runs the sagas in it, and which of them wait for somebody. What could
    /// not be read is a finding.
    ///
    /// ```
    /// use saga_core::operator::{Check, CheckupOptions, Level};
    /// use saga_core::prelude::*;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// sec.run(Stamp {}).await?;
    /// let checkup = sec.operator("alice").check_up(CheckupOptions::default()).await?;
    /// assert!(checkup.healthy, "{checkup}");
    /// assert!(checkup.findings.iter().any(|one| one.check == Check::Stuck && one.level == Level::Ok));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`OperateError::Store`] if nothing at all can be read.
    pub async fn check_up(&self, options: CheckupOptions) -> Result<Checkup, OperateError> {
        self.read(|reader| -> Facts<'_, Checkup> {
            Box::pin(async move { Ok(reader.check_up(&options).await) })
        })
        .await
    }
}
