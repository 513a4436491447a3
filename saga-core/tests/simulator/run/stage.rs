//! What a run consists of, and the processes in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use saga_core::store::LeaseTerms;
use saga_core::{BuildError, Coordinator, CoordinatorBuilder, SagaId};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep};

use super::migrations;
use crate::laws::{Broken, Told};
use crate::process::Process;
use crate::sagas::{SagaPlan, Settings, Versions};
use crate::store::{Client, Medium, Network, StoreClock};
use crate::tape::Tapes;
use crate::trace::Trace;
use crate::world::{Obligations, Site, World};

/// How long a lease lasts, and how often workers look for sagas to take over.
const LEASE: Duration = Duration::from_millis(2500);
const POLL: Duration = Duration::from_millis(700);

/// A run. Clones are the same run.
#[derive(Clone)]
pub(super) struct Stage(Arc<Inner>);

pub(super) struct Inner {
    pub(super) tapes: Tapes,
    pub(super) trace: Trace,
    pub(super) began: Instant,
    pub(super) medium: Medium,
    pub(super) network: Network,
    pub(super) world: Arc<World>,
    pub(super) settings: Settings,
    pub(super) sagas: Vec<Planned>,
    slots: Mutex<Vec<Slot>>,
    processes: AtomicU32,
    /// Which versions each process knows.
    deployments: Mutex<BTreeMap<u32, usize>>,
    dying: Mutex<Option<UnboundedReceiver<Process>>>,
    story: Mutex<Story>,
}

/// A saga that is to be started.
pub(super) struct Planned {
    pub(super) id: SagaId,
    pub(super) versions: Arc<Versions>,
}

/// A place for a process: when one dies, the next takes it.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) process: Process,
    /// It knows the versions of sagas up to this one, the first of which is number 1.
    pub(super) deployment: usize,
    /// Once it is built.
    pub(super) sec: Option<Coordinator<Site>>,
}

/// What was seen from outside.
#[derive(Default)]
pub(super) struct Story {
    pub(super) told: Vec<Told>,
    /// The sagas whose start was acknowledged.
    pub(super) acknowledged: Vec<SagaId>,
    /// Who waits for the end of a saga, and in which process.
    pub(super) waiting: BTreeMap<u64, (SagaId, Process)>,
    /// How many operators have asked for something so far.
    pub(super) requests: u64,
    /// How many have waited so far.
    pub(super) waits: u64,
    pub(super) broken: Option<Broken>,
}

impl std::ops::Deref for Stage {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Stage {
    pub(super) fn set(tapes: &Tapes, obligations: Obligations, with_lines: bool) -> Self {
        let began = Instant::now();
        let trace = Trace::new(began, with_lines);
        let plans = &tapes.plans;
        let workers = plans.pick(4);
        let terms = (workers > 0).then(|| {
            let mut terms = LeaseTerms::new(LEASE);
            terms.poll_every = POLL;
            terms
        });
        let clock = StoreClock::new(began, offset(plans.pick(81)));
        let medium = Medium::new(terms, clock, trace.clone());
        let trouble = [0, 6, 20, 50][tapes.faults.pick(4)];
        let (network, dying) =
            Network::new(medium.clone(), tapes.faults.clone(), trouble, tapes.versions.clone());
        let world = World::new(obligations, tapes.world.clone(), trace.clone(), medium.clone());
        let settings = Settings::random(plans);
        let sagas = (0..1 + plans.pick(3)).map(|index| {
            let id = format!("saga-{index}").parse::<SagaId>().unwrap();
            let versions = Arc::new(Versions::random(plans, &tapes.versions, index));
            world.add(&id, versions.clone());
            trace.note(|| format!("{id}: {}", versions.in_words()));
            Planned { id, versions }
        });
        let sagas = sagas.collect::<Vec<_>>();
        trace.note(|| {
            let mut line = match workers {
                0 => "one worker at a time".to_string(),
                n => format!("{n} workers, leases of {LEASE:?}"),
            };
            let _ = write!(line, "; {settings:?}");
            line
        });
        trace.count(if workers == 0 {
            "a store of one worker"
        } else {
            "a store of several workers"
        });
        let first = Slot { process: Process::new(0, began, 0, 0), deployment: 1, sec: None };
        let slots = Mutex::new(vec![first; workers.max(1)]);
        Self(Arc::new(Inner {
            tapes: tapes.clone(),
            trace,
            began,
            medium,
            network,
            world,
            settings,
            sagas,
            slots,
            processes: AtomicU32::new(1),
            deployments: Mutex::default(),
            dying: Mutex::new(Some(dying)),
            story: Mutex::default(),
        }))
    }

    pub(super) fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap()
    }

    pub(super) fn story(&self) -> MutexGuard<'_, Story> {
        self.story.lock().unwrap()
    }

    /// The first processes begin.
    pub(super) fn open(&self) {
        let slots = self.slots().len();
        (0..slots).for_each(|place| self.begin(place));
        let (stage, dying) = (self.clone(), self.dying.lock().unwrap().take());
        drop(tokio::spawn(async move {
            let Some(mut dying) = dying else { return };
            while let Some(process) = dying.recv().await {
                let is_it = |slot: &Slot| slot.process.id() == process.id();
                let place = stage.slots().iter().position(is_it);
                if let Some(place) = place {
                    stage.replace(place, &process, Duration::from_millis(500));
                }
            }
        }));
    }

    /// A process that is not one of the workers.
    pub(super) fn outsider(&self) -> Process {
        Process::new(self.processes.fetch_add(1, Ordering::Relaxed), self.began, 0, 0)
    }

    /// A new process takes this place. What was there is dead.
    pub(super) fn begin(&self, place: usize) {
        let id = self.processes.fetch_add(1, Ordering::Relaxed);
        let faults = &self.tapes.faults;
        // its clock is wrong by up to five seconds, and up to four percent
        let (set, fast) = match faults.chance(60) {
            true => (offset(faults.pick(201)) * 50, offset(faults.pick(81))),
            false => (0, 0),
        };
        let process = Process::new(id, self.began, set, fast);
        let deployment = self.deployment();
        self.deployments.lock().unwrap().insert(id, deployment);
        self.slots()[place] = Slot { process: process.clone(), deployment, sec: None };
        self.trace.note(|| format!("{process:?} begins, with versions up to {deployment}"));
        let stage = self.clone();
        drop(tokio::spawn(async move {
            let built = {
                let build = process.run(stage.build(&process, deployment));
                tokio::select! {
                    biased;
                    built = build => built,
                    () = process.dies() => return,
                }
            };
            match built {
                Ok(sec) => {
                    stage.trace.note(|| format!("{process:?} is worker {}", sec.worker_id()));
                    let mut slots = stage.slots();
                    if slots[place].process.id() == id {
                        slots[place].sec = Some(sec);
                    }
                }
                Err(error) => {
                    stage.trace.note(|| format!("{process:?} gives up: {error}"));
                    if let BuildError::Migration { .. } = &error {
                        let what = error.to_string();
                        stage.story().broken.get_or_insert(Broken { law: "migrated", what });
                    }
                    stage.trace.count("a process that cannot begin");
                    stage.kill(place, &process, Duration::from_millis(300));
                }
            }
        }));
    }

    fn builder(&self, process: &Process, deployment: usize) -> CoordinatorBuilder<Site> {
        let site = Site { world: self.world.clone(), process: process.clone() };
        let clock = process.clone();
        let mut builder = self.settings.apply(Coordinator::builder(site), deployment);
        for planned in &self.sagas {
            builder = planned.versions.migrate(builder, deployment);
        }
        let store = Client::new(self.network.clone(), process.clone());
        let builder = builder.store(store).wall_clock(move || clock.now());
        builder.simulated(Arc::new(process.clone()))
    }

    async fn build(
        &self,
        process: &Process,
        deployment: usize,
    ) -> Result<Coordinator<Site>, BuildError> {
        // whoever deploys a later version looks first at what migrations would do
        if deployment > 1 {
            let outlooks = self.builder(process, deployment).preview_migrations().await?;
            migrations::count(&outlooks, &self.trace);
        }
        self.builder(process, deployment).build().await
    }

    /// Which versions the next process knows: deployments go forward and back, as long as there are faults.
    fn deployment(&self) -> usize {
        let latest = self.sagas.iter().map(|planned| planned.versions.count()).max();
        let latest = latest.unwrap_or(1);
        match self.tapes.is_calm() {
            true => latest,
            false if latest > 1 => 1 + self.tapes.versions.pick(latest),
            false => 1,
        }
    }

    /// The versions that a process knows.
    pub(super) fn deployed(&self, process: u32) -> usize {
        self.deployments.lock().unwrap().get(&process).copied().unwrap_or(1)
    }

    /// All processes that do not know the latest versions are replaced by others that do, as any deployment ends.
    pub(super) fn deploy_the_latest(&self) {
        let latest = self.deployment();
        let slots = self.slots().clone();
        for (place, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.deployment < latest) {
            self.kill(place, &slot.process, Duration::from_millis(100));
        }
    }

    /// Kills a process, unless it is dead; the next one begins after a while.
    pub(super) fn kill(&self, place: usize, process: &Process, pause: Duration) {
        if process.is_dead() {
            return;
        }
        self.trace.note(|| format!("{process:?} is killed"));
        process.kill();
        self.replace(place, process, pause);
    }

    /// The next process begins in the place of one that is dead.
    fn replace(&self, place: usize, process: &Process, pause: Duration) {
        self.network.reconnect(process);
        let stage = self.clone();
        let id = process.id();
        drop(tokio::spawn(async move {
            sleep(pause).await;
            if stage.slots()[place].process.id() == id {
                stage.begin(place);
            }
        }));
    }

    /// A process that runs sagas, as far as anybody knows.
    pub(super) fn worker(&self, choice: usize) -> Option<(Process, Coordinator<Site>)> {
        let slots = self.slots();
        let slot = &slots[choice % slots.len()];
        if slot.process.is_dead() {
            return None;
        }
        Some((slot.process.clone(), slot.sec.clone()?))
    }

    /// The version that a saga has now; the first one if it does not exist.
    pub(super) fn plan_now<'p>(&self, planned: &'p Planned) -> &'p SagaPlan {
        let Planned { id, versions } = planned;
        let version = self.medium.version_at(id, u64::MAX, versions);
        versions.plan(version.unwrap_or_default())
    }
}

/// A choice as a number around 0: 0, 1, -1, 2, -2 and so on.
pub(super) fn offset(choice: usize) -> i64 {
    let half = i64::try_from(choice.div_ceil(2)).unwrap();
    if choice % 2 == 1 { half } else { -half }
}
