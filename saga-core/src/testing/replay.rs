//! Reads a saga that another program has run with the code of this one: can it be resumed?

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs, io};

use super::SagaTest;
use super::saga_test::fail;
use crate::coordinator::Migration;
use crate::coordinator::inspect::SagaView;
use crate::dag::{AnyDag, DEFAULT_MAX_NODES, DagError, differences};
use crate::driver::{Values, node_reports};
use crate::limits::Limits;
use crate::log::SagaLog;
use crate::machine::{Config, Effect, Event, Machine, SagaState};
use crate::store::{ImportError, StoredSaga};
use crate::typed::{Saga, define};
use crate::value::ActionOutput;

/// Why a saga cannot be replayed at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a saga.
    #[error("{} cannot be replayed: {source}", file.display())]
    NotASaga {
        /// The file.
        file: PathBuf,
        /// Why.
        source: ImportError,
    },
    /// It is another saga.
    #[error("{} is a saga `{found}`, and this test is about `{expected}`", file.display())]
    OtherSaga {
        /// The file.
        file: PathBuf,
        /// The name of the saga in it.
        found: String,
        /// The name of the saga that is tested.
        expected: &'static str,
    },
    /// It is not eligible for the migration, or there is something wrong with that.
    #[error("{} cannot be migrated: {why}", file.display())]
    NotMigrated {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// The saga that is tested is not a valid one.
    #[error("the saga cannot be built: {0}")]
    Definition(DagError),
}

/// A saga that another program has run, as this one reads it: from [`SagaTest::replay`].
#[derive(Debug, Clone)]
pub struct Replay {
    file: PathBuf,
    view: SagaView,
    problems: Vec<String>,
    next: Vec<String>,
}

impl Replay {
    /// The saga: its record, its nodes and its log.
    pub fn view(&self) -> &SagaView {
        &self.view
    }

    /// Why this program could not resume it, or would not see in it what was there. Empty if all is well.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// What this program would do next with it. Empty if it has ended, or is parked.
    pub fn next(&self) -> &[String] {
        &self.next
    }

    #[track_caller]
    fn without_problems(self) -> Self {
        if !self.problems.is_empty() {
            let file = self.file.display();
            fail(format!("{file} cannot be resumed by this program:\n\n{self}"));
        }
        self
    }

    /// The saga and what would be done next, as text in which nothing changes from run to run: see [`SagaView::pretty`].
    pub fn pretty(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.view.pretty())?;
        for (title, lines) in [("next:", &self.next), ("problems:", &self.problems)] {
            if !lines.is_empty() {
                writeln!(f, "{title}")?;
            }
            for line in lines {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

impl<S: Saga> SagaTest<S> {
    /// Reads a saga that another program has run, such as the one in production, with the code of this one. The file is what
    /// [`SagaView::to_json`] or [`StoredSaga::to_json`] has written, or a log file of a [`FileStore`](crate::store::FileStore).
    ///
    /// It checks what a program needs in order to resume the saga: that its definition is still the same one, that the
    /// parameters and the output of each node can be read as the types of today, that the log is a legal path through the
    /// saga, and that the conditions of `if` and `match` and the lists of `for` lead to the arms and to the numbers of
    /// instances that are in the log. It calls no action.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// use saga_core::testing::SagaTest;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = std::env::temp_dir().join(format!("saga-core-replay-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let file = dir.join("stamp-1.json");
    /// # let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// # sec.saga(Stamp {}).id("stamp-1").start().await?.await?;
    /// // in production
    /// let view = sec.inspect("stamp-1").await?.ok_or("there is one")?;
    /// std::fs::write(&file, view.to_json())?;
    ///
    /// // in a test
    /// let replay = SagaTest::<Stamp>::replay(&file);
    /// assert_eq!(replay.view().record.status, SagaStatus::Completed);
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If the file cannot be read, or if there are [problems](Replay::problems).
    #[track_caller]
    pub fn replay(file: impl AsRef<Path>) -> Replay {
        match Self::try_replay(file) {
            Ok(replay) => replay.without_problems(),
            Err(error) => fail(error.to_string()),
        }
    }

    /// The same, and returns the problems.
    ///
    /// # Errors
    /// [`ReplayError`] if the file is not a saga of this name.
    pub fn try_replay(file: impl AsRef<Path>) -> Result<Replay, ReplayError> {
        let file = file.as_ref().to_path_buf();
        let stored = stored::<S>(&file)?;
        replayed::<S>(file, stored)
    }

    /// Reads a saga of an old version, and what it would be after a [migration](crate::Migration) to this one: with the checks
    /// of [`replay`](Self::replay), under the new version.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// use saga_core::Migration;
    /// use saga_core::testing::SagaTest;
    /// # mod v1 { use saga_core::prelude::*; saga! { pub(crate) Stamp<()>() -> u64 { let at = now {}; at } } }
    /// # saga! { #[version = 2] Stamp<()>() -> u64 { let at = now {}; let _id = new_uuid {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let file = std::env::temp_dir().join(format!("saga-core-migrated-{}.json", std::process::id()));
    /// # let sec = Coordinator::builder(()).saga::<v1::Stamp>().build().await?;
    /// # sec.saga(v1::Stamp {}).id("stamp-1").start().await?.await?;
    /// # let view = sec.inspect("stamp-1").await?.ok_or("there is one")?;
    /// # // as if its process had died before the end
    /// # let mut saga = saga_core::store::StoredSaga::from_json(view.to_json().as_bytes())?;
    /// # saga.entries.pop();
    /// # saga.record.next_seq -= 1;
    /// # saga.record.status = SagaStatus::Running;
    /// # std::fs::write(&file, saga.to_json())?;
    /// let migration = Migration::new(|_: v1::Stamp| Stamp {});
    /// let replay = SagaTest::<Stamp>::replay_migrated(&migration, &file);
    /// assert_eq!(replay.next(), ["call the action of `_id`, attempt 1"]);
    /// # std::fs::remove_file(&file)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If the file cannot be read, if the saga is not eligible, or if there are [problems](Replay::problems).
    #[track_caller]
    pub fn replay_migrated<Old>(migration: &Migration<Old, S>, file: impl AsRef<Path>) -> Replay
    where
        Old: Saga,
        S: Saga<Context = Old::Context>,
    {
        match Self::try_replay_migrated(migration, file) {
            Ok(replay) => replay.without_problems(),
            Err(error) => fail(error.to_string()),
        }
    }

    /// The same, and returns the problems.
    ///
    /// # Errors
    /// [`ReplayError`] if the file is not a saga of this name, or cannot be migrated.
    pub fn try_replay_migrated<Old>(
        migration: &Migration<Old, S>,
        file: impl AsRef<Path>,
    ) -> Result<Replay, ReplayError>
    where
        Old: Saga,
        S: Saga<Context = Old::Context>,
    {
        let file = file.as_ref().to_path_buf();
        let stored = stored::<S>(&file)?;
        match migration.try_on(stored) {
            Ok(migrated) => replayed::<S>(file, migrated),
            Err(why) => Err(ReplayError::NotMigrated { file, why }),
        }
    }
}

/// The saga in a file.
fn stored<S: Saga>(file: &Path) -> Result<StoredSaga, ReplayError> {
    let file = || file.to_path_buf();
    let bytes = fs::read(file()).map_err(|source| ReplayError::Io { file: file(), source })?;
    let stored = StoredSaga::from_json(&bytes)
        .map_err(|source| ReplayError::NotASaga { file: file(), source })?;
    if *stored.record.name != *S::NAME {
        let found = stored.record.name.to_string();
        return Err(ReplayError::OtherSaga { file: file(), found, expected: S::NAME });
    }
    Ok(stored)
}

fn replayed<S: Saga>(file: PathBuf, stored: StoredSaga) -> Result<Replay, ReplayError> {
    let dag = define::<S>(DEFAULT_MAX_NODES, Vec::new()).map_err(ReplayError::Definition)?;
    let (view, problems, next) = read::<S>(&dag, stored);
    Ok(Replay { file, view, problems, next })
}

fn read<S: Saga>(dag: &Arc<AnyDag>, stored: StoredSaga) -> (SagaView, Vec<String>, Vec<String>) {
    let StoredSaga { record, entries } = stored;
    let mut problems = definition(dag, &record.fingerprint, record.dag.as_bytes());
    let root = match ActionOutput::decode::<S>(&record.params) {
        Ok(params) => dag.frame(params),
        Err(error) => dag.refused_frame(error),
    };
    let (mut nodes, mut next) = (Vec::new(), Vec::new());
    let max_width = Limits::default().max_width;
    match SagaState::fold(dag.plan().clone(), &entries) {
        Err(illegal) => {
            // the parameters do not depend on the log
            let values = Values::new(dag.clone(), root, max_width);
            problems.extend(values.unreadable().map(ToString::to_string));
            problems.push(format!("its log does not fit the saga: {illegal}"));
        }
        Ok(state) => {
            let values = Values::of_log(dag.clone(), root, max_width, &state, &entries);
            problems.extend(values.unreadable().map(ToString::to_string));
            problems.extend(values.recheck(&state));
            nodes = node_reports(&state);
            if problems.is_empty() && !state.status().is_ended() {
                let config = Config { deadline: record.deadline, ..Config::default() };
                let plan = dag.plan().clone();
                let machine = Machine::recover(plan, config, record.epoch + 1, &entries);
                next =
                    machine.map(|machine| goes_on(machine, record.updated_at)).unwrap_or_default();
            }
        }
    }
    let names = dag.plan().nodes().iter().map(|node| node.name.to_string()).collect();
    let log = SagaLog::of(record.id.clone(), entries, names);
    (SagaView { record, nodes, log }, problems, next)
}

/// How the definition differs from the one that the saga was started with.
fn definition(dag: &AnyDag, fingerprint: &str, stored: &[u8]) -> Vec<String> {
    if dag.fingerprint() == fingerprint {
        return Vec::new();
    }
    let found = differences(stored, dag).filter(|found| !found.is_empty());
    let found = found.unwrap_or_else(|| vec!["the fingerprint of the saga is another".to_string()]);
    found.into_iter().map(|what| format!("its definition has changed: {what}")).collect()
}

/// What a saga does first when it is resumed.
fn goes_on(mut machine: Machine, now: crate::log::Timestamp) -> Vec<String> {
    let (mut next, mut effects) = (Vec::new(), machine.step(now, Event::Recovered));
    while !effects.is_empty() {
        let mut appends = false;
        for effect in std::mem::take(&mut effects) {
            let path = |v| machine.state().path(v);
            match effect {
                Effect::Append { .. } => appends = true,
                Effect::RunAction(call) => {
                    let (node, attempt) = (path(call.vertex), call.attempt);
                    next.push(format!("call the action of `{node}`, attempt {attempt}"));
                }
                Effect::RunUndo(call) => {
                    let (node, attempt) = (path(call.vertex), call.attempt);
                    next.push(format!("call the undo of `{node}`, attempt {attempt}"));
                }
                Effect::Probe(call) => {
                    next.push(format!("ask whether `{}` took effect", path(call.vertex)));
                }
                Effect::Choose(v) => next.push(format!("evaluate what `{}` runs", path(v))),
                Effect::Compute(v) => next.push(format!("compute `{}`", path(v))),
                Effect::Times(v) => next.push(format!("evaluate how long `{}` waits", path(v))),
                Effect::WakeAt(_) => next.push("wait".to_string()),
                Effect::Answer(..)
                | Effect::RequestPermit(_)
                | Effect::ReleasePermit(_)
                | Effect::SignalCancel
                | Effect::SignalCancelOf(_)
                | Effect::DropCall(_)
                | Effect::Overdue
                | Effect::Finish(_) => {}
            }
        }
        if appends {
            effects = machine.step(now, Event::Appended);
        }
    }
    next
}
