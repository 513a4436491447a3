//! The eighth law: once faults stop, every saga that was acknowledged ends, parks, waits for an operator or is stuck, and
//! everybody who waits for it is told.

use std::time::Duration;

use saga_core::log::{Entry, SagaEntry};
use saga_core::operator::{Command, Request};
use saga_core::store::SagaRecord;
use saga_core::{SagaId, SagaStatus};
use tokio::time::sleep;

use super::stage::Stage;
use crate::laws::Broken;

/// How long sagas may take to come to rest, by a clock that costs nothing.
const LONGEST: Duration = Duration::from_secs(20 * 60);
/// What is under way when all sagas are at rest ends within this time.
const SETTLES: Duration = Duration::from_secs(12);

impl Stage {
    /// Waits until all sagas are at rest. Unless `wind_up` is 0, operators then do something about those that wait for them,
    /// and this says what.
    pub(super) async fn rest(&self, wind_up: u8) -> Result<(), Broken> {
        let mut rested = self.come_to_rest().await;
        if wind_up >= 128 && rested.is_ok() {
            let mut asks = false;
            for record in self.medium.all() {
                let Some(command) = self.way_on(&record, wind_up) else { continue };
                self.trace.count("a saga goes on at the end");
                asks = true;
                self.ask(record.id, vec![command], true, 0);
            }
            if asks {
                self.until_answered().await?;
                rested = self.come_to_rest().await;
            }
        }
        self.acknowledged_sagas_exist()?;
        rested?;
        self.until_answered().await?;
        self.everybody_is_told()
    }

    async fn come_to_rest(&self) -> Result<(), Broken> {
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(500);
        loop {
            sleep(pause).await;
            waited += pause;
            pause = (pause * 5 / 4).min(Duration::from_secs(20));
            let is_told = self.story().waiting.values().all(|(id, _)| !self.is_over(id));
            let moves = self.medium.all().into_iter().find(|record| !is_at_rest(record));
            match moves {
                None if is_told || waited > SETTLES => break,
                Some(record) if waited > LONGEST => {
                    let SagaRecord { id, status, owner, epoch, next_seq, .. } = record;
                    let what = format!(
                        "saga {id} is {status} {waited:?} after faults have stopped (owner {owner:?}, epoch {epoch}, \
                         next entry {next_seq})"
                    );
                    return Err(Broken { law: "I8", what });
                }
                None | Some(_) => {}
            }
        }
        // calls of paused sagas end
        sleep(Duration::from_secs(1)).await;
        Ok(())
    }

    /// What has a saga go on that waits for an operator.
    pub(super) fn way_on(&self, record: &SagaRecord, choice: u8) -> Option<Command> {
        let note = || "the simulator winds up".to_string();
        let planned = self.sagas.iter().find(|planned| planned.id == record.id)?;
        let last = |kind: &str| {
            let stored = self.medium.peek(&record.id)?;
            let last = stored.entries.iter().rfind(|entry| entry.kind.name() == kind);
            last.and_then(Entry::node).cloned()
        };
        match (&record.parked_reason, record.paused, record.status) {
            (Some(_), ..) => {
                let pivot = self.plan_now(planned).pivot();
                let truth = pivot.and_then(|pivot| self.world.truth(&record.id, pivot));
                match (choice % 4, pivot, truth) {
                    (0 | 1, Some(pivot), Some(decision)) => {
                        Some(Command::Decide { node: pivot.into(), decision, note: note() })
                    }
                    (2, ..) => Some(Command::Cancel { reason: note() }),
                    _ => Some(Command::Unpark),
                }
            }
            (None, true, status) if !status.is_ended() => match choice % 3 {
                0 => Some(Command::Step),
                1 => Some(Command::Cancel { reason: note() }),
                _ => Some(Command::Resume),
            },
            (None, _, SagaStatus::Stuck) => match (choice % 4, last("undo_failed"), last("failed"))
            {
                (0, Some(node), _) => Some(Command::RetryUndo { node }),
                (1, Some(node), _) => Some(Command::Resolve { node, note: note() }),
                (_, None, Some(node)) => Some(Command::Retry { node }),
                _ => Some(Command::RetryAll),
            },
            (None, ..) => None,
        }
    }

    /// Waits until operators have their answers.
    async fn until_answered(&self) -> Result<(), Broken> {
        let mut waited = Duration::ZERO;
        loop {
            let pause = Duration::from_millis(250);
            sleep(pause).await;
            waited += pause;
            let Some(request) = self.unanswered() else { return Ok(()) };
            if waited > SETTLES {
                let what = format!("nobody answers {request:?}");
                return Err(Broken { law: "I8", what });
            }
        }
    }

    /// A request without an answer. One that is in the log may have to wait, as a cancel does for a pivot.
    fn unanswered(&self) -> Option<Request> {
        let is_in_log = |request: &Request| {
            let stored = self.medium.peek(&request.saga);
            stored.is_some_and(|stored| {
                stored.entries.iter().filter_map(Entry::saga_entry).any(
                    |entry| matches!(entry, SagaEntry::Requested { id, .. } if *id == request.id),
                )
            })
        };
        self.medium.unanswered().into_iter().find(|request| !is_in_log(request))
    }

    fn is_over(&self, id: &SagaId) -> bool {
        self.medium.record(id).is_some_and(|record| record.status.is_ended())
    }

    fn acknowledged_sagas_exist(&self) -> Result<(), Broken> {
        for id in &self.story().acknowledged {
            if self.medium.durable(id) == 0 {
                let what =
                    format!("the start of {id} was acknowledged, and it is not in the store");
                return Err(Broken { law: "I8", what });
            }
        }
        Ok(())
    }

    fn everybody_is_told(&self) -> Result<(), Broken> {
        let broken = |what| Err(Broken { law: "I8", what });
        for (id, process) in self.story().waiting.values() {
            if self.is_over(id) && !process.is_dead() {
                return broken(format!("{id} has ended, and a handle in {process:?} is not told"));
            }
        }
        Ok(())
    }
}

fn is_at_rest(record: &SagaRecord) -> bool {
    record.status.is_ended() || record.parked_reason.is_some() || record.paused
}
