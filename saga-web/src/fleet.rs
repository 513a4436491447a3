//! The first page: what needs a human, and how many sagas there are.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use saga_core::operator::{Fleet, FleetVersion, ListedState, NeedsHumanFilter};

use crate::app::{Shared, Visit};
use crate::events::version_of_all;
use crate::layout::{Column, Page, Table, page, state_chip, words};
use crate::list::needs_human_table;
use crate::problem::{Problem, answer};
use crate::text::{ago, brief, encoded, number};

/// How many sagas that need a human the first page shows.
const FIRST: usize = 10;

pub(crate) async fn fleet(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
) -> Response {
    answer(&visit, shown(&app, &visit).await)
}

async fn shown(app: &Shared, visit: &Visit) -> Result<Markup, Problem> {
    let fleet = app.operator.fleet().await?;
    let filter = NeedsHumanFilter { limit: FIRST, ..NeedsHumanFilter::default() };
    let waiting = app.operator.needs_human(filter).await?;
    let body = html! {
        h1 { "Overview" }
        div id="numbers" data-part { (numbers(visit, &fleet)) }
        section id="human" data-part aria-labelledby="human-title" {
            h2 id="human-title" { "Needs a human" }
            @if waiting.sagas.is_empty() {
                p.notice.good { "No saga waits for anybody." }
            } @else {
                (needs_human_table(visit, &waiting.sagas, fleet.at))
                @if waiting.next.is_some() {
                    p { a href=(visit.to("/needs-human")) { "Show all that need a human" } }
                }
            }
        }
        section id="fleet" data-part aria-labelledby="fleet-title" {
            h2 id="fleet-title" { "Sagas by version and state" }
            @if fleet.versions.is_empty() {
                p.notice { "There are no sagas." }
            } @else {
                (table(visit, &fleet))
            }
        }
    };
    let version = version_of_all(&fleet);
    let about = Page::new("Overview").here("/").live("/events".to_string(), version);
    Ok(page(visit, &about, body))
}

/// What a reader wants to know first.
fn numbers(visit: &Visit, fleet: &Fleet) -> Markup {
    let link = |state: ListedState| visit.to(format_args!("/sagas?state={state}"));
    html! {
        ul.numbers {
            @for state in ListedState::ALL {
                @let count = fleet.in_state(state);
                @let always = matches!(state, ListedState::Stuck | ListedState::Parked | ListedState::Running);
                @if count > 0 || always {
                    li { a href=(link(state)) { b { (number(count)) } " " (state_chip(state)) } }
                }
            }
            li.wide {
                @match fleet.oldest_unfinished {
                    Some(oldest) => { b { (ago(oldest, fleet.at)) } " " span.quiet { "oldest unfinished began" } }
                    None => { b { "none" } " " span.quiet { "unfinished" } }
                }
            }
        }
    }
}

fn table(visit: &Visit, fleet: &Fleet) -> Markup {
    let used = ListedState::ALL.into_iter().filter(|state| fleet.in_state(*state) > 0);
    let states = used.collect::<Vec<_>>();
    let mut head = vec![Column::from("Saga"), Column::from("Version")];
    head.extend(states.iter().map(|state| Column::number(words(*state))));
    head.push(Column::from("Oldest unfinished"));
    let rows = html! { @for version in &fleet.versions { (row(visit, version, &states, fleet)) } };
    Table::new("Numbers of sagas by version and state").of(&head, rows)
}

fn row(visit: &Visit, version: &FleetVersion, states: &[ListedState], fleet: &Fleet) -> Markup {
    let all = format!("/sagas?saga={}", encoded(&version.saga));
    let these = match version.version {
        Some(number) => format!("{all}&version={number}"),
        None => all.clone(),
    };
    html! {
        tr {
            th scope="row" { a href=(visit.to(&all)) { (brief(&version.saga)) } }
            td data-label="Version" {
                @match version.version {
                    Some(number) => (number),
                    None => span.quiet title=(version.fingerprint) { "not readable" },
                }
                @if version.known == Some(false) { " " span.chip.warn { "not known here" } }
            }
            @for state in states {
                @let count = version.in_state(*state);
                td.n.zero[count == 0] data-label=(words(*state)) {
                    @if count == 0 { span.quiet { "·" } } @else {
                        a href=(visit.to(format_args!("{these}&state={state}"))) { (number(count)) }
                    }
                }
            }
            td data-label="Oldest" {
                @match version.oldest_unfinished() {
                    Some(oldest) => (ago(oldest, fleet.at)),
                    None => span.quiet { "none" },
                }
            }
        }
    }
}
