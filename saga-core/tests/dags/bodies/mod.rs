//! Typed bodies of `for` and choices as DAGs: their edges, their fingerprint, and every mistake.
#![cfg(feature = "macros")]

use saga_core::action::ActionRegistry;
use saga_core::dag::{Dag, DagBuilder};
use saga_core::prelude::*;
use saga_core::typed::SagaOutput;
use saga_core::{Limits, Saga};
use serde::{Deserialize, Serialize};

#[saga_action(no_undo)]
async fn act(what: u64) -> Result<u64, String> {
    Ok(what)
}

#[saga_action(no_undo)]
async fn other(what: u64) -> Result<u64, String> {
    Ok(what)
}

/// Declares a saga over `()` with the parameter `list`, whose definition is this block.
macro_rules! by_hand {
    ($name:ident, $durable:literal, |$dag:ident, $list:ident| $body:block) => {
        #[derive(Serialize, Deserialize)]
        struct $name {
            list: Vec<u64>,
        }

        impl Saga for $name {
            type Context = ();
            type Output = ();
            const NAME: &'static str = $durable;

            fn define($dag: &mut DagBuilder<()>) -> SagaOutput<()> {
                let $list = $dag.param("list", |saga: &Self| &saga.list);
                $body
            }
        }
    };
}

mod runs;

by_hand!(Arrows, "Arrows", |dag, list| {
    dag.parallel();
    let a = dag.step("a", &[], |cx| cx.call(act { what: 1 }));
    dag.step("b", &[], |cx| cx.call(act { what: 2 }));
    let items = &[("items", &[list.id()] as &[_])];
    dag.for_each(
        "each",
        items,
        move |cx| list.get(cx),
        |dag, item| {
            let items = &[("items", &[list.id()] as &[_])];
            dag.for_each(
                "inner",
                items,
                move |cx| list.get(cx),
                |dag, _| {
                    // two bodies out
                    let both = &[("what", &[a.id(), item.id()] as &[_])];
                    dag.step("it", both, move |cx| {
                        cx.call(act { what: *a.get(cx) + item.get(cx) })
                    });
                    dag.step_after("then", &[], &[a.id()], |cx| cx.call(act { what: 3 }));
                    dag.ends()
                },
            );
            dag.ends()
        },
    );
    dag.end();
    dag.ends()
});

#[test]
fn a_for_waits_for_the_nodes_its_body_reads() {
    let dag = Dag::of::<Arrows>().unwrap();
    let each = dag.node_index("each").unwrap();
    let preds = dag.predecessors(each).filter_map(|p| dag.node(p)).map(|n| n.name().to_string());
    assert_eq!(preds.collect::<Vec<_>>(), ["a"], "and not for `b`, which runs beside it");
    let json = dag.to_json();
    let inner = &json["nodes"][2]["body"]["nodes"][0];
    assert_eq!(inner["body"]["nodes"][0]["inputs"][0]["from"][0], "../../a");
    assert_eq!(inner["body"]["nodes"][0]["inputs"][0]["from"][1], "../[item]");
    assert_eq!(inner["inputs"][0]["from"][0], "(list)");
    let json = Dag::of::<First>().unwrap().to_json();
    let error = Dag::<()>::from_json(json.to_string().as_bytes(), &ActionRegistry::new());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("node 'each' is given its inputs by a closure"), "{error}");
}

by_hand!(First, "Prints", |dag, list| {
    let items = &[("items", &[list.id()] as &[_])];
    dag.for_each(
        "each",
        items,
        move |cx| list.get(cx),
        |dag, item| {
            let a = dag.step("a", &[("what", &[item.id()])], move |cx| {
                cx.call(act { what: *item.get(cx) })
            });
            dag.ends_with(a)
        },
    );
    dag.ends()
});

by_hand!(OtherAction, "Prints", |dag, list| {
    let items = &[("items", &[list.id()] as &[_])];
    dag.for_each(
        "each",
        items,
        move |cx| list.get(cx),
        |dag, item| {
            let a = dag.step("a", &[("what", &[item.id()])], move |cx| {
                cx.call(other { what: *item.get(cx) })
            });
            dag.ends_with(a)
        },
    );
    dag.ends()
});

by_hand!(OtherBinding, "Prints", |dag, list| {
    let items = &[("items", &[list.id()] as &[_])];
    dag.for_each(
        "each",
        items,
        move |cx| list.get(cx),
        |dag, _| {
            let a = dag.step("a", &[("what", &[list.id()])], move |cx| {
                cx.call(act { what: list.get(cx).len() as u64 })
            });
            dag.ends_with(a)
        },
    );
    dag.ends()
});

by_hand!(Labelled, "Prints", |dag, list| {
    let items = &[("items", &[list.id()] as &[_])];
    let each = dag.for_each(
        "each",
        items,
        move |cx| list.get(cx),
        |dag, item| {
            let a = dag.step("a", &[("what", &[item.id()])], move |cx| {
                cx.call(act { what: *item.get(cx) })
            });
            dag.adjust(a, |node| node.label("the act").retry(saga_core::Retry::up_to(3)));
            dag.ends_with(a)
        },
    );
    dag.adjust(each, |node| node.concurrency(2).label("all of them"));
    dag.ends()
});

#[test]
fn the_fingerprint_sees_into_bodies() {
    let first = Dag::of::<First>().unwrap().fingerprint().to_string();
    assert_ne!(first, Dag::of::<OtherAction>().unwrap().fingerprint());
    assert_ne!(first, Dag::of::<OtherBinding>().unwrap().fingerprint());
    let labelled = Dag::of::<Labelled>().unwrap();
    assert_eq!(first, labelled.fingerprint());
    assert_ne!(Dag::of::<First>().unwrap().to_json(), labelled.to_json());
}

by_hand!(Sibling, "Sibling", |dag, list| {
    let mut kept = None;
    let items = &[("items", &[list.id()] as &[_])];
    dag.for_each(
        "one",
        items,
        move |cx| list.get(cx),
        |dag, _| {
            kept = Some(dag.step("a", &[], |cx| cx.call(act { what: 1 })));
            dag.ends()
        },
    );
    if let Some(a) = kept {
        dag.step("b", &[("what", &[a.id()])], move |cx| cx.call(act { what: *a.get(cx) }));
    }
    dag.ends()
});

by_hand!(ItemOutside, "ItemOutside", |dag, list| {
    let mut kept = None;
    let items = &[("items", &[list.id()] as &[_])];
    dag.for_each(
        "one",
        items,
        move |cx| list.get(cx),
        |dag, item| {
            kept = Some(item);
            dag.ends()
        },
    );
    if let Some(item) = kept {
        dag.step("b", &[("what", &[item.id()])], move |cx| cx.call(act { what: *item.get(cx) }));
    }
    dag.ends()
});

by_hand!(EndsOutside, "EndsOutside", |dag, list| {
    let outer = dag.step("outer", &[], |cx| cx.call(act { what: 1 }));
    let items = &[("items", &[list.id()] as &[_])];
    dag.for_each("one", items, move |cx| list.get(cx), |dag, _| dag.ends_with(outer));
    dag.ends()
});

by_hand!(AdjustsOutside, "AdjustsOutside", |dag, list| {
    let outer = dag.step("outer", &[], |cx| cx.call(act { what: 1 }));
    let items = &[("items", &[list.id()] as &[_])];
    dag.for_each(
        "one",
        items,
        move |cx| list.get(cx),
        |dag, _| {
            dag.adjust(outer, |node| node.label("mine"));
            dag.ends()
        },
    );
    dag.ends()
});

by_hand!(Twice, "Twice", |dag, list| {
    let items = &[("items", &[list.id()] as &[_])];
    dag.for_each(
        "one",
        items,
        move |cx| list.get(cx),
        |dag, _| {
            dag.step("a", &[], |cx| cx.call(act { what: 1 }));
            dag.step("a", &[], |cx| cx.call(act { what: 1 }));
            dag.ends()
        },
    );
    dag.ends()
});

by_hand!(Recursive, "Recursive", |dag, list| {
    dag.subsaga("again", &[("list", &[list.id()])], move |cx| Mutual {
        list: list.get(cx).clone(),
    });
    dag.ends()
});

by_hand!(Mutual, "Mutual", |dag, list| {
    let items = &[("items", &[list.id()] as &[_])];
    dag.for_each(
        "each",
        items,
        move |cx| list.get(cx),
        |dag, _| {
            dag.subsaga("again", &[("list", &[list.id()])], move |cx| Recursive {
                list: list.get(cx).clone(),
            });
            dag.ends()
        },
    );
    dag.ends()
});

#[test]
fn mistakes_in_bodies_are_reported() {
    let error = |dag: Result<Dag<()>, saga_core::dag::DagError>| dag.unwrap_err().to_string();
    let visible = "only the nodes of its own body and of the enclosing ones are visible";
    let expected = format!("node 'b' reads a node of a body that it is not in; {visible}");
    assert_eq!(error(Dag::of::<Sibling>()), expected);
    let expected = format!("node 'b' reads the item of a body that it is not in; {visible}");
    assert_eq!(error(Dag::of::<ItemOutside>()), expected);
    let ends = error(Dag::of::<EndsOutside>());
    assert!(
        ends.starts_with("node 'EndsOutside (its last line)' reads a node of a body"),
        "{ends}"
    );
    let adjusts = error(Dag::of::<AdjustsOutside>());
    assert!(adjusts.contains("of a body that it is not in"), "{adjusts}");
    assert_eq!(error(Dag::of::<Twice>()), "node with name 'a' already exists");
    let expected =
        "saga contains itself: Recursive -> Mutual -> Recursive; a subsaga must end somewhere";
    assert_eq!(error(Dag::of::<Recursive>()), expected);
}

#[tokio::test]
async fn the_nodes_of_bodies_are_counted() {
    // `a`, `b`, `each`, `inner`, `it`, `then`
    let build = async |limit| {
        let limits = Limits::default().max_nodes(limit);
        Coordinator::builder(()).limits(limits).saga::<Arrows>().build().await.map(|_| ())
    };
    build(6).await.unwrap();
    let error = build(5).await.unwrap_err().to_string();
    let expected =
        "saga `Arrows`: saga `Arrows` has 6 nodes, more than the limit of 5; raise `max_nodes`";
    assert_eq!(error, expected);
}

by_hand!(Trap, "Trap", |dag, list| {
    let items = &[("items", &[list.id()] as &[_])];
    dag.for_each::<u64, _, _>(
        "each",
        items,
        |_| panic!("ran"),
        |dag, _| {
            dag.choose(
                "chosen",
                &[],
                |_| if true { panic!("ran") } else { 0 },
                |arms| {
                    arms.arm(|dag| {
                        dag.subsaga::<First, _>("sub", &[], |_| panic!("ran"));
                        dag.ends()
                    });
                },
            );
            dag.ends()
        },
    );
    dag.ends()
});

#[test]
fn nothing_of_the_users_runs_while_the_dag_is_built() {
    let dag = Dag::of::<Trap>().unwrap();
    dag.to_json();
    dag.fingerprint();
    dag.to_dot(None);
}
