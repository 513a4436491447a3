//! A value that one program stores as the output of an action, and another program reads with another type: for real, by
//! a saga that is interrupted and resumed.

use std::any::Any;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::action::{
    Action, ActionOutput, ActionRegistry, AttemptError, Policy, UndoContract, Value,
};
use saga_core::dag::{ActionName, DagBuilder, Node, SagaDag};
use saga_core::log::{NodeEntry, Payload};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, Store};
use tokio::sync::Notify;

use super::Stored;

/// How a value was read by other code than wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// As what it means.
    Same,
    /// As something else, and nobody notices.
    Other,
    /// Not at all: its saga is parked.
    Parked,
    /// The action that returned it failed, so that it is in no log.
    NeverWritten,
}

impl Read {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Same => "yes",
            Self::Other => "**no, misread**",
            Self::Parked => "no, parks",
            Self::NeverWritten => "never written",
        }
    }
}

type MakeValue = dyn Fn() -> Result<ActionOutput, ActionError> + Send + Sync;
type IsSame = dyn Fn(&dyn Any) -> bool + Send + Sync;

/// One program's side of an action that returns the value: how it makes and reads it, and whether its undo was given what
/// it should.
struct Program {
    name: ActionName,
    make: Box<MakeValue>,
    decode: fn(&Payload) -> Result<ActionOutput, ActionError>,
    is_same: Box<IsSame>,
    undone_with: Mutex<Option<bool>>,
}

impl Program {
    /// It reads a `T`, and expects this one.
    fn new<T: Stored>(make: Option<T>, expected: Option<T>) -> Arc<Self> {
        let make = move || {
            let value = make.clone().ok_or_else(|| ActionError::new_serialize("it only reads"));
            ActionOutput::new(value?)
        };
        let is_same = move |read: &dyn Any| {
            expected.as_ref().is_some_and(|expected| read.downcast_ref::<T>() == Some(expected))
        };
        Arc::new(Self {
            name: ActionName::new("make").unwrap(),
            make: Box::new(make),
            decode: ActionOutput::decode::<T>,
            is_same: Box::new(is_same),
            undone_with: Mutex::default(),
        })
    }
}

type Called<'a, T, E> = futures_util::future::BoxFuture<'a, Result<T, E>>;

struct Make(Arc<Program>);

impl Action<()> for Make {
    fn name(&self) -> &ActionName {
        &self.0.name
    }

    fn do_it(&self, _cx: ActionContext<()>) -> Called<'_, ActionOutput, AttemptError> {
        Box::pin(async { Ok((self.0.make)()?) })
    }

    fn undo_it(&self, _cx: ActionContext<()>, output: Option<Value>) -> Called<'_, (), UndoError> {
        let is_same = output.is_some_and(|output| (self.0.is_same)(&*output));
        *self.0.undone_with.lock().unwrap() = Some(is_same);
        Box::pin(async { Ok(()) })
    }

    fn decode(&self, stored: &Payload) -> Result<ActionOutput, ActionError> {
        (self.0.decode)(stored)
    }
}

/// Where the saga waits for the other program, in which it fails, so that the value is undone.
struct Hold {
    name: ActionName,
    reached: Option<Arc<Notify>>,
}

impl Action<()> for Hold {
    fn name(&self) -> &ActionName {
        &self.name
    }

    fn do_it(&self, _cx: ActionContext<()>) -> Called<'_, ActionOutput, AttemptError> {
        Box::pin(async {
            if let Some(reached) = &self.reached {
                reached.notify_one();
                std::future::pending::<()>().await;
            }
            Err(ActionError::from_error("it goes back").into())
        })
    }

    fn undo_it(&self, _cx: ActionContext<()>, _output: Option<Value>) -> Called<'_, (), UndoError> {
        Box::pin(async { Ok(()) })
    }

    fn decode(&self, stored: &Payload) -> Result<ActionOutput, ActionError> {
        ActionOutput::decode::<()>(stored)
    }

    fn policy(&self) -> Policy {
        Policy::new(UndoContract::None)
    }
}

async fn build(
    store: &MemoryStore,
    program: &Arc<Program>,
    reached: Option<Arc<Notify>>,
) -> (Coordinator<()>, SagaDag<()>) {
    let mut actions = ActionRegistry::new();
    let make = actions.register(Make(program.clone())).unwrap();
    let hold = Hold { name: ActionName::new("hold").unwrap(), reached };
    let hold = actions.register(hold).unwrap();
    let mut dag = DagBuilder::new("Change").unwrap();
    dag.append(Node::shared_action("value", make).unwrap()).unwrap();
    dag.append(Node::shared_action("hold", hold).unwrap()).unwrap();
    let saga = SagaDag::new(dag.build().unwrap(), &()).unwrap();
    let sec = Coordinator::builder(()).store(store.clone()).actions(actions);
    (sec.build().await.unwrap(), saga)
}

/// The form in which the value is stored, and how a program that reads an `R` reads it.
pub(super) fn tried<W: Stored, R: Stored>(value: W, expected: Option<R>) -> (String, Read) {
    let writer = Program::new(Some(value), None);
    let reader = Program::new(None, expected);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let limit = Duration::from_secs(60);
        tokio::time::timeout(limit, resumed(&writer, &reader)).await.expect("no hang")
    })
}

async fn resumed(writer: &Arc<Program>, reader: &Arc<Program>) -> (String, Read) {
    let (store, reached) = (MemoryStore::new(), Arc::new(Notify::new()));
    let (sec, saga) = build(&store, writer, Some(reached.clone())).await;
    let handle = sec.saga_dag(saga).id("x").start().await.unwrap();
    tokio::select! {
        () = reached.notified() => {}
        ended = handle => {
            let Err(SagaError::RolledBack(report)) = ended else { panic!("{ended:?}") };
            let error = report.error.unwrap();
            assert!(matches!(error, ActionError::SerializeFailed { .. }), "{error}");
            return (String::new(), Read::NeverWritten);
        }
    }
    sec.shutdown(Duration::ZERO).await.unwrap();
    let stored = store.load(&"x".parse().unwrap()).await.unwrap().unwrap();
    let output = stored.entries.iter().find_map(|entry| match entry.node_entry()? {
        NodeEntry::Succeeded(output) => Some(output),
        _ => None,
    });
    let written = String::from_utf8(output.unwrap().as_bytes().to_vec()).unwrap();

    let (sec, _) = build(&store, reader, None).await;
    let ended = sec.get::<serde_json::Value>("x").await.unwrap().unwrap().await;
    let read = match ended {
        Err(SagaError::Parked { reason, .. }) => {
            let expected = "this program cannot read the output of node `value`: ";
            assert!(reason.starts_with(expected), "{reason}");
            Read::Parked
        }
        Err(SagaError::RolledBack(_)) => match *reader.undone_with.lock().unwrap() {
            Some(true) => Read::Same,
            Some(false) => Read::Other,
            None => panic!("its undo was not called"),
        },
        other => panic!("{written}: {other:?}"),
    };
    (written, read)
}
