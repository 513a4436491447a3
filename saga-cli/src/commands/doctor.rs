//! `doctor`: whether the store works, and whether somebody runs the sagas in it.

use std::path::Path;

use saga_core::operator::{HumanReason, ListedState, NeedsHumanFilter, Operator};
use saga_core::store::CurrentWorker;
use serde::Serialize;

use crate::args::{DoctorArgs, Global};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::store::{Access, Opened, StoreUrl};
use crate::text;
use crate::text::time::{age, now};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    Ok,
    /// It cannot be told from here.
    Unknown,
    Problem,
}

/// Something that was looked at.
#[derive(Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) level: Level,
    /// What was found, and what to do about it.
    pub(crate) what: String,
}

/// Everything that was looked at.
#[derive(Serialize)]
pub(crate) struct Checkup {
    pub(crate) healthy: bool,
    pub(crate) findings: Vec<Finding>,
}

impl Checkup {
    fn add(&mut self, check: &'static str, level: Level, what: impl Into<String>) {
        self.healthy &= level != Level::Problem;
        self.findings.push(Finding { check, level, what: what.into() });
    }

    /// A problem if something is wrong.
    fn judge(&mut self, check: &'static str, wrong: bool, what: String) {
        self.add(check, if wrong { Level::Problem } else { Level::Ok }, what);
    }
}

pub(super) async fn doctor(
    global: &Global,
    output: &Output,
    args: DoctorArgs,
) -> Result<Exit, Failure> {
    let mut checkup = Checkup { healthy: true, findings: Vec::new() };
    let url = global.url()?;
    disk(&mut checkup, &url, args.min_free);
    match global.open(Access::Attach).await {
        Err(failure) if failure.exit == Exit::Usage => return Err(failure),
        Err(failure) => checkup.add("store", Level::Problem, failure.message),
        Ok(opened) => {
            checkup.add(
                "store",
                Level::Ok,
                format!("{url} opens, and this program knows its schema"),
            );
            let operator = opened.operator("saga", std::time::Duration::ZERO);
            let read = async {
                sagas(&mut checkup, &operator).await?;
                let is_known = workers(&mut checkup, &opened).await?;
                waiting(&mut checkup, &operator, &args, is_known).await
            };
            if let Err(failure) = read.await {
                checkup.add("read", Level::Problem, failure.message);
            }
        }
    }
    output.show(&checkup, text::doctor::checkup)?;
    Ok(if checkup.healthy { Exit::Done } else { Exit::Findings })
}

/// How many sagas there are.
async fn sagas(checkup: &mut Checkup, operator: &Operator) -> Result<(), Failure> {
    let fleet = operator.fleet().await?;
    let unfinished = ListedState::ALL.into_iter().filter(|state| !state.is_ended());
    let unfinished: u64 = unfinished.map(|state| fleet.in_state(state)).sum();
    let oldest = fleet.oldest_unfinished.map(|oldest| age(oldest, fleet.at));
    let oldest = oldest.map(|age| format!(", the oldest for {age}")).unwrap_or_default();
    let what =
        format!("{}, {unfinished} of them not ended{oldest}", text::list::count(fleet.sagas()));
    checkup.add("sagas", Level::Ok, what);
    Ok(())
}

/// Who runs them; true if it can be told which sagas have a worker.
async fn workers(checkup: &mut Checkup, opened: &Opened) -> Result<bool, Failure> {
    let Some(terms) = opened.store().lease_terms() else {
        let current = opened.store().current_worker().await?;
        let is_known = match &current {
            CurrentWorker::Absent | CurrentWorker::Present(Some(_)) => true,
            CurrentWorker::Present(None) | CurrentWorker::Unknown => false,
        };
        let (level, what) = match current {
            CurrentWorker::Absent => {
                let what = "no process has the store open as its worker, so nobody runs its sagas; start one";
                (Level::Problem, what.to_string())
            }
            CurrentWorker::Present(Some(id)) => (Level::Ok, format!("{id} has the store open")),
            CurrentWorker::Present(None) => {
                (Level::Ok, "a process has the store open as its worker".to_string())
            }
            CurrentWorker::Unknown => {
                let what = "this kind of store has one worker at a time, and does not say whether it is running";
                (Level::Unknown, format!("{what}; see `progress`"))
            }
        };
        checkup.add("workers", level, what);
        return Ok(is_known);
    };
    let workers = opened.store().workers().await?;
    let now = now();
    for worker in &workers {
        let until =
            worker.lease_until.map(|until| format!(", its lease ends in {}", age(now, until)));
        let sagas = text::list::count(worker.sagas);
        let (id, since) = (&worker.id, age(worker.since, now));
        let what = format!("{id} runs for {since} and owns {sagas}{}", until.unwrap_or_default());
        checkup.add("worker", Level::Ok, what);
    }
    if workers.is_empty() {
        let lease = terms.duration.as_secs();
        let what = format!(
            "no worker is alive; one is taken to be dead {lease} s after it was last heard"
        );
        checkup.add("workers", Level::Problem, what);
    }
    Ok(true)
}

/// Which sagas wait for somebody.
async fn waiting(
    checkup: &mut Checkup,
    operator: &Operator,
    args: &DoctorArgs,
    workers_known: bool,
) -> Result<(), Failure> {
    let mut counts = [0_u64; 6];
    let mut filter =
        NeedsHumanFilter { idle: args.idle, limit: 500, ..NeedsHumanFilter::default() };
    loop {
        let page = operator.needs_human(filter.clone()).await?;
        for saga in &page.sagas {
            let count = match saga.reason {
                HumanReason::Stuck => 0,
                HumanReason::Parked => 1,
                HumanReason::UnknownVersion => 2,
                HumanReason::OwnerNotCurrent => 3,
                HumanReason::NotProgressing => 4,
                HumanReason::Corrupt => 5,
            };
            if let Some(count) = counts.get_mut(count) {
                *count += 1;
            }
        }
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    let [stuck, parked, unknown, without, idle, corrupt] = counts;
    let look = "; see `saga ls --needs-human`";
    let see = |count: u64| if count > 0 { look } else { "" };
    let count = text::list::count;
    checkup.judge("stuck", stuck > 0, format!("{} stuck{}", count(stuck), see(stuck)));
    checkup.judge("parked", parked > 0, format!("{} parked{}", count(parked), see(parked)));
    let what = format!("what is stored of {} cannot be understood{look}", count(corrupt));
    let fine = "no saga that stands still has a log that is corrupt";
    checkup.judge("logs", corrupt > 0, if corrupt > 0 { what } else { fine.to_string() });
    let lost = without + unknown;
    let what =
        format!("{} without a worker that is alive and knows the version{look}", count(lost));
    let (level, what) = match (lost, workers_known) {
        (0, true) => (Level::Ok, "every saga that goes on has a worker".to_string()),
        (0, false) => (
            Level::Unknown,
            "whether every saga has a worker cannot be told; see `workers`".to_string(),
        ),
        (_, true | false) => (Level::Problem, what),
    };
    checkup.add("versions", level, what);
    let (sagas, seconds) = (count(idle), args.idle.as_secs());
    let what =
        format!("{sagas} without progress for {seconds} s; they wait for no time{}", see(idle));
    let fine = "no saga that is due for something stands still";
    checkup.judge("progress", idle > 0, if idle > 0 { what } else { fine.to_string() });
    Ok(())
}

/// How much room the store has.
fn disk(checkup: &mut Checkup, url: &StoreUrl, min_free: u64) {
    let path = match url {
        StoreUrl::Sqlite(path) | StoreUrl::File(path) => path,
        StoreUrl::Postgres(_) => {
            return checkup.add(
                "disk",
                Level::Unknown,
                "the disk of the database server is not visible from here",
            );
        }
    };
    match free(path) {
        Ok(free) => {
            let tight = free < min_free;
            let advice = "; make room: sagas stop where they are when it is full, and go on by themselves once it is not";
            let advice = if tight { advice } else { "" };
            checkup.judge("disk", tight, format!("{free} MiB are free for the store{advice}"));
        }
        Err(why) => checkup.add("disk", Level::Unknown, why),
    }
}

/// How many MiB are free on the disk of a path.
#[cfg(unix)]
fn free(path: &Path) -> Result<u64, String> {
    let stat = rustix::fs::statvfs(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize) >> 20)
}

#[cfg(not(unix))]
fn free(_: &Path) -> Result<u64, String> {
    Err("how much room there is on the disk cannot be told on this system".to_string())
}
