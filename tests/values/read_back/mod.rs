//! A value is what is deserialized from its stored form; a value that cannot be read back is refused at
//! its origin, and its effect is undone.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::StartError;
use saga_core::action::ActionOutput;
use saga_core::dag::{DagError, Node};
use saga_core::log::NodeEntry;
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

mod by_hand;

/// What the actions said, and the gate at which a saga waits.
pub(crate) struct World {
    said: Mutex<Vec<String>>,
    heard: tokio::sync::Notify,
    gate: Semaphore,
}

impl World {
    fn new(open: bool) -> Arc<Self> {
        let gate = Semaphore::new(if open { 100 } else { 0 });
        Arc::new(Self { said: Mutex::default(), heard: tokio::sync::Notify::new(), gate })
    }

    fn say(&self, what: impl Into<String>) {
        self.said.lock().unwrap().push(what.into());
        self.heard.notify_one();
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    async fn hears(&self, what: &str) {
        while !self.said().iter().any(|said| said == what) {
            self.heard.notified().await;
        }
    }
}

type Cx = ActionContext<Arc<World>>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Receipt {
    Cash {
        cents: u64,
    },
    /// Readers of tagged enums know no `u128`.
    Chain {
        wei: u128,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flat<T> {
    id: u32,
    #[serde(flatten)]
    rest: T,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Secret {
    user: String,
    #[serde(skip_serializing)]
    word: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Item {
    #[serde(rename(serialize = "itemNumber", deserialize = "item_number"))]
    number: u32,
}

#[saga_action(undo = release(output))]
async fn reserve(cx: &Cx) -> Result<u32, String> {
    cx.say("reserve");
    Ok(7)
}
async fn release(cx: &Cx, room: &u32) -> Result<(), String> {
    cx.say(format!("release {room}"));
    Ok(())
}

#[saga_action(undo = refund(output))]
async fn pay(cx: &Cx, chain: bool) -> Result<Receipt, String> {
    cx.say("pay");
    Ok(if chain { Receipt::Chain { wei: 5 } } else { Receipt::Cash { cents: 5 } })
}
async fn refund(cx: &Cx, receipt: &Receipt) -> Result<(), String> {
    cx.say(format!("refund {receipt:?}"));
    Ok(())
}

#[saga_action(no_undo)]
async fn order(cx: &Cx) -> Result<Order, String> {
    cx.say("order");
    Ok(Order { items: vec![Item { number: 4 }] })
}

saga! {
    Pays<Arc<World>>(chain: bool) -> Receipt {
        let _room = reserve {};
        let receipt = pay { chain: *chain };
        receipt
    }
    Ordering<Arc<World>>() -> u32 {
        let room = reserve {};
        let goods = order {};
        { goods.items.len() as u32 + room }
    }
    Given<Arc<World>>(how: Receipt) -> u32 { let room = reserve {}; { let _ = how; *room } }
    Computing<Arc<World>>() -> u32 {
        let room = reserve {};
        let flat: Flat<Vec<(String, u32)>> = { Flat { id: *room, rest: Vec::new() } };
        let secret: Secret = { Secret { user: "ada".into(), word: "s3cret".into() } };
        { flat.id + secret.user.len() as u32 }
    }
    Around<Arc<World>>() -> u32 {
        let room = reserve {};
        let inner = Given { how: Receipt::Chain { wei: u128::from(*room) } };
        inner
    }
}

async fn sec(world: &Arc<World>, store: impl Store) -> Coordinator<Arc<World>> {
    let builder = Coordinator::builder(world.clone()).store(store).saga::<Pays>();
    let builder = builder.saga::<Ordering>().saga::<Given>().saga::<Computing>().saga::<Around>();
    builder.saga::<Ways>().saga::<Tokens>().build().await.unwrap()
}

fn rolled_back<T: Debug>(ended: Result<T, SagaError>) -> (String, String) {
    let text = ended.as_ref().map_err(ToString::to_string).unwrap_err();
    let Err(SagaError::RolledBack(report)) = ended else { panic!("{ended:?}") };
    (text, report.error.unwrap().to_string())
}

/// Outputs that can be written, and not read.
#[tokio::test]
async fn an_output_that_cannot_be_read_back_is_undone_from_memory() {
    let (world, store) = (World::new(true), MemoryStore::new());
    let sec = sec(&world, store.clone()).await;
    assert_eq!(sec.run(Pays { chain: false }).await.unwrap(), Receipt::Cash { cents: 5 });
    world.said.lock().unwrap().clear();

    let ended = sec.saga(Pays { chain: true }).id("x").start().await.unwrap().await;
    let (report, error) = rolled_back(ended);
    assert!(report.contains("node `receipt`"), "{report}");
    let expected = "serialize failed: what was written cannot be read back: u128 is not supported";
    assert_eq!(error, expected);
    assert_eq!(world.said(), ["reserve", "pay", "refund Chain { wei: 5 }", "release 7"]);
    let log = store.load(&"x".parse().unwrap()).await.unwrap().unwrap().entries;
    let about = |node: &str| {
        let about = log.iter().filter(|e| e.node().is_some_and(|at| *at == *node));
        about.filter_map(|e| e.node_entry().cloned()).collect::<Vec<_>>()
    };
    assert!(!about("receipt").iter().any(|kind| matches!(kind, NodeEntry::Succeeded(_))));
    let NodeEntry::InDoubt(failure) = &about("receipt")[1] else { panic!("{log:?}") };
    assert!(!failure.retryable, "another attempt would give the same");

    let (report, error) = rolled_back(sec.run(Ordering {}).await);
    assert!(report.contains("node `goods`"), "{report}");
    assert!(error.ends_with("`items[0]`: missing field `item_number`"), "{error}");
}

#[tokio::test]
async fn parameters_that_cannot_be_read_back_start_nothing() {
    let (world, store) = (World::new(true), MemoryStore::new());
    let sec = sec(&world, store.clone()).await;
    let start = sec.saga(Given { how: Receipt::Chain { wei: 5 } }).id("x").start().await;
    let Err(StartError::Params { saga, why }) = start else { panic!("{:?}", start.map(|_| ())) };
    assert_eq!(saga, "Given");
    assert!(why.ends_with("read back: `how`: u128 is not supported"), "{why}");
    assert!(store.load(&"x".parse().unwrap()).await.unwrap().is_none());
    assert_eq!(sec.run(Given { how: Receipt::Cash { cents: 1 } }).await.unwrap(), 7);
}

#[tokio::test]
async fn computed_values_must_be_readable_too() {
    let world = World::new(true);
    let sec = sec(&world, MemoryStore::new()).await;
    let (report, error) = rolled_back(sec.run(Computing {}).await);
    assert!(report.contains("node `flat`") || report.contains("node `secret`"), "{report}");
    assert!(!error.contains("s3cret"), "{error}");
    let (report, error) = rolled_back(sec.run(Around {}).await);
    assert!(report.contains("node `inner/room`"), "{report}");
    assert!(error.ends_with("read back: `how`: u128 is not supported"), "{error}");
    assert_eq!(world.said(), ["reserve", "release 7", "reserve", "release 7"]);
}

#[test]
fn a_constant_that_cannot_be_read_back_is_refused() {
    let node = Node::<()>::constant("how", Receipt::Chain { wei: 5 });
    let Err(DagError::Constant { node, why }) = node else { panic!("{:?}", node.map(|_| ())) };
    assert_eq!(node, "how");
    assert!(why.contains("cannot be read back: u128 is not supported"), "{why}");
}

/// What serde accepts and does not read, what it reads as something else, and what it reads as it was.
#[test]
fn every_value_is_the_deserialized_one() {
    fn read<T>(value: T) -> Result<T, String>
    where
        T: Serialize + DeserializeOwned + Send + Sync + Clone + 'static,
    {
        let output = ActionOutput::new(value).map_err(|error| error.to_string())?;
        Ok(output.get::<T>().unwrap().clone())
    }
    fn same<T>(value: T)
    where
        T: Serialize + DeserializeOwned + Send + Sync + Clone + PartialEq + Debug + 'static,
    {
        assert_eq!(read(value.clone()), Ok(value));
    }
    same((u64::MAX, u128::MAX, i128::MIN, 0.1f32, -0.0f64, f64::MAX));
    same((BTreeMap::from([(-1i64, 'x')]), vec![Some(()); 0], Some(3), None::<u8>));
    same(("\0\u{1F600}\u{2028}".to_string(), 1..5u64, Duration::new(u64::MAX, 999_999_999)));
    same(Flat { id: 1, rest: BTreeMap::from([("k".to_string(), 1u8)]) });
    assert_eq!(read(Some(())), Ok(None));
    assert_eq!(read(Some(None::<u8>)), Ok(None));
    assert_eq!(read(vec![Some(()), None]), Ok(vec![None, None]));
    assert_eq!(read(Some(serde_json::Value::Null)), Ok(None));

    let refused = [
        read(Receipt::Chain { wei: 5 }).unwrap_err(),
        read(vec![Flat { id: 1, rest: BTreeMap::from([(7u32, 1u8)]) }]).unwrap_err(),
        read(Secret { user: "ada".into(), word: "s3cret".into() }).unwrap_err(),
        read(Order { items: vec![Item { number: 4 }] }).unwrap_err(),
    ];
    for refused in &refused {
        assert!(refused.starts_with("serialize failed: what was written cannot be"), "{refused}");
        assert!(!refused.contains("s3cret"), "{refused}");
    }
    assert!(refused[2].contains("missing field `word`"), "{}", refused[2]);
    assert!(refused[3].contains("`items[0]`"), "{}", refused[3]);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Session {
    user: String,
    #[serde(skip)]
    token: Option<String>,
}

#[saga_action(no_undo)]
async fn touch(cx: &Cx) -> Result<Option<()>, String> {
    cx.say("touch");
    Ok(Some(()))
}

#[saga_action(no_undo)]
async fn look(cx: &Cx) -> Result<Option<Option<u32>>, String> {
    cx.say("look");
    Ok(Some(None))
}

#[saga_action(no_undo)]
async fn wait(cx: &Cx) -> Result<(), String> {
    cx.say("wait");
    cx.gate.acquire().await.map_err(|e| e.to_string())?.forget();
    Ok(())
}

#[saga_action(undo = log_out(output))]
async fn log_in(cx: &Cx) -> Result<Session, String> {
    cx.say("log in");
    Ok(Session { user: "ada".into(), token: Some("t0k3n".into()) })
}
async fn log_out(cx: &Cx, session: &Session) -> Result<(), String> {
    cx.say(format!("log out with {:?}", session.token));
    Ok(())
}

#[saga_action(no_undo)]
async fn fail(_cx: &Cx) -> Result<(), String> {
    Err("no".into())
}

saga! {
    Ways<Arc<World>>(note: Option<Option<u32>>, vip: bool) -> String {
        let touched = touch {};
        let looked = look {};
        let before: bool = { touched.is_some() };
        let mailed = if *vip { wait {} };
        let after: String = if touched.is_some() { Say { what: "touched".into() } } else { Say { what: "not touched".into() } };
        { format!("{before} {after} {looked:?} {note:?} {}", mailed.is_some()) }
    }
    Say<Arc<World>>(what: String) -> String { { what.clone() } }
    Tokens<Arc<World>>() { let _session = log_in {}; wait {}; fail {}; }
}

/// Runs a saga, live or with a crash where it waits; what it gave, and what its actions said.
fn run<S>(saga: S, crash: bool) -> (Result<S::Output, String>, Vec<String>)
where
    S: saga_core::Saga<Context = Arc<World>>,
{
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (world, store) = (World::new(false), MemoryStore::new());
    let first = runtime();
    let running = first.block_on(async {
        let sec = sec(&world, store.clone()).await;
        let handle = sec.saga(saga).id("x").start().await.unwrap();
        world.hears("wait").await;
        handle
    });
    world.gate.add_permits(100);
    let ended = if crash {
        drop((running, first));
        runtime().block_on(async {
            let sec = sec(&world, store).await;
            sec.get::<S>("x").await.unwrap().unwrap().await
        })
    } else {
        first.block_on(async { running.await })
    };
    let mut said = world.said();
    said.retain(|said| said != "wait");
    (ended.map_err(|error| error.to_string()), said)
}

#[test]
fn a_value_is_the_same_while_the_process_lives_and_after_a_crash() {
    for crash in [false, true] {
        let ways = Ways { note: Some(None), vip: true };
        let (ended, said) = run(ways, crash);
        // JSON has one `null`; that an arm ran is no value, and is known
        assert_eq!(ended.unwrap(), "false not touched None None true", "crash: {crash}");
        assert_eq!(said, ["touch", "look"]);
        let (ended, said) = run(Tokens {}, crash);
        assert!(ended.unwrap_err().contains("rolled back"));
        assert_eq!(said, ["log in", "log out with None"], "crash: {crash}");
    }
}
