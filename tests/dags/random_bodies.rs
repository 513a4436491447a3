//! Random DAGs of nested bodies, run and interrupted at random places: each gives what a plain recursive
//! evaluation gives.
//!
//! `BODIES_SEED=n cargo test --test dags random_bodies` repeats a run.

use std::time::{SystemTime, UNIX_EPOCH};

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{Dag, DagBuilder, Node, NodeIndex, SagaDag};
use saga_core::log::{Entry, NodeEntry};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, NewSaga, Store};
use saga_core::{BoxError, SagaId, SagaStatus};
use serde_json::{Value, json};

type Any = Box<dyn std::error::Error + Send + Sync>;

/// A DAG as a list of nodes, each behind the one before it; the last one gives the output.
struct Model(Vec<Kind>);

enum Kind {
    Constant(Value),
    /// Mixes the parameters with the output of the node before it.
    Action,
    /// Each reads the output of the node before it.
    ForEach(Model),
    Choose(Vec<Model>),
    Subsaga(Model),
}

struct XorShift(u64);

impl XorShift {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn model(random: &mut XorShift, depth: u32) -> Model {
    let mut nodes = Vec::new();
    for _ in 0..=random.below(3) {
        match random.below(if depth == 0 { 2 } else { 6 }) {
            0 => nodes.push(Kind::Constant(json!(random.below(100)))),
            1 => nodes.push(Kind::Action),
            2 | 3 => {
                let list = (0..random.below(4)).map(|i| json!([i, random.below(9)]));
                nodes.push(Kind::Constant(list.collect()));
                nodes.push(Kind::ForEach(model(random, depth - 1)));
            }
            4 => {
                let arms = (0..=random.below(2)).map(|_| model(random, depth - 1));
                let arms = arms.collect::<Vec<_>>();
                let arm = random.below(arms.len() as u64 + 1);
                let none = arm == arms.len() as u64;
                nodes.push(Kind::Constant(if none { Value::Null } else { json!(arm) }));
                nodes.push(Kind::Choose(arms));
            }
            _ => {
                nodes.push(Kind::Action);
                nodes.push(Kind::Subsaga(model(random, depth - 1)));
            }
        }
    }
    Model(nodes)
}

/// FNV-1a of both texts, small enough to read.
fn mix(params: &str, before: &str) -> u64 {
    let bytes = params.bytes().chain([b'|']).chain(before.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash % 100_000
}

fn evaluate(Model(nodes): &Model, params: &Value) -> Value {
    nodes.iter().fold(Value::String("nothing".to_string()), |before, node| match node {
        Kind::Constant(value) => value.clone(),
        Kind::Action => json!(mix(&params.to_string(), &before.to_string())),
        Kind::ForEach(body) => {
            before.as_array().into_iter().flatten().map(|item| evaluate(body, item)).collect()
        }
        Kind::Choose(arms) => match before.as_u64() {
            Some(arm) => evaluate(&arms[arm as usize], params),
            None => Value::Null,
        },
        Kind::Subsaga(inner) => evaluate(inner, &before),
    })
}

fn dag(Model(nodes): &Model, actions: &ActionRegistry<()>) -> Result<Dag<()>, Any> {
    let mut builder = DagBuilder::new("Random")?;
    for (i, node) in nodes.iter().enumerate() {
        let name = format!("n{i}");
        let before = format!("n{}", i.saturating_sub(1));
        builder.append(match node {
            Kind::Constant(value) => Node::constant(name, value.clone())?,
            Kind::Action => Node::shared_action(name, actions.get("mix")?)?,
            Kind::ForEach(body) => Node::for_each(name, dag(body, actions)?, before)?,
            Kind::Choose(arms) => {
                let arms = arms.iter().map(|arm| dag(arm, actions));
                Node::choose(name, arms.collect::<Result<Vec<_>, _>>()?, before)?
            }
            Kind::Subsaga(inner) => Node::subsaga(name, dag(inner, actions)?, before)?,
        })?;
    }
    Ok(builder.build_with_output()?)
}

fn actions() -> Result<ActionRegistry<()>, Any> {
    let mut actions = ActionRegistry::new();
    actions.register(ActionFunc::new_noop_undo("mix", |cx: ActionContext<()>| async move {
        let preds = cx.plan().predecessors(cx.node_index()).collect::<Vec<NodeIndex>>();
        let before = match preds.as_slice() {
            [] => "\"nothing\"".to_string(),
            [pred, ..] => {
                let name = &cx.plan().node(*pred).ok_or("no predecessor")?.name;
                String::from_utf8(cx.lookup_raw(name.as_str())?.to_vec())?
            }
        };
        Ok::<u64, BoxError>(mix(&cx.saga_params::<Value>()?.to_string(), &before))
    })?)?;
    Ok(actions)
}

#[tokio::test]
async fn random_dags_give_what_plain_evaluation_gives_also_after_a_crash() -> Result<(), Any> {
    let seed = match std::env::var("BODIES_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64,
    };
    println!("BODIES_SEED={seed}");
    let mut random = XorShift(seed | 1);
    let actions = actions()?;
    let (mut instances, mut resumed) = (0, 0);
    for run in 0..300 {
        let model = model(&mut random, 3);
        let params = json!({ "run": run });
        let expected = evaluate(&model, &params);
        let store = MemoryStore::new();
        let builder = Coordinator::builder(()).store(store.clone()).actions(actions.clone());
        let sec = builder.build().await?;
        let saga = SagaDag::new(dag(&model, &actions)?, &params)?;
        assert_eq!(sec.saga_dag(saga).id("r").start().await?.await?, expected, "run {run}");

        let saga = store.load(&"r".parse::<SagaId>()?).await?.ok_or("not stored")?;
        let wide = |e: &&Entry| matches!(e.node_entry(), Some(NodeEntry::Chosen(n)) if *n > 1);
        instances += saga.entries.iter().filter(wide).count();
        for _ in 0..4 {
            let len = 1 + random.below(saga.entries.len() as u64 - 1) as usize;
            let store = MemoryStore::new();
            let (mut record, entries) = (saga.record.clone(), saga.entries[..len].to_vec());
            (record.status, record.owner) = (SagaStatus::Running, None);
            record.next_seq = len as u64 + 1;
            store.create(NewSaga { record, entries }).await?;
            let builder = Coordinator::builder(()).store(store).actions(actions.clone());
            let sec = builder.build().await?;
            let handle = sec.get::<Value>("r").await?.ok_or("not there")?;
            assert_eq!(handle.await?, expected, "run {run} after entry {len}");
            resumed += 1;
        }
    }
    assert!(instances > 100 && resumed == 1200, "{instances} wide nodes, {resumed} resumed");
    Ok(())
}
