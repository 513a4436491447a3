//! Programs that start sagas and wait for their end.

use std::time::Duration;

use saga_core::coordinator::SagaHandle;
use saga_core::operator::Fault;
use saga_core::{SagaId, StartError};
use serde_json::Value;
use tokio::time::sleep;

use super::stage::{Planned, Stage};
use crate::laws::{Broken, Told};
use crate::process::Process;
use crate::sagas::SagaPlan;
use crate::tape::Tape;

/// How a client asks for a saga. It asks for the same again if it hears nothing.
struct Wish {
    deadline: Option<Duration>,
    faults: Vec<(String, Fault)>,
}

impl Stage {
    /// Starts all sagas, each by whichever worker, until it is acknowledged.
    pub(super) async fn start_all(&self) {
        let mut starts = Vec::new();
        for planned in &self.sagas {
            let operators = &self.tapes.operators;
            let deadline =
                operators.chance(50).then(|| Duration::from_millis(10 + operators.below(3000)));
            let mut faults = Vec::new();
            let nodes = planned.versions.plan(0).nodes();
            while operators.chance(25) && !nodes.is_empty() && faults.len() < 3 {
                let node = nodes[operators.pick(nodes.len())].clone();
                faults.push((node, fault(operators)));
            }
            let begins = Duration::from_millis(operators.below(800));
            starts.push((planned, Wish { deadline, faults }, begins));
        }
        let starts = starts.into_iter().map(|(planned, wish, begins)| async move {
            sleep(begins).await;
            self.start(planned, &wish).await;
        });
        join_all(starts).await;
    }

    async fn start(&self, planned: &Planned, wish: &Wish) {
        let id = planned.id.as_str();
        for round in 0_usize.. {
            if self.story().broken.is_some() {
                return;
            }
            let choice = self.tapes.operators.pick(4) + round;
            let Some((process, sec)) = self.worker(choice) else {
                sleep(Duration::from_millis(150)).await;
                continue;
            };
            let plan = planned.versions.known(self.deployed(process.id()));
            let mut start = plan.start(&sec).id(id);
            if let Some(deadline) = wish.deadline {
                start = start.deadline(deadline);
            }
            let nodes = plan.nodes();
            for (node, fault) in wish.faults.iter().filter(|(node, _)| nodes.contains(node)) {
                start = start.inject(node.as_str(), *fault);
            }
            let started = {
                let start = process.run(start.start());
                tokio::select! {
                    biased;
                    started = start => Some(started),
                    () = process.dies() => None,
                    // whoever hears nothing asks elsewhere
                    () = sleep(Duration::from_secs(6)) => None,
                }
            };
            match started {
                Some(Ok(handle)) => {
                    self.trace.note(|| format!("{process:?} has started {id}"));
                    self.story().acknowledged.push(planned.id.clone());
                    return self.wait(&planned.id, process, handle);
                }
                Some(Err(error)) => {
                    self.trace.note(|| format!("{process:?} could not start {id}: {error}"));
                    match error {
                        StartError::Store(_) | StartError::ShutDown | StartError::Runtime(_) => {}
                        // it goes on under a version that this process knows nothing of
                        StartError::IdConflict { .. } | StartError::UnknownVersion { .. }
                            if self.is_later(planned, plan) =>
                        {
                            self.trace.count("a start of a saga that has a later version");
                            let found = {
                                let get = process.run(sec.get::<Value>(id));
                                tokio::select! {
                                    biased;
                                    found = get => found,
                                    () = process.dies() => return,
                                }
                            };
                            if let Ok(Some(handle)) = found {
                                self.wait(&planned.id, process, handle);
                            }
                            return;
                        }
                        error => {
                            let what = format!("saga {id} cannot be started: {error}");
                            self.story().broken.get_or_insert(Broken { law: "I8", what });
                            return;
                        }
                    }
                }
                None => self
                    .trace
                    .note(|| format!("{process:?} does not say whether it has started {id}")),
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// True if a saga has a later version than this one.
    fn is_later(&self, planned: &Planned, plan: &SagaPlan) -> bool {
        let version = self.medium.version_at(&planned.id, u64::MAX, &planned.versions);
        let asked = planned.versions.with_fingerprint(plan.dag.dag().fingerprint());
        version > asked
    }

    /// Somebody in this process waits for the end of a saga.
    pub(super) fn wait(&self, id: &SagaId, process: Process, handle: SagaHandle<Value>) {
        let (stage, id) = (self.clone(), id.clone());
        let number = {
            let mut story = self.story();
            let number = story.waits;
            story.waits += 1;
            story.waiting.insert(number, (id.clone(), process.clone()));
            number
        };
        drop(tokio::spawn(async move {
            let result = {
                let end = process.run(handle.into_future());
                tokio::select! {
                    biased;
                    result = end => Some(result),
                    () = process.dies() => None,
                }
            };
            if let Some(result) = &result {
                stage.trace.note(|| {
                    let said = result.as_ref().map(|_| "completed").map_err(ToString::to_string);
                    format!("{process:?} is told of {id}: {said:?}")
                });
            }
            let mut story = stage.story();
            story.waiting.remove(&number);
            if let Some(result) = result {
                story.told.push(Told::Ended { saga: id, result });
            }
        }));
    }
}

/// A fault to inject.
pub(super) fn fault(tape: &Tape) -> Fault {
    match tape.pick(4) {
        0 => Fault::Repeat(2),
        1 => Fault::UndoError,
        2 => Fault::Error,
        _ => Fault::Repeat(3),
    }
}

/// Waits for all of them, and begins with the first.
pub(super) async fn join_all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut futures = futures.map(Box::pin).collect::<Vec<_>>();
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        match futures.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}
