//! The nodes of a saga as a list.

use std::collections::{HashMap, HashSet};

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use saga_core::log::{EntryKind, NodeEntry, NodePath, Payload, Timestamp};
use saga_core::operator::{NodeFacts, SagaView};
use serde::Deserialize;

use super::facts::{attempts, errors, in_flight, keys, node_state};
use super::path::SagaPath;
use crate::app::{Shared, Visit};
use crate::ask::replace_output;
use crate::layout::{Page, page, saga_page};
use crate::problem::{Problem, answer};
use crate::text::{ago, encoded, moment, user, value};

/// How many nodes a page shows.
const PAGE: usize = 100;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Asked {
    /// The path of a node without instance numbers; all of its instances are shown, and what is inside.
    under: String,
    from: usize,
}

pub(crate) async fn nodes(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
    SagaPath(id): SagaPath,
    Query(asked): Query<Asked>,
) -> Response {
    answer(&visit, shown(&app, &visit, &id, &asked).await)
}

/// The path of a node without the numbers of instances, as pictures name it.
fn without_numbers(path: &str) -> String {
    let mut parts = path.split('[');
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |path, part| {
        let rest = part.split_once(']').map_or("", |(_, rest)| rest);
        format!("{path}[]{rest}")
    })
}

fn is_under(path: &str, under: &str) -> bool {
    let path = without_numbers(path);
    let rest = path.strip_prefix(under);
    under.is_empty()
        || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[', '#']))
}

async fn shown(app: &Shared, visit: &Visit, id: &str, asked: &Asked) -> Result<Markup, Problem> {
    let facts = app.operator.inspect(id).await?;
    let view = match app.options.outputs {
        true => Some(app.operator.view(id).await?),
        false => None,
    };
    let outputs = view.as_ref().map(outputs);
    let in_flight = in_flight(&facts);
    let nodes = facts.nodes.iter().filter(|node| is_under(node.node.as_str(), &asked.under));
    let nodes = nodes.collect::<Vec<_>>();
    let rest = nodes.get(asked.from.min(nodes.len())..).unwrap_or_default();
    let (shown, later) = rest.split_at(rest.len().min(PAGE));
    let here = format!("{}/nodes?under={}", saga_page(visit, id), encoded(&asked.under));
    let body = html! {
        h1 { "Nodes of " a.id href=(saga_page(visit, id)) { (facts.saga.id) } }
        @if !asked.under.is_empty() {
            p {
                "Only " (user(&asked.under)) " and what is inside it. "
                a href=(format!("{}/nodes", saga_page(visit, id))) { "Show all nodes" }
            }
        }
        @if nodes.is_empty() { p.notice { "There is no such node yet." } }
        ol.nodes start=(asked.from.saturating_add(1)) {
            @for node in shown {
                li {
                    (card(node, &in_flight, facts.at, outputs.as_ref()))
                    @if let Some(button) = replace_output(visit, &facts, node) { div.buttons { (button) } }
                }
            }
        }
        nav.pages aria-label="Pages of the nodes" {
            @if asked.from > 0 { a href=(here) { "First page" } }
            @if !later.is_empty() {
                a.button rel="next" href=(format!("{here}&from={}", asked.from + PAGE)) { "Next page" }
            }
        }
    };
    Ok(page(visit, &Page::new("Nodes"), body))
}

type Outputs<'v> = HashMap<&'v NodePath, &'v Payload>;

/// The last output of each node.
fn outputs(view: &SagaView) -> Outputs<'_> {
    let outputs = view.log.entries().iter().filter_map(|entry| match &entry.kind {
        EntryKind::Node { node, entry: NodeEntry::Succeeded(output), .. } => Some((node, output)),
        EntryKind::Node { .. } | EntryKind::Saga(_) => None,
    });
    outputs.collect()
}

fn card(
    node: &NodeFacts,
    in_flight: &HashSet<&NodePath>,
    now: Timestamp,
    outputs: Option<&Outputs<'_>>,
) -> Markup {
    html! {
        h2 { (user(node.node.as_str())) " " (node_state(node, in_flight)) }
        dl.facts {
            @if let Some(action) = &node.action { div { dt { "Action" } dd { (user(action.as_str())) } } }
            div { dt { "Attempts" } dd { (attempts(node)) } }
            @if let Some(at) = node.started_at { div { dt { "Began" } dd { (moment(at)) } } }
            @if let Some(at) = node.ended_at { div { dt { "Ended" } dd { (moment(at)) } } }
            @if let Some(at) = node.undo_started_at { div { dt { "Undo began" } dd { (moment(at)) } } }
            @if let Some(at) = node.undo_ended_at { div { dt { "Undo ended" } dd { (moment(at)) } } }
            @if let Some(retry) = &node.retry {
                div {
                    dt { "Next attempt" }
                    dd {
                        (retry.attempt)
                        @if let Some(of) = retry.of { " of " (of) }
                        @if retry.undo { " of the undo" }
                        ", " (ago(retry.at, now))
                    }
                }
            }
            @if node.action.is_some() { div.wide { dt { "Keys of action and undo" } dd { (keys(node)) } } }
            @if node.error.is_some() || node.undo_error.is_some() {
                div.wide { dt { "Last error" } dd { (errors(node)) } }
            }
            @if let Some(why) = &node.unreadable {
                div.wide { dt { "The program cannot read its output" } dd { (user(why)) } }
            }
            @if let Some(output) = outputs.and_then(|outputs| outputs.get(&node.node)) {
                div.wide { dt { "Output" } dd { (value(output.as_bytes())) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_under;

    #[test]
    fn a_link_of_a_picture_shows_all_instances() {
        assert!(is_under("nics[2]/ip", "nics[]/ip"));
        assert!(is_under("nics[2]/ip", "nics"));
        assert!(is_under("anything", ""));
        assert!(!is_under("nics2", "nics"));
    }
}
