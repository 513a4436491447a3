//! References, values, lifetimes elided and named, and types that contain them.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use std::borrow::Cow;
use std::collections::BTreeMap;

use saga_core::prelude::*;
use ui_tests::types::{Agency, Flight, Leg};

struct View<'a>(&'a str);

#[saga_action(no_undo)]
async fn elided(leg: &Leg, mut count: u32, names: &[String], flight: Option<&Flight>) -> Result<u32, String> {
    count += u32::try_from(names.len() + leg.to.len()).unwrap_or(0);
    Ok(count + flight.map_or(0, |flight| flight.no))
}

#[saga_action(no_undo)]
async fn hidden(view: View<'_>, text: Cow<'_, str>, fixed: &'static str) -> Result<String, String> {
    Ok(format!("{}{text}{fixed}", view.0))
}

#[saga_action(no_undo)]
async fn named<'a, 'b: 'a>(long: &'b str, short: &'a str) -> Result<String, String>
where
    'a: 'a,
{
    let either: &'a str = if long.is_empty() { short } else { long };
    Ok(either.to_string())
}

#[saga_action(no_undo)]
async fn functions(
    plain: fn(&str) -> usize,
    dynamic: &(dyn Fn(&str) -> usize + Send + Sync),
    map: &BTreeMap<String, Vec<u32>>,
) -> Result<usize, String> {
    Ok(plain("x") + dynamic("y") + map.len())
}

type Cx = ActionContext<Agency>;

#[saga_action(no_undo)]
async fn aliased(cx: &Cx, leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(cx.attempt())
}

#[saga_action(no_undo)]
async fn aliased_unused(_cx: &Cx) -> Result<u32, String> {
    Ok(1)
}

#[saga_action(undo = forget(output))]
async fn called_ctx(ctx: &Cx) -> Result<u32, String> {
    Ok(ctx.attempt())
}

async fn forget(_ctx: &Cx, _attempt: &u32) -> Result<(), String> {
    Ok(())
}

#[saga_action(no_undo)]
async fn called_context(_context: &Cx) -> Result<u32, String> {
    Ok(1)
}

/// Inputs, since they are of types without a name of their own.
#[saga_action(no_undo)]
async fn no_context(context: &str, ctx: &[u8]) -> Result<usize, String> {
    Ok(context.len() + ctx.len())
}

#[saga_action(no_undo)]
async fn by_path(cx: &saga_core::ActionContext<Agency>) -> Result<u32, String> {
    Ok(cx.attempt())
}

fn main() {
    // the function is still there, and so is the struct of its inputs
    let text = || "text".to_string();
    drop(elided(&Leg::default(), 1, &[], None));
    let _ = elided { leg: &Leg::default(), count: 1, names: &[text()], flight: None };
    drop(hidden(View(&text()), Cow::Borrowed("b"), "c"));
    let _ = hidden { view: View(&text()), text: Cow::Borrowed("b"), fixed: "c" };
    drop(named(&text(), "b"));
    let _ = functions { plain: str::len, dynamic: &str::len, map: &BTreeMap::new() };
    let _ = (called_ctx {}, called_context {}, no_context { context: "c", ctx: &[1] });
    let _ = (aliased { leg: &Leg::default() }, aliased_unused {}, by_path {});
}
