//! One run: sagas, the processes that run them, and all that happens to these, by the choices on a tape.

mod clients;
mod migrations;
mod operators;
mod owners;
mod rest;
mod stage;
mod trouble;

use std::panic::{AssertUnwindSafe, catch_unwind};

use saga_core::SagaStatus;
use saga_core::simulation::Simulation;
use saga_core::store::SagaRecord;
use tokio::runtime::Builder;

use crate::laws::{self, Broken, Ended, Evidence};
use crate::panics;
use crate::tape::{Recording, Tapes};
use crate::trace::Counts;
use crate::world::Obligations;
use stage::{Planned, Stage};

/// What a run depends on, and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// What is random in the library.
    pub(crate) seed: u64,
    /// What is random around it.
    pub(crate) recording: Recording,
    /// What the services that actions call do.
    pub(crate) obligations: Obligations,
}

impl Case {
    pub(crate) fn of_seed(seed: u64) -> Self {
        let (recording, obligations) = (Tapes::of_seed(seed), Obligations::default());
        Self { seed, recording, obligations }
    }
}

/// A run that is over.
pub(crate) struct Ran {
    /// The law that was broken first.
    pub(crate) broken: Option<Broken>,
    /// The trace, if it was to be recorded.
    pub(crate) lines: Vec<String>,
    pub(crate) counts: Counts,
    /// What was read of the tapes.
    pub(crate) used: Recording,
}

impl Ran {
    /// The trace ends with the verdict.
    pub(crate) fn text(&self) -> String {
        let verdict = match &self.broken {
            Some(Broken { law, what }) => format!("broken: {law}: {what}"),
            None => "every law holds".to_string(),
        };
        format!("{}\n{verdict}\n", self.lines.join("\n"))
    }
}

/// Runs a case, on this thread.
pub(crate) fn run(case: &Case, with_lines: bool) -> Ran {
    panics::note();
    let tapes = Tapes::play(&case.recording);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let ran = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let _simulation = Simulation::begin(case.seed);
            let stage = Stage::set(&tapes, case.obligations, with_lines);
            let broken = stage.play().await.err();
            stage.trace.note(|| format!("{} events", stage.trace.tick()));
            (broken, stage.trace.lines(), stage.trace.take_counts())
        })
    }));
    // what processes have in memory is gone with it, also of dead ones
    let _ = catch_unwind(AssertUnwindSafe(|| drop(runtime)));
    let (broken, lines, counts) = ran.unwrap_or_default();
    let panicked = panics::take().map(|what| Broken { law: "no panic", what });
    Ran { broken: panicked.or(broken), lines, counts, used: tapes.used() }
}

impl Stage {
    /// The run itself.
    async fn play(&self) -> Result<(), Broken> {
        self.open();
        let wind_up = self.tapes.operators.byte();
        tokio::join!(self.start_all(), self.ask_for_things(), self.cause_trouble());
        self.calm_down().await;
        let rested = self.rest(wind_up).await;
        self.world.deliver_late().await;
        owners::check(&self.medium.written())?;
        self.look_at_all().await;
        let story = std::mem::take(&mut *self.story());
        self.count_migrations();
        let sagas = self.sagas.iter().filter_map(|Planned { id, versions }| {
            let first = self.medium.version_at(id, 1, versions)?;
            Some(Ended { id: id.clone(), versions, first, stored: self.medium.peek(id)? })
        });
        let sagas = sagas.collect::<Vec<_>>();
        for saga in &sagas {
            self.trace.count(end_in_words(&saga.stored.record));
        }
        let (world, settings, told) = (&*self.world, &self.settings, &*story.told);
        let evidence = Evidence { sagas, world, settings, told };
        laws::check(&evidence)?;
        if let Some(broken) = story.broken {
            return Err(broken);
        }
        // last: a saga that hangs for the reason that another law tells is told by that
        rested
    }
}

/// How a saga is when nothing happens any more, to be counted.
fn end_in_words(record: &SagaRecord) -> &'static str {
    match (record.status, &record.parked_reason, record.paused) {
        (SagaStatus::Completed, ..) => "end: completed",
        (SagaStatus::RolledBack, ..) => "end: rolled back",
        (SagaStatus::Stuck, ..) => "end: stuck",
        (_, Some(_), _) => "end: parked",
        (_, None, true) => "end: paused",
        (_, None, false) => "end: none",
    }
}
