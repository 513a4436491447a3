//! Hand-written subsagas: parameters computed by a closure, one saga used several times, and parameters
//! that cannot be computed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::lab::{Any, Lab, World, cut, make, ready, stored};
use saga_core::dag::DagBuilder;
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_core::typed::SagaOutput;
use saga_core::{ActionState, Saga};
use serde::{Deserialize, Serialize};

/// A step whose undo needs its output and one whose undo does not: both would clean up after a failure.
#[derive(Serialize, Deserialize)]
struct Pair {
    what: String,
    /// JSON has no keys but strings.
    odd: BTreeMap<Vec<u8>, u8>,
}

impl Saga for Pair {
    type Context = World;
    type Output = String;
    const NAME: &'static str = "Pair";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<String> {
        let what = dag.param("what", |saga: &Self| &saga.what);
        dag.parallel();
        let made = dag.step("made", &[("what", &[what.id()])], move |cx| {
            cx.call(make { what: what.get(cx) })
        });
        // reads nothing of the parameters, and still must not run without them
        let readied = dag.step("readied", &[], |cx| cx.call(ready { what: "it" }));
        dag.end();
        let both = dag.value("both", &[("of", &[made.id(), readied.id()])], move |cx| {
            cx.value(format!("{} {}", made.get(cx), readied.get(cx)))
        });
        dag.ends_with(both)
    }
}

#[derive(Serialize, Deserialize)]
struct Twice {
    words: Vec<String>,
    odd: bool,
}

impl Saga for Twice {
    type Context = World;
    type Output = String;
    const NAME: &'static str = "Twice";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<String> {
        let words = dag.param("words", |saga: &Self| &saga.words);
        let odd = dag.param("odd", |saga: &Self| &saga.odd);
        let first = dag.subsaga("first", &[("what", &[words.id()])], move |cx| Pair {
            what: words.get(cx)[0].clone(),
            odd: BTreeMap::new(),
        });
        let second = dag.subsaga("second", &[("what", &[words.id(), odd.id()])], move |cx| Pair {
            what: words.get(cx)[1].clone(),
            odd: odd.get(cx).then_some((vec![1], 1)).into_iter().collect(),
        });
        let both = dag.value("both", &[("of", &[first.id(), second.id()])], move |cx| {
            cx.value(format!("{}, {}", first.get(cx), second.get(cx)))
        });
        dag.ends_with(both)
    }
}

fn twice(words: &[&str], odd: bool) -> Twice {
    Twice { words: words.iter().map(|word| word.to_string()).collect(), odd }
}

#[tokio::test]
async fn one_saga_runs_twice_in_another_under_different_names() -> Result<(), Any> {
    let world = Lab::failing(None);
    let sec = Coordinator::builder(world.clone()).saga::<Twice>().build().await?;
    assert_eq!(sec.run(twice(&["a", "b"], false)).await?, "<a> IT, <b> IT");
    let expected = ["first/made", "first/readied", "second/made", "second/readied"];
    assert_eq!(world.effects().into_iter().collect::<Vec<_>>(), expected);
    Ok(())
}

// the clock is paused: waits between tries pass at once
#[tokio::test(start_paused = true)]
async fn without_parameters_nothing_of_a_subsaga_runs() -> Result<(), Any> {
    let cases = [
        (twice(&["a"], false), "what the node runs cannot be computed: index out of bounds"),
        (twice(&["a", "b"], true), "key must be a string"),
    ];
    for (saga, why) in cases {
        let (world, store) = (Lab::failing(None), MemoryStore::new());
        let builder = Coordinator::builder(world.clone()).store(store.clone());
        let sec = builder.saga::<Twice>().build().await?;
        let error = sec.saga(saga).id("t").start().await?.await.unwrap_err();
        // not stuck: what never began needs no undo, and its undo could not be given its inputs
        assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(matches!(error.action_error(), Some(ActionError::SubsagaCreateFailed { .. })));
        assert!(world.effects().is_empty());
        assert!(world.ops().iter().all(|op| op.path.starts_with("first/")), "second never ran");
        let report = error.report().ok_or("no report")?;
        assert!(report.nodes_in(ActionState::UndoFailed).next().is_none());

        // nor after a crash anywhere. Where the log says that a node was started, nobody knows
        let saga = stored(&store, "t").await?;
        for len in 1..saga.entries.len() {
            let (world, store) = (Lab::failing(None), cut(&saga, len).await?);
            let builder = Coordinator::builder(world.clone()).store(store);
            let sec = builder.saga::<Twice>().build().await?;
            let handle = sec.get::<Twice>("t").await?.ok_or("not there")?;
            let error = handle.await.unwrap_err();
            let report = error.report().ok_or("no report")?;
            let may_remain = report.possible_effects().map(ToString::to_string).collect::<Vec<_>>();
            match &error {
                SagaError::RolledBack(_) => assert!(may_remain.is_empty()),
                SagaError::Stuck(_) => {
                    assert!(!may_remain.is_empty());
                    assert!(may_remain.iter().all(|node| node.starts_with("second/")));
                }
                other => panic!("after entry {len}: {other}"),
            }
            assert!(world.ops().iter().all(|op| op.path.starts_with("first/")));
        }
    }
    Ok(())
}

static BROKEN: AtomicBool = AtomicBool::new(false);

/// A subsaga whose parameters were there, and then are not; and a last step that fails.
#[derive(Serialize, Deserialize)]
struct Later {
    fails: bool,
}

#[saga_action(no_undo)]
async fn check(fails: bool) -> Result<(), String> {
    if fails { Err("no".to_string()) } else { Ok(()) }
}

impl Saga for Later {
    type Context = World;
    type Output = ();
    const NAME: &'static str = "Later";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<()> {
        let fails = dag.param("fails", |saga: &Self| &saga.fails);
        dag.subsaga("sub", &[], |_| {
            assert!(!BROKEN.load(Ordering::SeqCst), "broken");
            Pair { what: "it".to_string(), odd: BTreeMap::new() }
        });
        let last = dag.step("last", &[("fails", &[fails.id()])], move |cx| {
            cx.call(check { fails: *fails.get(cx) })
        });
        dag.ends_with(last)
    }
}

#[tokio::test(start_paused = true)]
async fn lost_parameters_do_not_count_as_an_undo() -> Result<(), Any> {
    for fails in [false, true] {
        BROKEN.store(false, Ordering::SeqCst);
        let (world, store) = (Lab::failing(None), MemoryStore::new());
        let builder = Coordinator::builder(world.clone()).store(store.clone());
        let sec = builder.saga::<Later>().build().await?;
        let ended = sec.saga(Later { fails }).id("l").start().await?.await;
        assert_eq!(ended.is_err(), fails);
        let saga = stored(&store, "l").await?;
        let decided = |kind: &str| saga.entries.iter().position(|e| e.kind.name() == kind);
        let len = if fails {
            decided("unwinding").ok_or("did not unwind")? + 1
        } else {
            saga.entries.len() - 1
        };
        BROKEN.store(true, Ordering::SeqCst);
        let ops = world.ops();
        let happened = ops.iter().filter(|op| !op.undo);
        let (after, store) = (Lab::after(None, happened), cut(&saga, len).await?);
        let builder = Coordinator::builder(after.clone()).store(store);
        let sec = builder.saga::<Later>().build().await?;
        let error = sec.get::<Later>("l").await?.ok_or("not there")?.await.unwrap_err();
        assert_eq!(after.effects().len(), 2, "nothing could be undone");
        if fails {
            let report = error.report().ok_or("no report")?;
            assert!(matches!(error, SagaError::Stuck(_)), "{error}");
            let remain = report.remaining_effects().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(remain, ["sub/made", "sub/readied"]);
        } else {
            let expected = "nondeterministic: subsaga `sub` ran, and now: failed to create subsaga";
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
    Ok(())
}
