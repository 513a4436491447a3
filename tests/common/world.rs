//! A small outside world that records every call and answers as its script says.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use saga_core::coordinator::SagaType;
use saga_core::operator::{Answer, OperateError, Operator, Refusal};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, Store, StoredSaga};
use saga_core::{CoordinatorBuilder, UndoError};
use tokio::sync::watch;

/// A process whose sagas act on this world.
pub(crate) type Process = super::process::Process<Arc<World>>;

/// How a call behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Do {
    /// Takes effect and succeeds.
    Works,
    /// Takes no effect and fails; a retry may succeed.
    Fails,
    /// For an undo: takes no effect and fails permanently.
    FailsForGood,
    /// Takes effect and never returns.
    Hangs,
    /// Takes effect and panics.
    Panics,
    /// Takes no effect and never returns.
    Waits,
}

/// The effects in the world, and the calls that were made to it.
#[derive(Default)]
pub(crate) struct World {
    /// The nodes that have an effect, by action key.
    effects: Mutex<BTreeMap<String, String>>,
    scripts: Mutex<HashMap<String, VecDeque<Do>>>,
    said: Mutex<Vec<String>>,
    heard: watch::Sender<usize>,
}

pub(crate) type Cx = ActionContext<Arc<World>>;

impl World {
    /// Sets how the next calls of a node (`a`) or its undo (`undo a`) behave; later calls succeed.
    pub(crate) fn script(&self, call: &str, script: impl IntoIterator<Item = Do>) {
        self.scripts.lock().unwrap().insert(call.to_string(), script.into_iter().collect());
    }

    /// Returns all calls, in order.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Returns how many times this call was made.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.said().iter().filter(|said| *said == what).count()
    }

    /// Returns the nodes that have an effect.
    pub(crate) fn effects(&self) -> Vec<String> {
        let mut nodes = self.effects.lock().unwrap().values().cloned().collect::<Vec<_>>();
        nodes.sort();
        nodes
    }

    /// Returns the keys under which actions had effects that are there.
    #[allow(dead_code)] // not every program of tests looks
    pub(crate) fn effect_keys(&self) -> Vec<String> {
        self.effects.lock().unwrap().keys().cloned().collect()
    }

    /// Waits until this call was made so many times.
    pub(crate) async fn hears(&self, what: &str, times: usize) {
        let mut heard = self.heard.subscribe();
        heard.wait_for(|_| self.count(what) >= times).await.unwrap();
    }

    pub(crate) fn say(&self, what: String) {
        self.said.lock().unwrap().push(what);
        self.heard.send_modify(|n| *n += 1);
    }

    fn next(&self, call: &str) -> Do {
        let mut scripts = self.scripts.lock().unwrap();
        scripts.get_mut(call).and_then(VecDeque::pop_front).unwrap_or(Do::Works)
    }
}

/// The action of a node: follows the node's script.
pub(crate) async fn act(cx: &Cx) -> Result<String, String> {
    let node = cx.node_path().to_string();
    let what = cx.next(&node);
    if !matches!(what, Do::Fails | Do::FailsForGood | Do::Waits) {
        cx.effects.lock().unwrap().insert(cx.action_key().to_string(), node.clone());
    }
    cx.say(format!("do {node}"));
    match what {
        Do::Works => Ok(node),
        Do::Fails | Do::FailsForGood => Err(format!("{node} failed")),
        Do::Panics => panic!("{node} panicked"),
        Do::Hangs | Do::Waits => std::future::pending().await,
    }
}

pub(crate) async fn unact(cx: &Cx, how: &str) -> Result<(), UndoError> {
    let node = cx.node_path().to_string();
    let what = cx.next(&format!("undo {node}"));
    cx.say(format!("undo {node}{how}"));
    match what {
        Do::Works => {}
        Do::Fails => return Err(UndoError::from_error(format!("undo of {node} failed"))),
        Do::FailsForGood => return Err(UndoError::permanent(format!("undo of {node} failed"))),
        Do::Panics => panic!("undo of {node} panicked"),
        Do::Hangs | Do::Waits => std::future::pending().await,
    }
    cx.effects.lock().unwrap().remove(&cx.action_key().to_string());
    cx.say(format!("undone {node}"));
    Ok(())
}

/// An action whose undo needs the output.
#[saga_action(undo = unout(output))]
pub(crate) async fn out(cx: &Cx) -> Result<String, String> {
    act(cx).await
}
async fn unout(cx: &Cx, output: &str) -> Result<(), UndoError> {
    assert_eq!(output, cx.node_path().as_str());
    unact(cx, "").await
}

/// An action whose undo takes the output, if there is one.
#[saga_action(undo = unmaybe(output?))]
pub(crate) async fn maybe(cx: &Cx) -> Result<String, String> {
    act(cx).await
}
async fn unmaybe(cx: &Cx, output: Option<&String>) -> Result<(), UndoError> {
    unact(cx, if output.is_some() { "" } else { " without output" }).await
}

/// An action whose undo needs no output, with three attempts.
#[saga_action(undo = unplain(), retry(max = 3, base = "1s"))]
pub(crate) async fn plain(cx: &Cx) -> Result<String, String> {
    act(cx).await
}
async fn unplain(cx: &Cx) -> Result<(), UndoError> {
    unact(cx, "").await
}

/// An action with a timeout of a second for it and for its undo.
#[saga_action(undo = untimed(), timeout = "1s", undo_timeout = "1s", undo_retry(max = 2))]
pub(crate) async fn timed(cx: &Cx) -> Result<String, String> {
    act(cx).await
}
async fn untimed(cx: &Cx) -> Result<(), UndoError> {
    unact(cx, "").await
}

/// An action that needs no undo.
#[saga_action(no_undo)]
pub(crate) async fn bare(cx: &Cx) -> Result<String, String> {
    act(cx).await
}

/// Registers the sagas of a test.
pub(crate) type Sagas = fn(CoordinatorBuilder<Arc<World>>) -> CoordinatorBuilder<Arc<World>>;

/// A world, a store, a process and an operator. The saga of the test has the id `x`.
pub(crate) struct Fixture {
    pub(crate) world: Arc<World>,
    pub(crate) store: MemoryStore,
    pub(crate) process: Process,
    pub(crate) operator: Operator,
    sagas: Sagas,
}

impl Fixture {
    pub(crate) fn new(scripts: &[(&str, &[Do])], sagas: Sagas) -> Self {
        let (world, store) = (Arc::new(World::default()), MemoryStore::new());
        for (call, script) in scripts {
            world.script(call, script.iter().copied());
        }
        let process = Process::start(&world, &store, sagas);
        let operator = process.sec.operator("alice");
        Self { world, store, process, operator, sagas }
    }

    /// Waits until the saga has ended.
    pub(crate) fn end<S: SagaType>(&self) -> Result<S::Output, SagaError> {
        self.process.until(async { self.process.sec.get::<S>("x").await.unwrap().unwrap().await })
    }

    pub(crate) fn kill_and_restart(&mut self) {
        self.process = Process::start(&self.world, &self.store, self.sagas);
        self.operator = self.process.sec.operator("alice");
    }

    pub(crate) fn stored(&self) -> StoredSaga {
        self.process.until(self.store.load(&"x".parse().unwrap())).unwrap().unwrap()
    }

    /// Returns the kinds of the log's entries.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.stored().entries.iter().map(|entry| entry.kind.name()).collect()
    }
}

/// Returns why a request was refused.
pub(crate) fn refusal(answer: Result<Answer, OperateError>) -> Refusal {
    match answer {
        Err(OperateError::Refused { refusal, .. }) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}
