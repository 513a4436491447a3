//! Values and errors of the user that panic when they are formatted, serialized, deserialized or dropped:
//! only that call panics.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use saga_core::log::{FailureKind, NodeEntry};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, SqliteStore, Store};
use saga_core::{SagaReport, StartError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Default)]
pub(crate) struct World {
    said: Mutex<Vec<&'static str>>,
    dropped: Arc<AtomicUsize>,
}

impl World {
    fn say(&self, what: &'static str) {
        self.said.lock().unwrap().push(what);
    }
}

type Cx = ActionContext<Arc<World>>;

/// An error, and what of it panics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Odd {
    Display,
    Source,
    Write,
    Drop,
    /// Both where it is formatted and where it is dropped.
    DisplayOfSourceAndDrop,
    Nothing,
}

#[derive(Debug)]
struct OddError(Odd, OddSource);

#[derive(Debug)]
struct OddSource(Odd);

impl fmt::Display for OddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(self.0 != Odd::Display, "no words for it");
        f.write_str("an odd error")
    }
}

impl fmt::Display for OddSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(!matches!(self.0, Odd::Source | Odd::DisplayOfSourceAndDrop), "no words for why");
        f.write_str("an odd reason")
    }
}

impl Error for OddSource {}
impl Error for OddError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.1)
    }
}

impl Serialize for OddError {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        assert!(self.0 != Odd::Write, "it does not write");
        to.serialize_str("odd")
    }
}

impl Drop for OddError {
    fn drop(&mut self) {
        let panics = matches!(self.0, Odd::Drop | Odd::DisplayOfSourceAndDrop);
        assert!(!panics || std::thread::panicking(), "it does not go");
    }
}

fn odd(what: Odd) -> OddError {
    OddError(what, OddSource(what))
}

#[saga_action(undo = unbook(output))]
async fn book(cx: &Cx) -> Result<u32, String> {
    cx.say("book");
    Ok(7)
}
async fn unbook(cx: &Cx, _room: &u32) -> Result<(), String> {
    cx.say("unbook");
    Ok(())
}

#[saga_action(undo = unpay(output?), undo_retry(max = 2, base = "1ms"))]
async fn pay(cx: &Cx, how: Odd) -> Result<u32, OddError> {
    cx.say("pay");
    Err(odd(how))
}
async fn unpay(cx: &Cx, output: Option<&u32>) -> Result<(), String> {
    cx.say(if output.is_some() { "refund" } else { "refund if it was paid" });
    Ok(())
}

#[saga_action(undo = unsend(output, how), undo_retry(max = 2, base = "1ms"))]
async fn send(cx: &Cx, how: Odd) -> Result<u32, String> {
    cx.say("send");
    let _ = how;
    Ok(1)
}
async fn unsend(cx: &Cx, _sent: &u32, how: Odd) -> Result<(), OddError> {
    cx.say("unsend");
    Err(odd(how))
}

#[saga_action(no_undo)]
async fn fail(_cx: &Cx) -> Result<(), String> {
    Err("no".into())
}

/// What its transaction gives, or the error of its work, panics where it is dropped; so does what the work holds.
#[saga_action(no_undo)]
async fn write(cx: &Cx, works: bool) -> Result<Evil, OddError> {
    let held = Evil { what: Odd::Drop, dropped: Some(cx.dropped.clone()) };
    cx.transaction(move |tx| {
        let _held = &held;
        tx.execute("INSERT INTO note VALUES ('here')", []).map_err(|_| odd(Odd::Nothing))?;
        let dropped = held.dropped.clone();
        if works { Ok(Evil { what: Odd::Nothing, dropped }) } else { Err(odd(Odd::Drop)) }
    })
    .await
}

/// A value, and what of it panics.
struct Evil {
    what: Odd,
    dropped: Option<Arc<AtomicUsize>>,
}

impl Serialize for Evil {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        assert!(self.what != Odd::Write, "it does not write");
        self.what.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Evil {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let what = Odd::deserialize(from)?;
        assert!(what != Odd::Display, "it does not read");
        Ok(Self { what, dropped: None })
    }
}

impl Drop for Evil {
    fn drop(&mut self) {
        if let Some(dropped) = &self.dropped {
            dropped.fetch_add(1, Ordering::SeqCst);
        }
        assert!(self.what != Odd::Drop, "it does not go");
    }
}

#[saga_action(undo = unmake(output))]
async fn make(cx: &Cx, what: Odd) -> Result<Evil, String> {
    cx.say("make");
    Ok(Evil { what, dropped: Some(cx.dropped.clone()) })
}
async fn unmake(cx: &Cx, evil: &Evil) -> Result<(), String> {
    let _ = evil;
    cx.say("unmake");
    Ok(())
}

saga! {
    Pays<Arc<World>>(how: Odd) -> u32 { let room = book {}; let paid = pay { how: *how }; { room + paid } }
    Sends<Arc<World>>(how: Odd) { let _room = book {}; let _sent = send { how: *how }; fail {}; }
    Makes<Arc<World>>(what: Odd) -> u32 {
        let room = book {};
        let one = make { what: *what };
        let two = make { what: *what };
        let three: Evil = { Evil { what: *what, dropped: None } };
        { let _ = (one, two, three); *room }
    }
    Writes<Arc<World>>(works: bool) { let _note = write { works: *works }; }
    Given<Arc<World>>(evil: Evil) -> u32 { let room = book {}; { let _ = evil; *room } }
}

async fn sec(world: &Arc<World>, store: impl Store) -> Coordinator<Arc<World>> {
    let builder = Coordinator::builder(world.clone()).store(store);
    let builder = builder.saga::<Pays>().saga::<Sends>().saga::<Makes>();
    builder.saga::<Given>().saga::<Writes>().build().await.unwrap()
}

fn rolled_back<T: fmt::Debug>(ended: Result<T, SagaError>) -> Box<SagaReport> {
    let Err(SagaError::RolledBack(report)) = ended else { panic!("{ended:?}") };
    report
}

#[tokio::test]
async fn an_error_that_panics_counts_as_a_panic_of_the_attempt() {
    let all = [Odd::Display, Odd::Source, Odd::Write, Odd::Drop, Odd::DisplayOfSourceAndDrop];
    for how in all {
        let (world, store) = (Arc::new(World::default()), MemoryStore::new());
        let sec = sec(&world, store.clone()).await;
        let ended = sec.saga(Pays { how }).id("x").start().await.unwrap().await;
        let error = rolled_back(ended).error.unwrap();
        assert!(matches!(error, ActionError::Panicked { .. }), "{how:?}: {error}");
        let expected = ["book", "pay", "refund if it was paid", "unbook"];
        assert_eq!(*world.said.lock().unwrap(), expected, "{how:?}");
        let log = store.load(&"x".parse().unwrap()).await.unwrap().unwrap().entries;
        let in_doubt = log.iter().any(|entry| {
            matches!(entry.node_entry(), Some(NodeEntry::InDoubt(why)) if why.kind == FailureKind::Panicked)
        });
        assert!(in_doubt, "{how:?}: {log:?}");
    }
}

#[tokio::test]
async fn an_undo_error_that_panics_counts_as_a_failed_undo() {
    for how in [Odd::Display, Odd::Source, Odd::Drop, Odd::DisplayOfSourceAndDrop] {
        let world = Arc::new(World::default());
        let sec = sec(&world, MemoryStore::new()).await;
        let Err(SagaError::Stuck(report)) = sec.run(Sends { how }).await else { panic!("{how:?}") };
        let node = report.nodes.iter().find(|node| node.node == *"_sent").unwrap();
        let error = node.undo_error.as_ref().unwrap();
        assert!(matches!(error, ActionError::Panicked { .. }), "{how:?}: {error}");
        assert_eq!(*world.said.lock().unwrap(), ["book", "send", "unsend", "unsend"], "{how:?}");
    }
}

#[tokio::test]
async fn an_output_that_panics_when_serialized_or_deserialized_is_undone_from_memory() {
    for what in [Odd::Write, Odd::Display] {
        let world = Arc::new(World::default());
        let sec = sec(&world, MemoryStore::new()).await;
        let error = rolled_back(sec.run(Makes { what }).await).error.unwrap();
        assert!(matches!(error, ActionError::Panicked { .. }), "{what:?}: {error}");
        assert!(error.to_string().contains("it does not"), "{what:?}: {error}");
        let expected = ["book", "make", "unmake", "unbook"];
        assert_eq!(*world.said.lock().unwrap(), expected, "{what:?}");
        let start = sec.saga(Given { evil: Evil { what, dropped: None } }).start().await;
        assert!(matches!(start, Err(StartError::Params { .. })), "{what:?}");
    }
}

/// Its outputs panic where they are dropped, several of them: the saga ends, and so does nobody else.
#[tokio::test]
async fn outputs_that_panic_when_dropped_do_not_end_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let world = Arc::new(World::default());
    let sec = sec(&world, SqliteStore::open(directory.path().join("sagas.db")).unwrap()).await;
    let given = || Given { evil: Evil { what: Odd::Drop, dropped: None } };
    assert_eq!(sec.run(Makes { what: Odd::Drop }).await.unwrap(), 7);
    assert_eq!(world.dropped.load(Ordering::SeqCst), 2);
    assert_eq!(sec.run(given()).await.unwrap(), 7);
    let handle = sec.saga(Makes { what: Odd::Drop }).id("x").start().await.unwrap();
    assert_eq!(handle.clone().await.unwrap(), 7);
    let outcome = handle.outcome().await.unwrap();
    assert!(outcome.output::<Evil>("two").is_some());
    drop(outcome);
    assert_eq!(sec.run(Makes { what: Odd::Nothing }).await.unwrap(), 7, "all goes on");
    sec.shutdown(std::time::Duration::ZERO).await.unwrap();
}

/// What a transaction holds is dropped by the thread that writes all logs.
#[tokio::test]
async fn transaction_values_that_panic_when_dropped_do_not_end_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sagas.db");
    let store = SqliteStore::open(&path).unwrap();
    let shop = rusqlite::Connection::open(&path).unwrap();
    shop.execute_batch("CREATE TABLE note (text TEXT)").unwrap();
    let world = Arc::new(World::default());
    let sec = sec(&world, store).await;
    for _ in 0..2 {
        // what the work holds is dropped before its value counts: that is a panic of the work
        rolled_back(sec.run(Writes { works: true }).await);
        rolled_back(sec.run(Writes { works: false }).await);
    }
    assert_eq!(sec.run(Makes { what: Odd::Nothing }).await.unwrap(), 7, "the store goes on");
    let notes: u32 = shop.query_row("SELECT count(*) FROM note", [], |row| row.get(0)).unwrap();
    assert_eq!(notes, 0);
}
