//! Items of the user that have the same names as items in the macros' output.
#![allow(non_snake_case, non_camel_case_types)]

use saga_core::prelude::*;
use serde::{Deserialize, Serialize};

use super::Any;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct AnyContext(u32);
#[derive(Debug, Clone, Serialize, Deserialize)]
struct C(u32);
#[derive(Debug, Clone, Serialize, Deserialize)]
struct C2(u32);

#[saga_action(undo = forget(any, c, output))]
async fn of_any_context(any: &AnyContext, c: &C, c2: C2) -> Result<C, String> {
    Ok(C(any.0 + c.0 + c2.0))
}
async fn forget(_: &AnyContext, _: &C, _: &C) -> Result<(), String> {
    Ok(())
}

type Cx = ActionContext<()>;

#[saga_action(no_undo, retry(forever))]
async fn Node(cx: &Cx, n: u32) -> Result<u32, String> {
    Ok(n + cx.attempt() - 1)
}

/// A lifetime that would be hidden by the one that is left out.
#[saga_action(no_undo)]
async fn shorten(
    by: &(dyn for<'a> Fn(&'a str) -> &'a str + Sync),
    text: &str,
) -> Result<String, String> {
    Ok(by(text).to_string())
}

fn stored() -> u32 {
    1
}
mod saga_node {
    pub(super) fn two() -> u32 {
        2
    }
}
mod saga_pivot {
    pub(super) fn three() -> u32 {
        3
    }
}
mod node {
    pub(super) fn four() -> u32 {
        4
    }
}
mod pivot {
    pub(super) fn five() -> u32 {
        5
    }
}

saga! {
    #[retry(forever)]
    Pivot<()>() -> u32 {
        let node = Node { n: 1 };
        let pivot = Node { n: *node };
        Node { n: *pivot }
    }

    Outer<()>(any: AnyContext, c: C) -> (u32, String) {
        let sum = of_any_context { any, c, c2: C2(30) };
        let text = shorten { by: &|text| &text[1..], text: "text" };
        #[pivot]
        let node = Node { n: sum.0 };
        Node { n: 100 };
        let pivot = Pivot {};
        let called: u32 = { stored() + saga_node::two() + saga_pivot::three() + node::four() + pivot::five() };
        { (node + Node + pivot + called, text.clone()) }
    }
}

#[tokio::test]
async fn user_items_with_generated_names_keep_their_meaning() -> Result<(), Any> {
    let sec = Coordinator::builder(()).saga::<Outer>().build().await?;
    let outer = Outer { any: AnyContext(1000), c: C(200) };
    assert_eq!(sec.run(outer).await?, (1230 + 100 + 1 + 15, "ext".to_string()));
    Ok(())
}
