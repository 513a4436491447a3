//! Running typed bodies: values that cannot be computed, lists computed in each node, nesting at any
//! depth.

use saga_core::Saga;
use saga_core::dag::DagBuilder;
use saga_core::prelude::*;
use saga_core::typed::SagaOutput;
use serde::{Deserialize, Serialize};

use super::{First, act};

by_hand!(Unbound, "Unbound", |dag, list| {
    let items = &[("items", &[list.id()] as &[_])];
    dag.for_each(
        "each",
        items,
        move |cx| list.get(cx),
        |dag, item| {
            dag.step("a", &[], move |cx| cx.call(act { what: *item.get(cx) }));
            dag.ends()
        },
    );
    dag.ends()
});

by_hand!(Broken, "Broken", |dag, list| {
    dag.subsaga("sub", &[("list", &[list.id()])], move |cx| First { list: vec![list.get(cx)[7]] });
    dag.ends()
});

#[tokio::test]
async fn a_value_that_cannot_be_computed_fails_the_node() {
    let sec = Coordinator::builder(()).saga::<Unbound>().saga::<Broken>().build().await.unwrap();
    let error = sec.run(Unbound { list: vec![1] }).await.unwrap_err();
    let expected = "an item is read but not among the step's bindings; add it to them";
    assert!(error.to_string().contains(expected), "{error}");
    let error = sec.run(Broken { list: vec![1] }).await.unwrap_err();
    let expected = "what the node runs cannot be computed: index out of bounds";
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(error.failed_node().map(ToString::to_string).as_deref(), Some("sub/each"));
}

// what `for PAT in EXPR` needs: the list is computed where its width is, and again in each node
by_hand!(Expanded, "Expanded", |dag, list| {
    let items = &[("items", &[list.id()] as &[_])];
    let each = dag.for_width(
        "each",
        items,
        &[],
        move |cx| cx.list(list.get(cx).iter().enumerate().collect::<Vec<_>>(), None).count(),
        |dag, item| {
            let from = &[("what", &[list.id(), item.id()] as &[_])];
            let it = dag.step("it", from, move |cx| {
                let items = list.get(cx).iter().enumerate().collect::<Vec<(usize, &u64)>>();
                let (i, n) = cx.list(items, Some(item)).item();
                cx.call(act { what: i as u64 * 100 + n })
            });
            dag.ends_with(it)
        },
    );
    let check = dag.value("check", &[("of", &[each.id()])], move |cx| {
        assert_eq!(*each.get(cx), [5, 106, 207]);
        cx.value(())
    });
    dag.ends_with(check)
});

#[tokio::test]
async fn items_may_be_computed_in_each_node() {
    let sec = Coordinator::builder(()).saga::<Expanded>().build().await.unwrap();
    sec.run(Expanded { list: vec![5, 6, 7] }).await.unwrap();
}

/// A list of one in a list of one, this deep.
fn level(
    dag: &mut DagBuilder<()>,
    list: saga_core::typed::ParamRef<Deep, Vec<u64>>,
    depth: usize,
) -> SagaOutput<String> {
    if depth == 0 {
        let it = dag.step("it", &[("what", &[list.id()])], move |cx| {
            cx.call(act { what: list.get(cx)[0] })
        });
        let text =
            dag.value("text", &[("of", &[it.id()])], move |cx| cx.value(it.get(cx).to_string()));
        return dag.ends_with(text);
    }
    let items = &[("items", &[list.id()] as &[_])];
    let inner =
        dag.for_each("in", items, move |cx| list.get(cx), |dag, _| level(dag, list, depth - 1));
    let text = dag.value("text", &[("of", &[inner.id()])], move |cx| {
        cx.value(format!("({})", inner.get(cx).join(" ")))
    });
    dag.ends_with(text)
}

#[derive(Serialize, Deserialize)]
struct Deep {
    list: Vec<u64>,
}

impl Saga for Deep {
    type Context = ();
    type Output = String;
    const NAME: &'static str = "Deep";

    fn define(dag: &mut DagBuilder<()>) -> SagaOutput<String> {
        let list = dag.param("list", |saga: &Self| &saga.list);
        level(dag, list, 60)
    }
}

#[tokio::test]
async fn bodies_nest_to_any_depth() {
    let sec = Coordinator::builder(()).saga::<Deep>().build().await.unwrap();
    let text = sec.run(Deep { list: vec![7] }).await.unwrap();
    assert_eq!(text, format!("{}7{}", "(".repeat(60), ")".repeat(60)));
}

/// Reads back as nothing.
#[derive(Serialize, Deserialize)]
struct Forgets {
    #[serde(skip_serializing)]
    n: u64,
}

#[saga_action(no_undo)]
async fn forget(n: u64) -> Result<Forgets, String> {
    Ok(Forgets { n })
}

by_hand!(Forgetful, "Forgetful", |dag, list| {
    let items = &[("items", &[list.id()] as &[_])];
    let each = dag.for_each(
        "each",
        items,
        move |cx| list.get(cx),
        |dag, item| {
            let it = dag
                .step("it", &[("n", &[item.id()])], move |cx| cx.call(forget { n: *item.get(cx) }));
            dag.ends_with(it)
        },
    );
    dag.step("sum", &[("what", &[each.id()])], move |cx| {
        cx.call(act { what: each.get(cx).iter().map(|it| it.n).sum() })
    });
    dag.ends()
});

#[tokio::test]
async fn an_output_that_does_not_read_back_fails_where_it_comes_from() {
    let sec = Coordinator::builder(()).saga::<Forgetful>().build().await.unwrap();
    let error = sec.run(Forgetful { list: vec![1] }).await.unwrap_err();
    assert_eq!(error.failed_node().map(ToString::to_string).as_deref(), Some("each[0]"));
    let expected = "what was written cannot be read back: missing field `n`";
    assert!(error.to_string().contains(expected), "{error}");
}
