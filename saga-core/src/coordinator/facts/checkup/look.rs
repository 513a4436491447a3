//! What the doctor looks at.

use std::time::Duration;

use super::{Check, Checkup, CheckupOptions, Level};
use crate::coordinator::facts::words::Age;
use crate::coordinator::facts::{HumanReason, NeedsHumanFilter, Reader};
use crate::log::{ListedState, Timestamp};
use crate::store::{CurrentWorker, StoreError};

/// So many sagas.
fn count(sagas: u64) -> String {
    if sagas == 1 { "1 saga".to_string() } else { format!("{sagas} sagas") }
}

/// Where to look, if there is something to see.
fn see(count: u64) -> &'static str {
    if count > 0 { "; see `saga ls --needs-human`" } else { "" }
}

/// How many sagas need a human, by reason.
#[derive(Default)]
struct Counts {
    stuck: u64,
    parked: u64,
    /// Without a worker that is alive and knows the version.
    left: u64,
    idle: u64,
    corrupt: u64,
    /// The first of those that are corrupt.
    corrupt_ids: Vec<String>,
}

/// How many corrupt sagas are named.
const NAMED: usize = 5;

impl Reader<'_> {
    pub(super) async fn check_up(&self, options: &CheckupOptions) -> Checkup {
        let mut checkup = Checkup::begun(options);
        checkup.add(Check::Store, Level::Ok, "it opens, and this program knows its schema");
        let read = async {
            self.sagas(&mut checkup).await?;
            let known = self.who_runs_them(&mut checkup).await?;
            self.who_waits(&mut checkup, options, known).await
        };
        if let Err(error) = read.await {
            checkup.add(Check::Read, Level::Problem, error.to_string());
        }
        checkup
    }

    /// How many sagas there are.
    async fn sagas(&self, checkup: &mut Checkup) -> Result<(), StoreError> {
        let fleet = self.fleet().await?;
        let unfinished = ListedState::ALL.into_iter().filter(|state| !state.is_ended());
        let unfinished: u64 = unfinished.map(|state| fleet.in_state(state)).sum();
        let oldest = fleet.oldest_unfinished.map(|oldest| {
            let age = Age(fleet.at.0.saturating_sub(oldest.0));
            format!(", the oldest for {age}")
        });
        let what = format!(
            "{}, {unfinished} of them not ended{}",
            count(fleet.sagas()),
            oldest.unwrap_or_default()
        );
        checkup.add(Check::Sagas, Level::Ok, what);
        Ok(())
    }

    /// Who runs them; true if it can be told which sagas have a worker.
    async fn who_runs_them(&self, checkup: &mut Checkup) -> Result<bool, StoreError> {
        if let (Some(_), None) = (self.home, self.lease) {
            checkup.add(Check::Workers, Level::Ok, "this program has the store open");
            return Ok(true);
        }
        let Some(terms) = self.lease else {
            let (level, what, known) = match &self.current {
                CurrentWorker::Absent => {
                    let what = "no process has the store open as its worker, so nobody runs its sagas; start one";
                    (Level::Problem, what.to_string(), true)
                }
                CurrentWorker::Present(Some(id)) => {
                    (Level::Ok, format!("{id} has the store open"), true)
                }
                CurrentWorker::Present(None) => {
                    (Level::Ok, "a process has the store open as its worker".to_string(), false)
                }
                CurrentWorker::Unknown => {
                    let what = "this kind of store has one worker at a time, and does not say whether it is running";
                    (Level::Unknown, format!("{what}; see `progress`"), false)
                }
            };
            checkup.add(Check::Workers, level, what);
            return Ok(known);
        };
        let age = |from: Timestamp, to: Timestamp| Age(to.0.saturating_sub(from.0));
        for worker in &self.workers {
            let until = worker
                .lease_until
                .map(|until| format!(", its lease ends in {}", age(self.now, until)));
            let (id, since) = (&worker.id, age(worker.since, self.now));
            let what = format!(
                "{id} runs for {since} and owns {}{}",
                count(worker.sagas),
                until.unwrap_or_default()
            );
            checkup.add(Check::Worker, Level::Ok, what);
        }
        if self.workers.is_empty() {
            let lease = terms.duration.as_secs();
            let what = format!(
                "no worker is alive; one is taken to be dead {lease} s after it was last heard"
            );
            checkup.add(Check::Workers, Level::Problem, what);
        }
        Ok(true)
    }

    /// Which sagas wait for somebody.
    async fn who_waits(
        &self,
        checkup: &mut Checkup,
        options: &CheckupOptions,
        workers_known: bool,
    ) -> Result<(), StoreError> {
        let Counts { stuck, parked, left, idle, corrupt, corrupt_ids } =
            self.count_waiting(options.idle).await?;
        checkup.judge(Check::Stuck, stuck > 0, format!("{} stuck{}", count(stuck), see(stuck)));
        checkup.judge(
            Check::Parked,
            parked > 0,
            format!("{} parked{}", count(parked), see(parked)),
        );
        let what = match corrupt {
            0 => "no saga that stands still has a log that is corrupt".to_string(),
            _ => {
                let more = if corrupt_ids.len() as u64 == corrupt { "" } else { ", .." };
                let which = corrupt_ids.join(", ");
                format!(
                    "what is stored of {} cannot be understood ({which}{more}){}",
                    count(corrupt),
                    see(corrupt)
                )
            }
        };
        checkup.judge(Check::Logs, corrupt > 0, what);
        let (level, what) = match (left, workers_known) {
            (0, true) => (Level::Ok, "every saga that goes on has a worker".to_string()),
            (0, false) => (
                Level::Unknown,
                "whether every saga has a worker cannot be told; see `workers`".to_string(),
            ),
            (_, true | false) => {
                let sagas = count(left);
                let what = format!(
                    "{sagas} without a worker that is alive and knows the version{}",
                    see(left)
                );
                (Level::Problem, what)
            }
        };
        checkup.add(Check::Versions, level, what);
        let for_so_long = Age(u64::try_from(options.idle.as_millis()).unwrap_or(u64::MAX));
        let what = match idle {
            0 => "no saga that is due for something stands still".to_string(),
            1 => format!("1 saga has made no progress for {for_so_long}{}", see(idle)),
            n => format!("{n} sagas have made no progress for {for_so_long}{}", see(idle)),
        };
        checkup.judge(Check::Progress, idle > 0, what);
        Ok(())
    }

    async fn count_waiting(&self, idle: Duration) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        let mut filter = NeedsHumanFilter { idle, limit: 500, ..NeedsHumanFilter::default() };
        loop {
            let page = self.needs_human(filter.clone()).await?;
            for saga in &page.sagas {
                let count = match saga.reason {
                    HumanReason::Stuck => &mut counts.stuck,
                    HumanReason::Parked => &mut counts.parked,
                    HumanReason::UnknownVersion | HumanReason::OwnerNotCurrent => &mut counts.left,
                    HumanReason::NotProgressing => &mut counts.idle,
                    HumanReason::Corrupt => {
                        if counts.corrupt_ids.len() < NAMED {
                            counts.corrupt_ids.push(saga.saga.id.to_string());
                        }
                        &mut counts.corrupt
                    }
                };
                *count = count.saturating_add(1);
            }
            filter.after = page.next;
            if filter.after.is_none() {
                return Ok(counts);
            }
        }
    }
}
