//! Lists of sagas: those that match a filter, and those that need a human.

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use saga_core::log::Timestamp;
use saga_core::operator::{
    HumanReason, ListedState, NeedsHuman, NeedsHumanFilter, SagaFilter, SagaSummary,
};
use serde::Deserialize;

use crate::app::{Shared, Visit};
use crate::layout::{Column, Page, Table, page, saga_page, state_chip, words};
use crate::problem::{Problem, answer};
use crate::text::{ago, brief, encoded};

/// How many sagas a page shows.
const PAGE: usize = 50;

/// The ages that can be chosen: the word in the address, how it is shown, and seconds.
const AGES: [(&str, &str, u64); 5] = [
    ("5m", "5 minutes", 300),
    ("1h", "1 hour", 3600),
    ("1d", "1 day", 86_400),
    ("7d", "7 days", 7 * 86_400),
    ("30d", "30 days", 30 * 86_400),
];

/// The filter as the form sends it; an empty field is none.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Asked {
    state: String,
    saga: String,
    version: String,
    id: String,
    older: String,
    after: String,
}

fn given(field: &str) -> Option<String> {
    let field = field.trim();
    (!field.is_empty()).then(|| field.to_string())
}

/// Says which words a field of the filter takes.
fn no_such(what: &str, given: &str, words: &[&str]) -> Problem {
    let words = words.join(", ");
    Problem::bad(format!("There is no {what} \u{201c}{given}\u{201d}. Give one of these: {words}."))
}

impl Asked {
    fn filter(&self, now: Timestamp) -> Result<SagaFilter, Problem> {
        let state = given(&self.state).map(|state| state.parse::<ListedState>()).transpose();
        let words = ListedState::ALL.map(ListedState::as_str);
        let state = state.map_err(|_| no_such("state", &self.state, &words))?;
        let version = given(&self.version).map(|version| version.parse()).transpose();
        let after = given(&self.after).map(|after| after.parse()).transpose();
        let older = given(&self.older).map(|older| {
            let found = AGES.iter().find(|(word, _, _)| *word == older);
            let (_, _, seconds) =
                found.ok_or_else(|| no_such("age", &older, &AGES.map(|(word, _, _)| word)))?;
            Ok::<_, Problem>(Timestamp(now.0.saturating_sub(seconds * 1000)))
        });
        let created_before = older.transpose()?;
        Ok(SagaFilter {
            states: state.into_iter().collect(),
            saga: given(&self.saga),
            version: version.map_err(|_| {
                let version = &self.version;
                Problem::bad(format!(
                    "A version is a number, and \u{201c}{version}\u{201d} is none."
                ))
            })?,
            id_prefix: given(&self.id),
            created_before,
            after: after.map_err(|error| Problem::bad(format!("{error}")))?,
            limit: PAGE + 1,
            ..SagaFilter::default()
        })
    }

    /// The address of the page that begins after this saga.
    fn next(&self, after: &str) -> String {
        let fields = [
            ("state", &*self.state),
            ("saga", &self.saga),
            ("version", &self.version),
            ("id", &self.id),
            ("older", &self.older),
            ("after", after),
        ];
        let fields = fields.iter().filter(|(_, value)| !value.is_empty());
        let pairs = fields.map(|(name, value)| format!("{name}={}", encoded(value)));
        format!("/sagas?{}", pairs.collect::<Vec<_>>().join("&"))
    }
}

pub(crate) async fn list(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
    Query(asked): Query<Asked>,
) -> Response {
    answer(&visit, listed(&app, &visit, &asked).await)
}

async fn listed(app: &Shared, visit: &Visit, asked: &Asked) -> Result<Markup, Problem> {
    let now = app.operator.now();
    let mut sagas = app.operator.list(asked.filter(now)?).await?;
    let more = sagas.len() > PAGE;
    sagas.truncate(PAGE);
    let next = sagas.last().filter(|_| more).map(|last| asked.next(last.id.as_str()));
    let body = html! {
        h1 { "All sagas" }
        (form(visit, asked))
        section id="list" data-part aria-label="Sagas" {
            @if sagas.is_empty() {
                p.notice { "No saga matches." }
            } @else {
                (table(visit, &sagas, now))
            }
            (pages(visit, "/sagas", !asked.after.is_empty(), next))
        }
    };
    let about = Page::new("All sagas").here("/sagas").live("/events".to_string(), String::new());
    Ok(page(visit, &about, body))
}

fn pages(visit: &Visit, first: &str, is_later: bool, next: Option<String>) -> Markup {
    html! {
        @if is_later || next.is_some() {
            nav.pages aria-label="Pages of this list" {
                @if is_later { a href=(visit.to(first)) { "First page" } }
                @if let Some(next) = next { a.button rel="next" href=(visit.to(next)) { "Next page" } }
            }
        }
    }
}

fn form(visit: &Visit, asked: &Asked) -> Markup {
    html! {
        form.filters method="get" action=(visit.to("/sagas")) role="search" aria-label="Filter" {
            div {
                label for="f-state" { "State" }
                select id="f-state" name="state" {
                    option value="" { "any" }
                    @for state in ListedState::ALL {
                        option value=(state) selected[asked.state == state.as_str()] { (words(state)) }
                    }
                }
            }
            div {
                label for="f-saga" { "Saga" }
                input id="f-saga" name="saga" value=(asked.saga) placeholder="name" dir="auto";
            }
            div.short {
                label for="f-version" { "Version" }
                input id="f-version" name="version" value=(asked.version) inputmode="numeric" pattern="[0-9]*";
            }
            div {
                label for="f-id" { "Id begins with" }
                input id="f-id" name="id" value=(asked.id);
            }
            div {
                label for="f-older" { "Older than" }
                select id="f-older" name="older" {
                    option value="" { "any age" }
                    @for (word, shown, _) in AGES {
                        option value=(word) selected[asked.older == word] { (shown) }
                    }
                }
            }
            button { "Filter" }
        }
    }
}

fn table(visit: &Visit, sagas: &[SagaSummary], now: Timestamp) -> Markup {
    let head = ["Id", "State", "Saga", "Created", "Last entry", "Error"].map(Column::from);
    let rows = html! {
        @for saga in sagas {
            tr {
                th scope="row" { a.id href=(saga_page(visit, saga.id.as_str())) { (saga.id) } }
                td data-label="State" { (state_chip(saga.state)) }
                td data-label="Saga" { (name(saga)) }
                td data-label="Created" { (ago(saga.created_at, now)) }
                td data-label="Last entry" { (ago(saga.updated_at, now)) }
                td.text data-label="Error" {
                    @if let Some(text) = saga.parked_reason.as_ref().or(saga.error.as_ref()) {
                        (brief(text))
                    }
                }
            }
        }
    };
    Table::new("Table of sagas").of(&head, rows)
}

/// The name of a saga and its version.
pub(crate) fn name(saga: &SagaSummary) -> Markup {
    html! {
        (brief(&saga.saga))
        @if let Some(version) = saga.version { span.quiet { " v" (version) } }
    }
}

fn reason(reason: HumanReason) -> Markup {
    let (tone, words) = match reason {
        HumanReason::Stuck => ("bad", "stuck"),
        HumanReason::Parked => ("warn", "parked"),
        HumanReason::Corrupt => ("bad", "corrupt"),
        HumanReason::UnknownVersion => ("warn", "unknown version"),
        HumanReason::OwnerNotCurrent => ("warn", "no worker"),
        HumanReason::NotProgressing => ("hold", "not progressing"),
    };
    html! { span class={ "chip " (tone) } { (words) } }
}

pub(crate) fn needs_human_table(visit: &Visit, sagas: &[NeedsHuman], now: Timestamp) -> Markup {
    let head = ["Id", "Reason", "Saga", "Because", "Last entry"].map(Column::from);
    let rows = html! {
        @for NeedsHuman { saga, reason: why, because, .. } in sagas {
            tr {
                th scope="row" { a.id href=(saga_page(visit, saga.id.as_str())) { (saga.id) } }
                td data-label="Reason" { (reason(*why)) }
                td data-label="Saga" { (name(saga)) }
                td.text data-label="Because" { (brief(because)) }
                td data-label="Last entry" { (ago(saga.updated_at, now)) }
            }
        }
    };
    Table::new("Sagas that need a human").of(&head, rows)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct After {
    after: String,
}

pub(crate) async fn needs_human(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
    Query(After { after }): Query<After>,
) -> Response {
    answer(&visit, all_that_need_a_human(&app, &visit, &after).await)
}

async fn all_that_need_a_human(
    app: &Shared,
    visit: &Visit,
    after: &str,
) -> Result<Markup, Problem> {
    let cursor = given(after).map(|after| after.parse()).transpose();
    let cursor = cursor.map_err(|error| Problem::bad(format!("{error}")))?;
    let filter = NeedsHumanFilter { limit: PAGE, after: cursor, ..NeedsHumanFilter::default() };
    let found = app.operator.needs_human(filter).await?;
    let next = found.next.map(|next| format!("/needs-human?after={}", encoded(&next.to_string())));
    let body = html! {
        h1 { "Needs a human" }
        section id="list" data-part aria-label="Sagas that need a human" {
            @if found.sagas.is_empty() {
                p.notice.good { "No saga waits for anybody." }
            } @else {
                (needs_human_table(visit, &found.sagas, app.operator.now()))
            }
            (pages(visit, "/needs-human", !after.is_empty(), next))
        }
    };
    let about = Page::new("Needs a human").here("/needs-human");
    Ok(page(visit, &about.live("/events".to_string(), String::new()), body))
}
