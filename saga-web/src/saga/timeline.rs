//! The attempts of a saga's actions and undos, as a table with bars.

use maud::{Markup, html};
use saga_core::operator::{ExecutionRecord, SagaFacts};

use crate::layout::{Column, Table, node_chip};
use crate::text::{duration, moment, user};

/// How many attempts are shown, the latest ones.
const MAX_SHOWN: usize = 200;

/// How wide a bar can be, in units of its own picture.
const WIDTH: u64 = 1000;

/// How wide it is at least, so that it is seen.
const LEAST: u64 = 8;

pub(super) fn table(facts: &SagaFacts) -> Markup {
    let all = &facts.timeline;
    let shown = all.get(all.len().saturating_sub(MAX_SHOWN)..).unwrap_or_default();
    let begin = shown.iter().map(|attempt| attempt.started_at.0).min().unwrap_or_default();
    let ends = shown.iter().map(|attempt| end(attempt, facts));
    let end = ends.max().unwrap_or(begin).max(begin + 1);
    let over = html! { span.quiet { "over " (duration(end - begin)) } };
    let head = [
        Column::from("Node"),
        Column::number("Attempt"),
        Column::from("State"),
        Column::from("Began (UTC)"),
        Column::number("Took"),
        Column::new(over, "bars"),
        Column::from("Error"),
    ];
    let rows = html! { @for attempt in shown { (row(attempt, facts, begin, end)) } };
    html! {
        @if shown.is_empty() { p.notice { "No call has begun." } } @else {
            @if shown.len() < all.len() {
                p.quiet { "The latest " (shown.len()) " of " (all.len()) " attempts; the log has all." }
            }
            (Table::new("Table of attempts").id("attempts").of(&head, rows))
        }
    }
}

/// When an attempt ended; if it runs, it reaches to the present, and if it was cut off, nobody knows.
fn end(attempt: &ExecutionRecord, facts: &SagaFacts) -> u64 {
    match attempt.ended_at {
        Some(ended) => ended.0,
        None if attempt.cut_off => attempt.started_at.0,
        None => facts.at.0,
    }
}

fn row(attempt: &ExecutionRecord, facts: &SagaFacts, begin: u64, last: u64) -> Markup {
    let (from, to) = (attempt.started_at.0, end(attempt, facts).max(attempt.started_at.0));
    let place = |at: u64| at.saturating_sub(begin).saturating_mul(WIDTH) / (last - begin).max(1);
    let (x, width) = (place(from), place(to).saturating_sub(place(from)).max(LEAST));
    let tone = match (attempt.undo, attempt.error.is_some()) {
        (_, true) => "bar bad",
        (true, false) => "bar back",
        (false, false) if attempt.cut_off => "bar cut",
        (false, false) if attempt.ended_at.is_none() => "bar go",
        (false, false) => "bar good",
    };
    html! {
        tr {
            th scope="row" {
                @if attempt.undo { span.quiet { "undo of " } }
                (user(attempt.node.as_str()))
            }
            td.n data-label="Attempt" { (attempt.attempt) }
            td data-label="State" {
                @if attempt.cut_off { span.chip.warn { "cut off" } } @else { (node_chip(attempt.state)) }
            }
            td data-label="Began" { (moment(attempt.started_at)) }
            td.n data-label="Took" {
                @match attempt.ended_at {
                    Some(_) => (duration(to - from)),
                    None if attempt.cut_off => {},
                    None => span.quiet { "no end yet" },
                }
            }
            td.bars aria-hidden="true" {
                svg class=(tone) viewBox=(format!("0 0 {WIDTH} 10")) preserveAspectRatio="none" {
                    rect x=(x.min(WIDTH - LEAST)) y="1" width=(width) height="8" rx="2" {}
                }
            }
            td.text data-label="Error" {
                @if let Some(error) = &attempt.error { (user(error)) }
            }
        }
    }
}
