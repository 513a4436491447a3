//! The page of one saga.

pub(crate) mod facts;
mod legend;
pub(crate) mod log;
pub(crate) mod nodes;
pub(crate) mod path;
mod timeline;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, PreEscaped, html};
use saga_core::log::Timestamp;
use saga_core::operator::{AuditOutcome, AuditRecord, SagaFacts, SagaView};
use saga_core::render::SvgOptions;
use saga_core::store::Position;
use serde::Deserialize;

use self::path::SagaPath;
use crate::app::{App, Shared, Visit};
use crate::ask;
use crate::events::version_of_one;
use crate::layout::{Column, Page, Table, page, saga_page, state_chip, worker_chip};
use crate::problem::{Problem, answer};
use crate::text::{ago, encoded, moment, user, value};

/// Beyond so many nodes, a picture shows nothing to anybody.
const MAX_DRAWN: usize = 3000;

/// How many requests of operators are shown, the latest first.
const MAX_AUDIT: usize = 100;

/// How many of those that no worker has answered are said before everything else.
const MAX_WAITING: usize = 5;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Came {
    /// Which message of the session is to be shown: the answer to what the reader has asked.
    said: String,
}

pub(crate) async fn saga(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
    SagaPath(id): SagaPath,
    Query(came): Query<Came>,
) -> Response {
    answer(&visit, shown(&app, &visit, &id, &came).await)
}

async fn shown(app: &App, visit: &Visit, id: &str, came: &Came) -> Result<Markup, Problem> {
    // what is read later may be newer, and then the stream of changes says so
    let unanswered = app.operator.unanswered(id).await?;
    let view = app.operator.view(id).await?;
    let facts = app.operator.inspect(id).await?;
    let audit = app.operator.audit(id).await?;
    let buttons = ask::buttons(app, visit, &facts).await?;
    let session = visit.session.as_ref();
    let said = session.and_then(|session| app.sessions.said(session, &came.said));
    let version = version_of_one(&Position::of(&view.record), unanswered);
    let params = app.options.outputs.then(|| view.record.params.clone());
    let body = html! {
        (title(&facts))
        @if let Some(text) = said {
            p.notice role="status" { (user(&text)) }
        }
        section id="facts" data-part aria-label="Facts" {
            (waiting(&audit, facts.at))
            (facts::facts(&facts))
        }
        (facts::doubt(visit, &facts))
        @if let Some(buttons) = buttons {
            section id="buttons" data-part aria-label="Actions" { (buttons) }
        } @else if visit.changes {
            p.quiet.act {
                a href=(visit.to(format_args!("/session?saga={}", encoded(id)))) { "Sign in" } " to act on this saga."
            }
        }
        section id="effects" data-part aria-label="Effects" { (facts::effects(visit, &facts)) }
        section id="graph" data-part aria-labelledby="graph-title" {
            h2 id="graph-title" { "Nodes" }
            (graph(visit, view.clone()).await)
            p { a href=(format!("{}/nodes", saga_page(visit, id))) { "All nodes as a list, with their keys" } }
        }
        section id="timeline" data-part aria-labelledby="timeline-title" {
            h2 id="timeline-title" { "Attempts" }
            (timeline::table(&facts))
        }
        // a part that is not there could not be filled later
        section id="audit" data-part aria-labelledby="audit-title" hidden[audit.is_empty()] {
            h2 id="audit-title" { "Requests of operators" }
            (requests(&audit))
        }
        @if let Some(params) = params {
            section id="params" data-part aria-labelledby="params-title" {
                h2 id="params-title" { "Parameters" }
                p { (value(params.as_bytes())) }
            }
        }
        section id="log" data-part aria-labelledby="log-title" {
            h2 id="log-title" { "Log" }
            (log::latest(visit, &view))
        }
    };
    let stream = format!("/events?saga={}", encoded(id));
    Ok(page(visit, &Page::new(id).here("/saga").live(stream, version), body))
}

fn title(facts: &SagaFacts) -> Markup {
    let saga = &facts.saga;
    html! {
        div id="title" data-part {
            p.quiet.kind {
                (user(&saga.saga))
                @if let Some(version) = saga.version { " version " (version) }
            }
            h1.id {
                (saga.id) " " (state_chip(saga.state))
                @if let Some(chip) = worker_chip(&facts.why.fact) { " " (chip) }
            }
        }
    }
}

/// The picture is made where it does not hold up what else the program does.
async fn graph(visit: &Visit, view: SagaView) -> Markup {
    if view.nodes.len() > MAX_DRAWN {
        return html! { p.notice { "With " (view.nodes.len()) " nodes it is too large for a picture." } };
    }
    let nodes = format!("{}/nodes?under=", saga_page(visit, view.record.id.as_str()));
    let drawn = tokio::task::spawn_blocking(move || {
        let links = move |path: &str| Some(format!("{nodes}{}", encoded(path)));
        let options = SvgOptions::new().embedded().links(links);
        view.graph().map(|graph| graph.to_svg_with(Some(&view.node_states()), &options))
    });
    match drawn.await {
        Ok(Ok(svg)) => html! {
            div.scroll.graph id="picture" tabindex="0" role="region" aria-label="Graph of the nodes" {
                (PreEscaped(&svg))
            }
            (legend::legend(&svg))
        },
        Ok(Err(error)) => html! { p.notice { (user(&error.to_string())) } },
        Err(_) => html! { p.notice { "There is no picture, because drawing it failed." } },
    }
}

fn requests(audit: &[AuditRecord]) -> Markup {
    let head = ["When", "Who", "What", "Answer", "Note"].map(Column::from);
    let rows = html! {
        @for request in audit.iter().rev().take(MAX_AUDIT) {
            tr {
                td data-label="When" { (moment(request.at)) }
                td data-label="Who" { (user(&request.by)) }
                td data-label="What" { (what(request)) }
                td data-label="Answer" {
                    (outcome(request.outcome))
                    @if let Some(why) = &request.refusal { ": " (user(why)) }
                }
                td.text data-label="Note" {
                    @if let Some(note) = &request.note { (user(note)) }
                }
            }
        }
    };
    html! {
        (Table::new("Table of requests").id("requests").of(&head, rows))
        @if audit.len() > MAX_AUDIT {
            p.quiet { "The latest " (MAX_AUDIT) " of " (audit.len()) "; the log has all." }
        }
    }
}

fn what(request: &AuditRecord) -> Markup {
    html! {
        (request.command)
        @if let Some(node) = &request.node { " " (user(node.as_str())) }
        @if let Some(event) = &request.event { " " (user(event.name.as_str())) }
    }
}

/// Requests that no worker has answered yet: whoever is about to ask the same wants to know.
fn waiting(audit: &[AuditRecord], now: Timestamp) -> Markup {
    let waiting = audit.iter().filter(|request| request.outcome == AuditOutcome::Waiting);
    html! {
        @for request in waiting.take(MAX_WAITING) {
            p.notice.warn {
                "Waits for a worker: " (what(request)) ", asked by " (user(&request.by)) " " (ago(request.at, now))
            }
        }
    }
}

fn outcome(outcome: AuditOutcome) -> &'static str {
    match outcome {
        AuditOutcome::Done => "done",
        AuditOutcome::Held => "held until the pivot has ended",
        AuditOutcome::Waiting => "waits for a worker",
        AuditOutcome::NothingToDo => "nothing to do",
        AuditOutcome::Refused => "refused",
    }
}
