//! Integers beyond `u64` are compared and stored digit by digit.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::BoxError;
use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{Dag, DagBuilder, Node, SagaDag};
use saga_core::operator::Decision;
use saga_core::prelude::*;
use saga_core::store::{
    Aad, CodecError, EncodedStore, FileStore, MemoryStore, PayloadCodec, SqliteStore, Store,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

/// 1000 ETH in wei: more than a `u64` holds, and more digits than an `f64` keeps apart.
const WEI: u128 = 1_000_000_000_000_000_000_000;

type Sent = Arc<Mutex<Vec<u128>>>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Leg {
    to: String,
    wei: u128,
}

#[saga_action(no_undo)]
async fn send(cx: &ActionContext<Sent>, wei: u128) -> Result<String, String> {
    cx.lock().map_err(|e| e.to_string())?.push(wei);
    Ok(wei.to_string())
}

saga! {
    Transfer<Sent>(wei: u128) -> String { send { wei: *wei } }
    Owe<Sent>(wei: i128) -> String { send { wei: wei.unsigned_abs() } }
    Split<Sent>(legs: Vec<Leg>, share: f64) -> String { let sent = send { wei: legs[0].wei }; { format!("{share} {sent}") } }
}

async fn same_and_other(store: impl Store) {
    let sent = Sent::default();
    let builder = Coordinator::builder(sent.clone()).store(store).saga::<Transfer>();
    let sec = builder.saga::<Owe>().saga::<Split>().build().await.unwrap();
    let conflict = |error: Option<StartError>| match error {
        Some(StartError::IdConflict { differs, .. }) => differs.unwrap(),
        other => panic!("{other:?}"),
    };

    let pay = async |wei| sec.saga(Transfer { wei }).id("pay").start().await;
    assert_eq!(pay(WEI).await.unwrap().await.unwrap(), WEI.to_string());
    assert_eq!(pay(WEI).await.unwrap().await.unwrap(), WEI.to_string());
    let other = pay(WEI + 1).await.err().unwrap();
    let expected = "id conflict: saga pay exists and was started with other parameters \
                    (`wei` differs); use another id";
    assert_eq!(other.to_string(), expected);
    assert_eq!(conflict(Some(other)), "wei");

    let owe = async |wei| sec.saga(Owe { wei }).id("owe").start().await;
    let debt = -i128::try_from(WEI).unwrap();
    owe(debt).await.unwrap().await.unwrap();
    assert!(owe(debt).await.is_ok());
    assert_eq!(conflict(owe(debt - 1).await.err()), "wei");

    let leg = |to: &str, wei| Leg { to: to.to_string(), wei };
    let split = async |last: Leg, share| {
        let legs = vec![leg("a", WEI), last];
        sec.saga(Split { legs, share }).id("split").start().await
    };
    split(leg("b", WEI), 0.0).await.unwrap().await.unwrap();
    assert!(split(leg("b", WEI), -0.0).await.is_ok(), "one number");
    assert_eq!(conflict(split(leg("b", WEI + 1), 0.0).await.err()), "legs[1].wei");
    assert_eq!(conflict(split(leg("c", WEI), 0.0).await.err()), "legs[1].to");
    assert_eq!(conflict(split(leg("b", WEI), 0.1 + 0.2).await.err()), "share");
    assert_eq!(*sent.lock().unwrap(), [WEI, WEI, WEI], "each was sent once");
    sec.shutdown(Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_different_large_amount_under_the_same_id_is_a_conflict() {
    let directory = tempfile::tempdir().unwrap();
    same_and_other(MemoryStore::new()).await;
    same_and_other(SqliteStore::open(directory.path().join("sagas.db")).unwrap()).await;
    same_and_other(FileStore::open(directory.path().join("sagas")).unwrap()).await;
}

/// What an error carries comes back as it was.
#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("there are only {left} wei left")]
struct TooLittle {
    left: u128,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("nothing is left")]
struct NothingLeft;

#[saga_action(no_undo)]
async fn charge(wei: u128) -> Result<u128, TooLittle> {
    Err(TooLittle { left: wei - 1 })
}

#[saga_action(no_undo)]
async fn empty() -> Result<u128, NothingLeft> {
    Err(NothingLeft)
}

saga! {
    Charge<()>(wei: u128) -> u128 { let paid = charge { wei: *wei }; paid }
    Empty<()>() -> u128 { let paid = empty {}; paid }
}

#[tokio::test]
async fn the_number_in_an_error_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    for plain in [true, false] {
        let path = directory.path().join(format!("{plain}.db"));
        let open = || SqliteStore::open(&path).unwrap();
        let build = async || {
            let builder = Coordinator::builder(());
            let builder = match plain {
                true => builder.store(open()),
                false => builder.store(EncodedStore::new(open(), Reversed)),
            };
            builder.saga::<Charge>().saga::<Empty>().build().await.unwrap()
        };
        let first = build().await;
        let live = first.saga(Charge { wei: WEI }).id("charge").start().await.unwrap();
        let live = live.outcome().await.unwrap().error_of(Charge::paid).unwrap();
        assert_eq!(live.unwrap(), TooLittle { left: WEI - 1 });
        let empty = first.saga(Empty {}).id("empty").start().await.unwrap();
        assert_eq!(
            empty.outcome().await.unwrap().error_of(Empty::paid).unwrap().unwrap(),
            NothingLeft
        );
        first.shutdown(Duration::ZERO).await.unwrap();
        drop(first);

        let again = build().await;
        let stored = again.get::<Charge>("charge").await.unwrap().unwrap();
        let Err(SagaError::RolledBack(report)) = stored.await else { panic!("rolled back") };
        let error = report.error.unwrap().convert::<TooLittle>().unwrap();
        assert_eq!(error, TooLittle { left: WEI - 1 });
        let empty = again.get::<Empty>("empty").await.unwrap().unwrap().outcome().await.unwrap();
        assert_eq!(empty.error_of(Empty::paid).unwrap().unwrap(), NothingLeft);
        again.shutdown(Duration::ZERO).await.unwrap();
    }
}

/// Writes all payloads backwards.
struct Reversed;

impl PayloadCodec for Reversed {
    fn encode(&self, plain: &[u8], _: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        Ok(plain.iter().rev().copied().collect())
    }
    fn decode(&self, stored: &[u8], about: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        self.encode(stored, about)
    }
}

/// A DAG that is built at run time: its actions say what they read.
fn registry(gate: &Arc<Semaphore>) -> ActionRegistry<()> {
    let mut actions = ActionRegistry::new();
    let gate = gate.clone();
    let wait = ActionFunc::new_noop_undo("wait", move |_cx: ActionContext<()>| {
        let gate = gate.clone();
        async move { gate.acquire().await.map(|room| room.forget()) }
    });
    actions.register(wait.unwrap()).unwrap();
    let tell = ActionFunc::new_noop_undo("tell", |cx: ActionContext<()>| async move {
        let raw = String::from_utf8_lossy(cx.lookup_raw("wei")?).into_owned();
        let (constant, params) = (cx.lookup::<u128>("wei")?, cx.saga_params::<u128>()?);
        Ok::<_, BoxError>(format!("{constant} {raw} {params}"))
    });
    actions.register(tell.unwrap()).unwrap();
    let item = ActionFunc::new_noop_undo("item", |cx: ActionContext<()>| async move {
        Ok::<_, BoxError>(cx.saga_params::<u128>()?.to_string())
    });
    actions.register(item.unwrap()).unwrap();
    actions
}

fn dag(actions: &ActionRegistry<()>, wei: u128) -> Dag<()> {
    let node = |name| Node::shared_action(name, actions.get(name).unwrap()).unwrap();
    let mut body = DagBuilder::new("Item").unwrap();
    body.append(node("item")).unwrap();
    let mut dag = DagBuilder::new("Tell").unwrap();
    dag.append(node("wait")).unwrap();
    dag.append(Node::constant("wei", wei).unwrap()).unwrap();
    dag.append(Node::constant("list", [wei, wei + 2]).unwrap()).unwrap();
    dag.append(Node::for_each("items", body.build().unwrap(), "list").unwrap()).unwrap();
    dag.append(node("tell")).unwrap();
    dag.build().unwrap()
}

#[test]
fn large_constants_that_differ_make_different_sagas() {
    let actions = registry(&Arc::new(Semaphore::new(0)));
    let (one, other) = (dag(&actions, WEI), dag(&actions, WEI + 1));
    assert_ne!(one.fingerprint(), other.fingerprint());
    let labels = one.internal_nodes().iter().map(|node| node.label()).collect::<Vec<_>>();
    assert!(labels.contains(&format!("(constant = {WEI})")), "{labels:?}");
    // a constant is known by what it says, not by how it is written
    let text = one.to_json_text();
    let spaced = text.replace(&format!("[{WEI},"), &format!("[ {WEI} ,"));
    assert_ne!(spaced, text);
    let spaced = Dag::from_json(spaced.as_bytes(), &actions).unwrap();
    assert_eq!(spaced.fingerprint(), one.fingerprint());
    let less = text.replace(&WEI.to_string(), "1e21");
    let less = Dag::from_json(less.as_bytes(), &actions).unwrap();
    assert_ne!(less.fingerprint(), one.fingerprint());
}

#[test]
fn constants_parameters_and_items_are_the_same_after_a_crash() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for crash in [false, true] {
        let (store, gate) = (MemoryStore::new(), Arc::new(Semaphore::new(0)));
        let build = async || {
            let builder = Coordinator::builder(()).store(store.clone());
            builder.actions(registry(&gate)).build().await.unwrap()
        };
        let first = runtime();
        let handle = first.block_on(async {
            let saga = SagaDag::new(dag(&registry(&gate), WEI), &WEI).unwrap();
            build().await.saga_dag(saga).id("x").start().await.unwrap()
        });
        gate.add_permits(1);
        let told = if crash {
            drop((handle, first));
            runtime().block_on(async {
                let sec = build().await;
                let handle = sec.get::<serde_json::Value>("x").await.unwrap().unwrap();
                let outcome = handle.outcome().await.unwrap();
                (outcome.output::<String>("tell").cloned(), outcome.output("items").cloned())
            })
        } else {
            first.block_on(async {
                let outcome = handle.outcome().await.unwrap();
                (outcome.output::<String>("tell").cloned(), outcome.output("items").cloned())
            })
        };
        let items = serde_json::json!([WEI.to_string(), (WEI + 2).to_string()]);
        assert_eq!(told, (Some(format!("{WEI} {WEI} {WEI}")), Some(items)), "crash: {crash}");
    }
}

#[saga_action(no_undo)]
async fn commit(cx: &ActionContext<()>) -> Result<u128, String> {
    assert!(cx.attempt() > 1_000, "who knows");
    Ok(0)
}

struct Commits;

impl Serialize for Commits {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Commits {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <()>::deserialize(from).map(|()| Self)
    }
}

impl saga_core::Saga for Commits {
    type Context = ();
    type Output = u128;
    const NAME: &'static str = "Commits";
    fn define(dag: &mut DagBuilder<()>) -> saga_core::typed::SagaOutput<u128> {
        let pivot = dag.step("pivot", &[], |cx| cx.call(commit {}));
        dag.adjust(pivot, |node| node.pivot());
        dag.ends_with(pivot)
    }
}

/// What an operator says that a pivot gave.
#[tokio::test(start_paused = true)]
async fn a_decided_output_keeps_its_digits() {
    let directory = tempfile::tempdir().unwrap();
    for plain in [true, false] {
        let path = directory.path().join(format!("{plain}.db"));
        let build = async || {
            let store = SqliteStore::open(&path).unwrap();
            let builder = Coordinator::builder(());
            let builder = match plain {
                true => builder.store(store),
                false => builder.store(EncodedStore::new(store, Reversed)),
            };
            builder.saga::<Commits>().build().await.unwrap()
        };
        let sec = build().await;
        let parked = sec.saga(Commits).id("x").start().await.unwrap().await;
        assert!(matches!(parked, Err(SagaError::Parked { .. })), "{parked:?}");
        let operator = sec.operator("ada");
        let wrong = Decision::with_output("many").unwrap();
        assert!(operator.decide("x", "pivot", wrong, "asked").await.is_err());
        let decision = Decision::with_output(&WEI).unwrap();
        assert_eq!(format!("{decision:?}"), "Succeeded(..)");
        operator.decide("x", "pivot", decision, "asked").await.unwrap();
        let handle = sec.get::<Commits>("x").await.unwrap().unwrap();
        assert_eq!(handle.await.unwrap(), WEI);
        sec.shutdown(Duration::ZERO).await.unwrap();
        drop(sec);
        let handle = build().await.get::<Commits>("x").await.unwrap().unwrap();
        assert_eq!(handle.await.unwrap(), WEI);
    }
}

#[test]
fn a_deep_constant_in_a_deep_dag_is_read_back() {
    let deep = (0..126).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    let mut dag = DagBuilder::<()>::new("Deep").unwrap();
    dag.append(Node::constant("deep", deep).unwrap()).unwrap();
    let mut dag = dag.build().unwrap();
    for _ in 1..32 {
        let mut outer = DagBuilder::new("Deep").unwrap();
        outer.append(Node::constant("given", ()).unwrap()).unwrap();
        outer.append(Node::subsaga("inner", dag, "given").unwrap()).unwrap();
        dag = outer.build().unwrap();
    }
    let text = dag.to_json_text();
    let again = Dag::<()>::from_json(text.as_bytes(), &ActionRegistry::new()).unwrap();
    assert_eq!(again.fingerprint(), dag.fingerprint());
    assert_eq!(again.to_json_text(), dag.to_json_text());
}
