//! Choices: the values of their arms, which arm runs, and what happens when the choice fails or changes.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::lab::{Any, Lab, World, chosen, cut, make, ready, stored, with};
use saga_core::dag::{Dag, DagBuilder};
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_core::typed::SagaOutput;
use saga_core::{ActionState, Saga};
use serde::{Deserialize, Serialize};

/// Each way to yield a value: a step, a computed node, a constant of the arm, nothing.
#[derive(Serialize, Deserialize)]
struct Ways {
    ways: Vec<usize>,
}

impl Saga for Ways {
    type Context = World;
    type Output = Vec<Option<String>>;
    const NAME: &'static str = "Ways";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<Vec<Option<String>>> {
        let ways = dag.param("ways", |saga: &Self| &saga.ways);
        let items = &[("items", &[ways.id()] as &[_])];
        let all = dag.for_each(
            "all",
            items,
            move |cx| ways.get(cx),
            |dag, way| {
                let which = move |way: usize| (way < 4).then_some(way);
                let by = &[("way", &[way.id()] as &[_])];
                let chosen = dag.choose(
                    "chosen",
                    by,
                    move |cx| which(*way.get(cx)),
                    |arms| {
                        arms.arm(|dag| {
                            let made = dag.step("made", &[], |cx| cx.call(make { what: "step" }));
                            dag.ends_with(made)
                        });
                        arms.arm(|dag| {
                            let made = dag.step("made", &[], |cx| cx.call(make { what: "it" }));
                            let value = dag.value("value", &[("of", &[made.id()])], move |cx| {
                                cx.value(format!("computed of {}", made.get(cx)))
                            });
                            dag.ends_with(value)
                        });
                        arms.arm(|dag| {
                            let value =
                                dag.value("value", &[], |cx| cx.value("constant".to_string()));
                            dag.ends_with(value)
                        });
                        arms.arm(|dag| {
                            // the last line need not be the last step
                            let first =
                                dag.step("first", &[], |cx| cx.call(make { what: "first" }));
                            dag.step("second", &[], |cx| cx.call(ready { what: "second" }));
                            dag.ends_with(first)
                        });
                    },
                );
                dag.ends_with(chosen)
            },
        );
        dag.ends_with(all)
    }
}

#[tokio::test]
async fn an_arm_gives_its_last_line_and_no_arm_gives_none() -> Result<(), Any> {
    let (world, store) = (Lab::failing(None), MemoryStore::new());
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<Ways>().build().await?;
    let ways = sec.saga(Ways { ways: vec![3, 0, 4, 1, 2] }).id("w").start().await?.await?;
    let expected =
        [Some("<first>"), Some("<step>"), None, Some("computed of <it>"), Some("constant")];
    assert_eq!(ways, expected.map(|way| way.map(String::from)));
    let entries = stored(&store, "w").await?.entries;
    // a body that is one choice is the instance itself, and so is an arm that is one step
    let expected = ["all[0]#3/first", "all[0]#3/second", "all[1]#0", "all[3]#1/made"];
    assert_eq!(with(&entries, "started").into_iter().collect::<Vec<_>>(), expected);
    let arms = chosen(&entries).into_values().collect::<Vec<_>>();
    assert_eq!(arms, [5, 3, 0, 4, 1, 2], "the width, then the arms; past the last one is none");
    Ok(())
}

/// Arms that yield nothing: what ran can still be told apart from what did not.
#[derive(Serialize, Deserialize)]
struct Nothing {
    on: Vec<bool>,
}

impl Saga for Nothing {
    type Context = World;
    type Output = String;
    const NAME: &'static str = "Nothing";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<String> {
        let on = dag.param("on", |saga: &Self| &saga.on);
        let items = &[("items", &[on.id()] as &[_])];
        let all = dag.for_each(
            "all",
            items,
            move |cx| on.get(cx),
            |dag, on| {
                let by = &[("on", &[on.id()] as &[_])];
                let ran = dag.choose(
                    "ran",
                    by,
                    move |cx| on.get(cx).then_some(0),
                    |arms| {
                        arms.arm(|dag| {
                            dag.step("it", &[], |cx| cx.call(make { what: "it" }));
                            dag.ends()
                        });
                    },
                );
                let by = &[("on", &[on.id()] as &[_])];
                // an arm with nothing to do
                dag.choose(
                    "idle",
                    by,
                    move |cx| usize::from(*on.get(cx)),
                    |arms| {
                        arms.arm(|dag| dag.ends()).arm(|dag| {
                            dag.step("it", &[], |cx| cx.call(make { what: "it" }));
                            dag.ends()
                        });
                    },
                );
                dag.ends_with(ran)
            },
        );
        let told = dag.value("told", &[("all", &[all.id()])], move |cx| {
            cx.value(format!("{:?}", all.get(cx)))
        });
        dag.ends_with(told)
    }
}

#[tokio::test]
async fn a_choice_whose_arms_give_no_value_tells_whether_one_ran() -> Result<(), Any> {
    let world = Lab::failing(None);
    let sec = Coordinator::builder(world.clone()).saga::<Nothing>().build().await?;
    let told = sec.run(Nothing { on: vec![true, false, true] }).await?;
    assert_eq!(told, "[Some(()), None, Some(())]");
    let expected = ["all[0]/idle#1", "all[0]/ran#0", "all[2]/idle#1", "all[2]/ran#0"];
    assert_eq!(world.effects().into_iter().collect::<Vec<_>>(), expected);
    Ok(())
}

static ARM: AtomicUsize = AtomicUsize::new(0);

#[derive(Serialize, Deserialize)]
struct Impure {}

impl Saga for Impure {
    type Context = World;
    type Output = String;
    const NAME: &'static str = "Impure";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<String> {
        dag.step("before", &[], |cx| cx.call(make { what: "before" }));
        let chosen = dag.choose(
            "chosen",
            &[],
            |_| match ARM.load(Ordering::SeqCst) {
                9 => panic!("no idea"),
                arm => arm,
            },
            |arms| {
                for what in ["zero", "one"] {
                    arms.arm(|dag| {
                        let made = dag.step("made", &[], move |cx| cx.call(make { what }));
                        dag.ends_with(made)
                    });
                }
                arms.arm(|dag| {
                    let made = dag.step("made", &[], |cx| {
                        let Some(what) = None::<&str> else { cx.wrong_arm() };
                        cx.call(make { what })
                    });
                    dag.ends_with(made)
                });
            },
        );
        dag.ends_with(chosen)
    }
}

/// One test: all of it depends on what the saga chooses by.
#[tokio::test]
async fn a_choice_that_goes_wrong_fails_the_node_and_one_that_changes_parks_the_saga()
-> Result<(), Any> {
    let failed = async |arm: usize| -> Result<String, Any> {
        ARM.store(arm, Ordering::SeqCst);
        let world = Lab::failing(None);
        let sec = Coordinator::builder(world.clone()).saga::<Impure>().build().await?;
        let error = sec.run(Impure {}).await.unwrap_err();
        assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
        assert!(world.effects().is_empty());
        let node = error.failed_node().map(ToString::to_string).unwrap_or_default();
        let why = error.action_error().map(ToString::to_string).unwrap_or_default();
        let undone = error.report().map(|r| r.nodes_in(ActionState::Undone).count());
        assert_eq!(undone, Some(1), "what stands before it");
        Ok(format!("{node}: {why}"))
    };
    let expected = "chosen: action failed: what the node runs cannot be computed: no idea";
    assert_eq!(failed(9).await?, expected);
    let expected = "chosen: action failed: arm 3 is chosen, and the last one is 2";
    assert_eq!(failed(3).await?, expected);
    let expected = "chosen#2: action failed: the node's inputs cannot be computed: the arm that was chosen does not fit the value that it was chosen by";
    assert_eq!(failed(2).await?, expected);

    ARM.store(0, Ordering::SeqCst);
    let store = MemoryStore::new();
    let builder = Coordinator::builder(Lab::failing(None)).store(store.clone());
    let sec = builder.saga::<Impure>().build().await?;
    assert_eq!(sec.saga(Impure {}).id("i").start().await?.await?, "<zero>");
    let saga = stored(&store, "i").await?;
    ARM.store(1, Ordering::SeqCst);
    let store = cut(&saga, saga.entries.len() - 1).await?;
    let builder = Coordinator::builder(Lab::failing(None)).store(store.clone());
    let sec = builder.saga::<Impure>().build().await?;
    let error = sec.get::<Impure>("i").await?.ok_or("not there")?.await.unwrap_err();
    let expected = "nondeterministic: node `chosen` decided for arm 0, and decides now: 1";
    assert!(error.to_string().contains(expected), "{error}");
    Ok(())
}

/// A choice without arms.
#[derive(Serialize, Deserialize)]
struct NoArms {}

impl Saga for NoArms {
    type Context = World;
    type Output = ();
    const NAME: &'static str = "NoArms";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<()> {
        let chosen = dag.choose::<usize, (), _>("chosen", &[], |_| 0, |_| {});
        dag.ends_with(chosen)
    }
}

#[test]
fn a_choice_has_an_arm() {
    let error = Dag::of::<NoArms>().unwrap_err().to_string();
    assert_eq!(error, "node 'chosen' chooses between no arms; give it at least one");
}
