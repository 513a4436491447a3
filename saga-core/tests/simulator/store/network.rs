//! The way from processes to the store, with all that can go wrong on it.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use saga_core::store::StoreError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

use super::medium::Medium;
use crate::process::Process;
use crate::tape::Tape;

/// The ways of all processes to the store. Clones are the same.
#[derive(Clone)]
pub(crate) struct Network {
    pub(super) medium: Medium,
    faults: Tape,
    versions: Tape,
    state: Arc<Mutex<State>>,
    /// Notified when the store can be reached again by somebody.
    healed: Arc<Notify>,
    /// The processes that die while they migrate a saga.
    dies: UnboundedSender<Process>,
    /// How many in 256 calls of the store something happens to.
    trouble: u8,
}

#[derive(Default)]
struct State {
    /// The processes that cannot reach the store.
    cut_off: BTreeSet<u32>,
    /// True while nobody can.
    is_down: bool,
    /// True once faults have stopped.
    is_calm: bool,
}

/// What becomes of one call.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// How long it takes until it arrives, if it does.
    there: Option<Duration>,
    /// How long the answer takes, if it comes. Otherwise the caller is told after this long that the call failed.
    back: Result<Duration, Duration>,
}

impl Fate {
    const PROMPT: Self = Self { there: Some(Duration::ZERO), back: Ok(Duration::ZERO) };
}

/// Which calls a fate is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// A write to a log: it takes a while more often than not.
    Write,
    /// A write that migrates a saga: something happens to it more often than to others.
    Migration,
    /// Reads and writes beside the logs.
    Other,
    /// Asked several times a second.
    Poll,
}

impl Network {
    /// What goes wrong with migrations is drawn from the last tape. Who dies of that is told to the receiver.
    pub(crate) fn new(
        medium: Medium,
        faults: Tape,
        trouble: u8,
        versions: Tape,
    ) -> (Self, UnboundedReceiver<Process>) {
        let (state, healed) = Default::default();
        let (dies, dead) = unbounded_channel();
        (Self { medium, faults, versions, state, healed, dies, trouble }, dead)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on this process cannot reach the store.
    pub(crate) fn cut_off(&self, process: &Process) {
        self.state().cut_off.insert(process.id());
    }

    /// This process can reach the store again.
    pub(crate) fn reconnect(&self, process: &Process) {
        self.state().cut_off.remove(&process.id());
        self.healed.notify_waiters();
    }

    /// Nobody can reach the store from now on.
    pub(crate) fn go_down(&self) {
        self.state().is_down = true;
    }

    pub(crate) fn come_back(&self) {
        self.state().is_down = false;
        self.healed.notify_waiters();
    }

    /// Nothing goes wrong from now on.
    pub(crate) fn calm_down(&self) {
        let mut state = self.state();
        state.cut_off.clear();
        state.is_down = false;
        state.is_calm = true;
        drop(state);
        self.healed.notify_waiters();
    }

    fn is_cut(&self, process: &Process) -> bool {
        let state = self.state();
        state.is_down || state.cut_off.contains(&process.id())
    }

    fn fate(&self, weight: Weight) -> Fate {
        if self.state().is_calm {
            return Fate::PROMPT;
        }
        let (trouble, faults) = match weight {
            Weight::Write | Weight::Other => (self.trouble, &self.faults),
            Weight::Migration if self.trouble == 0 => (0, &self.versions),
            Weight::Migration => (100, &self.versions),
            Weight::Poll => (self.trouble / 8, &self.faults),
        };
        let ms = Duration::from_millis;
        if !faults.chance(trouble) {
            let there = match weight {
                // so that what several sagas and processes write comes in any order
                Weight::Write | Weight::Migration => faults.below(4),
                Weight::Other | Weight::Poll => 0,
            };
            return Fate { there: Some(ms(there)), back: Ok(Duration::ZERO) };
        }
        let trace = &self.medium.trace;
        let migrates = weight == Weight::Migration;
        let count = |what, of_migration| trace.count(if migrates { of_migration } else { what });
        match faults.pick(6) {
            0 => {
                count("fault: a slow request", "migrating: a slow request");
                Fate { there: Some(ms(faults.below(2000))), back: Ok(ms(0)) }
            }
            1 => {
                count("fault: a slow answer", "migrating: a slow answer");
                Fate { there: Some(ms(0)), back: Ok(ms(faults.below(2000))) }
            }
            2 => {
                count("fault: a request is lost", "migrating: a request is lost");
                Fate { there: None, back: Err(ms(faults.below(1000))) }
            }
            3 => {
                count("fault: an answer is lost", "migrating: an answer is lost");
                Fate { there: Some(ms(0)), back: Err(ms(faults.below(1000))) }
            }
            // a store of one worker says that a write has failed only once it is decided
            4 if self.medium.terms.is_some() => {
                // the caller has given up by the time it arrives
                count(
                    "fault: a request that was given up arrives",
                    "migrating: a request that was given up arrives",
                );
                let gives_up = faults.below(300);
                Fate { there: Some(ms(gives_up + 1 + faults.below(4000))), back: Err(ms(gives_up)) }
            }
            _ => {
                count("fault: an answer takes very long", "migrating: an answer takes very long");
                Fate { there: Some(ms(0)), back: Ok(ms(2000 + faults.below(6000))) }
            }
        }
    }

    /// Asks the store on behalf of a process.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        process: &Process,
        weight: Weight,
        what: &'static str,
        apply: impl FnOnce(&Medium) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        process.alive().await;
        self.medium.trace.tick();
        let fate = match self.is_cut(process) {
            true => return self.unreachable(process, what).await,
            false => self.fate(weight),
        };
        if weight == Weight::Migration && self.trouble > 0 && self.versions.chance(40) {
            let written = self.versions.chance(128);
            if written {
                // whoever would be told is dead
                let _ = apply(&self.medium);
            }
            return self.die(process, written).await;
        }
        if let Fate { there: Some(Duration::ZERO), back: Ok(Duration::ZERO) } = fate {
            return apply(&self.medium);
        }
        self.medium.trace.note(|| format!("{process:?}: {what}: {fate:?}"));
        let (answer, answered) = oneshot::channel();
        let (network, process) = (self.clone(), process.clone());
        // once it is under way, it does not matter what becomes of the process
        let travel = async move {
            let Some(there) = fate.there else { return };
            network.arrival(&process, there).await;
            if network.is_lost(&process) {
                return;
            }
            let result = apply(&network.medium);
            if let Ok(back) = fate.back {
                sleep(back).await;
                // nobody may be there any more
                let _ = answer.send(result);
            }
        };
        drop(tokio::spawn(travel));
        match fate.back {
            Ok(_) => match answered.await {
                Ok(result) => result,
                Err(_) => Err(lost("the connection was closed")),
            },
            Err(gives_up) => {
                sleep(gives_up).await;
                Err(lost("no answer"))
            }
        }
    }

    /// The process dies while it migrates a saga.
    async fn die<T>(&self, process: &Process, written: bool) -> T {
        self.medium.trace.count(match written {
            true => "migrating: a death after it is written",
            false => "migrating: a death before it is written",
        });
        self.medium.trace.note(|| format!("{process:?} dies while it migrates a saga"));
        process.kill();
        // nobody takes notice once the run is over
        let _ = self.dies.send(process.clone());
        std::future::pending().await
    }

    /// Waits until a request arrives. The requests of a process that shares the store with no other are written, or not, by
    /// the time that it is dead.
    async fn arrival(&self, process: &Process, there: Duration) {
        let arrives = pin!(sleep(there));
        match self.medium.terms {
            Some(_) => arrives.await,
            None => {
                let mut arrives = arrives;
                let dies = pin!(process.dies());
                tokio::select! {
                    biased;
                    () = &mut arrives => {}
                    () = dies => {}
                }
            }
        }
    }

    /// Whether a request of a process that has died is lost with it.
    fn is_lost(&self, process: &Process) -> bool {
        let is_lost = process.is_dead() && self.faults.chance(128);
        if process.is_dead() {
            let trace = &self.medium.trace;
            trace.count(if is_lost {
                "fault: a request dies"
            } else {
                "fault: a dead process writes"
            });
        }
        is_lost
    }

    /// The store cannot be reached: the caller is told after a while.
    async fn unreachable<T>(&self, process: &Process, what: &'static str) -> Result<T, StoreError> {
        self.medium.trace.note(|| format!("{process:?}: {what}: cannot reach the store"));
        self.medium.trace.count("fault: the store cannot be reached");
        let healed = pin!(self.healed.notified());
        let patience = Duration::from_millis(50 + self.faults.below(1000));
        tokio::select! {
            biased;
            () = healed => {}
            () = sleep(patience) => {}
        }
        Err(lost("the store cannot be reached"))
    }
}

fn lost(why: &str) -> StoreError {
    StoreError::Failed { store: "the simulated store".to_string(), why: why.to_string() }
}
