//! `for` over the items of a list: how many there may be, what each instance sees, limits, and what
//! happens when the list cannot be computed or changes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::lab::{Any, Cx, Lab, World, chosen, cut, stored, with};
use saga_core::dag::DagBuilder;
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_core::typed::SagaOutput;
use saga_core::{Limits, LookupError, Saga};
use serde::{Deserialize, Serialize};

#[saga_action(undo = put_back(item))]
async fn take(cx: &ActionContext<World>, item: u64) -> Result<u64, String> {
    cx.done(cx)?;
    Ok(item * 10)
}
async fn put_back(cx: &Cx, _item: u64) -> Result<(), String> {
    cx.undone(cx);
    Ok(())
}

/// As many instances as the action `list` returns, then a last step that reads all of their outputs.
#[derive(Serialize, Deserialize)]
struct Count {
    items: u64,
}

#[saga_action(no_undo)]
async fn list(items: u64) -> Result<Vec<u64>, String> {
    Ok((0..items).collect())
}

#[saga_action(undo = put_back(item))]
async fn last(cx: &ActionContext<World>, item: u64) -> Result<u64, String> {
    cx.done(cx)?;
    Ok(item)
}

impl Saga for Count {
    type Context = World;
    type Output = u64;
    const NAME: &'static str = "Count";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<u64> {
        let items = dag.param("items", |saga: &Self| &saga.items);
        let list = dag.step("list", &[("items", &[items.id()])], move |cx| {
            cx.call(list { items: *items.get(cx) })
        });
        let bindings = &[("items", &[list.id()] as &[_])];
        let taken = dag.for_each(
            "taken",
            bindings,
            move |cx| list.get(cx),
            |dag, item| {
                let taken = dag.step("take", &[("item", &[item.id()])], move |cx| {
                    cx.call(take { item: *item.get(cx) })
                });
                dag.ends_with(taken)
            },
        );
        let last = dag.step("last", &[("item", &[taken.id()])], move |cx| {
            cx.call(last { item: taken.get(cx).iter().sum() })
        });
        dag.ends_with(last)
    }
}

#[tokio::test]
async fn ten_thousand_instances_are_fine_and_one_more_is_refused() -> Result<(), Any> {
    let (world, store) = (Lab::failing(None), MemoryStore::new());
    let sec =
        Coordinator::builder(world.clone()).store(store.clone()).saga::<Count>().build().await?;
    let many = sec.saga(Count { items: 10_000 }).id("many").start().await?;
    assert_eq!(many.await?, 10_000 * 9_999 / 2 * 10);
    assert_eq!(world.effects().len(), 10_001);

    let error = sec.run(Count { items: 10_001 }).await.unwrap_err();
    let expected = "node `taken` would have 10001 instances, more than the limit of 10000; raise `Limits::max_width`";
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(world.effects().len(), 10_001, "nothing ran");

    let limits = Limits::default().max_width(10_001);
    let sec = Coordinator::builder(world).limits(limits).saga::<Count>().build().await?;
    sec.run(Count { items: 10_001 }).await?;

    // the width that is in the log stands, whatever the limit is now
    let saga = stored(&store, "many").await?;
    let len = saga.entries.len() / 2;
    let store = cut(&saga, len).await?;
    let limits = Limits::default().max_width(1);
    let world = Lab::failing(None);
    let builder = Coordinator::builder(world).store(store.clone()).limits(limits);
    let sec = builder.saga::<Count>().build().await?;
    let handle = sec.get::<Count>("many").await?.ok_or("not there")?;
    assert_eq!(handle.await?, 10_000 * 9_999 / 2 * 10);
    assert_eq!(chosen(&stored(&store, "many").await?.entries)["taken"], 10_000);
    Ok(())
}

#[tokio::test]
async fn no_items_give_an_empty_list() -> Result<(), Any> {
    let world = Lab::failing(None);
    let sec = Coordinator::builder(world.clone()).saga::<Count>().build().await?;
    assert_eq!(sec.run(Count { items: 0 }).await?, 0);
    assert_eq!(world.effects().into_iter().collect::<Vec<_>>(), ["last"]);
    Ok(())
}

/// The width is decided by an output; item 5 fails, the other 7 are undone, and nothing after runs.
#[tokio::test]
async fn a_failed_instance_undoes_the_others() -> Result<(), Any> {
    let (world, store) = (Lab::failing(Some("taken[5]")), MemoryStore::new());
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<Count>().max_concurrency(8).build().await?;
    let error = sec.saga(Count { items: 8 }).id("c").start().await?.await.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert!(world.effects().is_empty());
    let entries = stored(&store, "c").await?.entries;
    let undone = with(&entries, "undo_finished");
    // the one that failed left nothing
    let expected = (0..8).filter(|i| *i != 5).map(|i| format!("taken[{i}]")).collect();
    assert_eq!(undone, expected);
    assert!(!with(&entries, "started").contains("last"));

    // a crash in the middle resumes with the same width
    let saga = stored(&store, "c").await?;
    let half = saga.entries.iter().position(|e| e.kind.name() == "failed").ok_or("no failure")?;
    let (world, store) = (Lab::failing(None), cut(&saga, half).await?);
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<Count>().build().await?;
    let handle = sec.get::<Count>("c").await?.ok_or("not there")?;
    assert_eq!(handle.await?, 280);
    assert_eq!(chosen(&stored(&store, "c").await?.entries)["taken"], 8);
    Ok(())
}

static WIDTH: AtomicUsize = AtomicUsize::new(3);

/// Runs over a list that is another one each time it is computed.
#[derive(Serialize, Deserialize)]
struct Impure {
    items: Vec<u64>,
}

impl Saga for Impure {
    type Context = World;
    type Output = Vec<u64>;
    const NAME: &'static str = "Impure";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<Vec<u64>> {
        let items = dag.param("items", |saga: &Self| &saga.items);
        let taken = dag.for_each(
            "taken",
            &[("items", &[items.id()])],
            move |cx| &items.get(cx)[..WIDTH.load(Ordering::SeqCst)],
            |dag, item| {
                let taken = dag.step("take", &[("item", &[item.id()])], move |cx| {
                    cx.call(take { item: *item.get(cx) })
                });
                dag.ends_with(taken)
            },
        );
        dag.ends_with(taken)
    }
}

#[tokio::test]
async fn a_list_that_changes_parks_the_saga_and_one_that_panics_fails_it() -> Result<(), Any> {
    let (world, store) = (Lab::failing(None), MemoryStore::new());
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<Impure>().build().await?;
    let items = (1..=4).collect::<Vec<_>>();
    let ran = sec.saga(Impure { items: items.clone() }).id("i").start().await?.await?;
    assert_eq!(ran, [10, 20, 30]);

    let saga = stored(&store, "i").await?;
    WIDTH.store(4, Ordering::SeqCst);
    let store = cut(&saga, saga.entries.len() - 1).await?;
    let builder = Coordinator::builder(Lab::failing(None)).store(store.clone());
    let sec = builder.saga::<Impure>().build().await?;
    let error = sec.get::<Impure>("i").await?.ok_or("not there")?.await.unwrap_err();
    let expected = "nondeterministic: node `taken` decided for width 3, and decides now: 4";
    assert!(error.to_string().contains(expected), "{error}");
    assert!(matches!(error, SagaError::Parked { .. }));

    // slicing past the end panics
    WIDTH.store(9, Ordering::SeqCst);
    let world = Lab::failing(None);
    let sec = Coordinator::builder(world.clone()).saga::<Impure>().build().await?;
    let error = sec.run(Impure { items }).await.unwrap_err();
    assert_eq!(error.failed_node().map(ToString::to_string).as_deref(), Some("taken"));
    let expected = "what the node runs cannot be computed: range end index 9 out of range";
    assert!(error.to_string().contains(expected), "{error}");
    assert!(world.effects().is_empty());
    Ok(())
}

/// What instances looked up.
#[derive(Default)]
struct Answers(Mutex<Vec<String>>);

#[saga_action(no_undo)]
async fn give(what: &str) -> Result<String, String> {
    Ok(what.to_string())
}

#[saga_action(no_undo)]
async fn ask(cx: &ActionContext<Arc<Answers>>, names: &[String]) -> Result<(), String> {
    for name in names {
        let answer = match cx.lookup::<String>(name) {
            Ok(found) => found.to_string(),
            Err(LookupError::NotAnAncestor { .. }) => "not an ancestor".to_string(),
            Err(error) => error.to_string(),
        };
        let at = format!("{} {} {name}: {answer}", cx.saga_name(), cx.node_path());
        cx.0.lock().unwrap().push(at);
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct Asks {
    words: Vec<String>,
    names: Vec<String>,
}

impl Saga for Asks {
    type Context = Arc<Answers>;
    type Output = Vec<()>;
    const NAME: &'static str = "Asks";

    fn define(dag: &mut DagBuilder<Arc<Answers>>) -> SagaOutput<Vec<()>> {
        let words = dag.param("words", |saga: &Self| &saga.words);
        let names = dag.param("names", |saga: &Self| &saga.names);
        dag.step("before", &[], |cx| cx.call(give { what: "outer before" }));
        dag.step("hidden", &[], |cx| cx.call(give { what: "outer hidden" }));
        dag.parallel();
        dag.step("beside", &[], |cx| cx.call(give { what: "beside" }));
        let each = dag.for_each(
            "each",
            &[("items", &[words.id()])],
            move |cx| words.get(cx),
            |dag, word| {
                dag.step("hidden", &[("what", &[word.id()])], move |cx| {
                    cx.call(give { what: word.get(cx) })
                });
                let asked = dag.step("asked", &[("names", &[names.id()])], move |cx| {
                    cx.call(ask { names: names.get(cx) })
                });
                dag.ends_with(asked)
            },
        );
        dag.end();
        dag.ends_with(each)
    }
}

#[tokio::test]
async fn an_instance_looks_up_its_own_nodes_and_those_before_the_for() -> Result<(), Any> {
    let answers = Arc::new(Answers::default());
    let sec = Coordinator::builder(answers.clone()).saga::<Asks>().build().await?;
    let names = ["before", "hidden", "beside", "each", "nothing"].map(String::from).to_vec();
    let words = vec!["one".to_string(), "two".to_string()];
    let sec = sec.run(Asks { words, names }).await?;
    assert_eq!(sec.len(), 2);
    let mut answers = answers.0.lock().unwrap().clone();
    answers.sort();
    let expected = |i: usize, word: &str| {
        [
            format!("Asks each[{i}]/asked before: outer before"),
            format!("Asks each[{i}]/asked beside: not an ancestor"),
            format!("Asks each[{i}]/asked each: not an ancestor"),
            format!("Asks each[{i}]/asked hidden: {word}"),
            format!("Asks each[{i}]/asked nothing: saga `Asks` has no node named \"nothing\""),
        ]
    };
    assert_eq!(answers, [expected(0, "one"), expected(1, "two")].concat());
    Ok(())
}

#[saga_action(no_undo)]
async fn at_once(cx: &ActionContext<Arc<AtMost>>) -> Result<(), String> {
    let now = cx.now.fetch_add(1, Ordering::SeqCst) + 1;
    cx.most.fetch_max(now, Ordering::SeqCst);
    tokio::task::yield_now().await;
    cx.now.fetch_sub(1, Ordering::SeqCst);
    Ok(())
}

#[derive(Default)]
struct AtMost {
    now: AtomicUsize,
    most: AtomicUsize,
}

#[derive(Serialize, Deserialize)]
struct SideBySide {
    items: Vec<()>,
}

impl Saga for SideBySide {
    type Context = Arc<AtMost>;
    type Output = ();
    const NAME: &'static str = "SideBySide";

    fn define(dag: &mut DagBuilder<Arc<AtMost>>) -> SagaOutput<()> {
        let items = dag.param("items", |saga: &Self| &saga.items);
        let items_of = &[("items", &[items.id()] as &[_])];
        dag.for_each(
            "each",
            items_of,
            move |cx| items.get(cx),
            |dag, _item| {
                dag.step("one", &[], |cx| cx.call(at_once {}));
                dag.ends()
            },
        );
        dag.ends()
    }
}

#[tokio::test]
async fn instances_run_side_by_side() -> Result<(), Any> {
    let counted = Arc::new(AtMost::default());
    let sec = Coordinator::builder(counted.clone()).saga::<SideBySide>().build().await?;
    let handle = sec.saga(SideBySide { items: vec![(); 7] }).start().await?;
    handle.await?;
    assert_eq!(counted.most.load(Ordering::SeqCst), 7);
    Ok(())
}
