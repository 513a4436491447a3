//! The log of a saga.

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use saga_core::log::Entry;
use saga_core::operator::SagaView;
use serde::Deserialize;

use super::path::SagaPath;
use crate::app::{Shared, Visit};
use crate::layout::{Column, Page, Table, page, saga_page};
use crate::problem::{Problem, answer};
use crate::text::{moment, user};

/// How many entries the page of a saga shows, the latest ones.
const LATEST: usize = 60;

/// How many entries a page of the log shows.
const PAGE: usize = 500;

pub(super) fn latest(visit: &Visit, view: &SagaView) -> Markup {
    let all = view.log.entries();
    let shown = all.get(all.len().saturating_sub(LATEST)..).unwrap_or_default();
    html! {
        @if shown.len() < all.len() {
            p.quiet {
                "The latest " (shown.len()) " of " (all.len()) " entries; "
                a href=(format!("{}/log", saga_page(visit, view.record.id.as_str()))) { "the whole log" }
            }
        }
        (table(shown))
    }
}

fn table(entries: &[Entry]) -> Markup {
    let named = ["Time (UTC)", "Entry", "Node", "Message"].map(Column::from);
    let head = [Column::number("No.")].into_iter().chain(named).collect::<Vec<_>>();
    let rows = html! {
        @for entry in entries {
            tr {
                td.n data-label="No." { (entry.seq) }
                td data-label="Time" { (moment(entry.at)) }
                td data-label="Entry" { code { (entry.kind.name()) } }
                td data-label="Node" {
                    @if let Some(node) = entry.node() { (user(node.as_str())) }
                    @if entry.attempt() > 1 { span.quiet { " attempt " (entry.attempt()) } }
                }
                td.text data-label="Message" {
                    @if let Some(message) = entry.kind.message() { (user(&message)) }
                }
            }
        }
    };
    Table::new("Table of log entries").id("entries").class("log").of(&head, rows)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct From {
    from: u64,
}

pub(crate) async fn log(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
    SagaPath(id): SagaPath,
    Query(From { from }): Query<From>,
) -> Response {
    answer(&visit, shown(&app, &visit, &id, from).await)
}

async fn shown(app: &Shared, visit: &Visit, id: &str, from: u64) -> Result<Markup, Problem> {
    let view = app.operator.view(id).await?;
    let all = view.log.entries();
    let start = all.partition_point(|entry| entry.seq < from);
    let rest = all.get(start..).unwrap_or_default();
    let (shown, later) = rest.split_at(rest.len().min(PAGE));
    let here = format!("{}/log", saga_page(visit, id));
    let body = html! {
        h1 { "Log of " a.id href=(saga_page(visit, id)) { (view.record.id) } }
        p.quiet { (all.len()) " entries" }
        (table(shown))
        nav.pages aria-label="Pages of the log" {
            @if start > 0 { a href=(here) { "First page" } }
            @if let Some(next) = later.first() {
                a.button rel="next" href=(format!("{here}?from={}", next.seq)) { "Next page" }
            }
        }
    };
    Ok(page(visit, &Page::new("Log"), body))
}
