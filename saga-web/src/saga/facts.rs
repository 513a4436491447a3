//! The facts about a saga that its reader needs first: what it waits for, and which effects remain.

use maud::{Markup, html};
use saga_core::operator::{KeptEffect, NodeFacts, SagaFacts};

use crate::app::Visit;
use crate::layout::{Column, Table, node_chip, saga_page};
use crate::text::{ago, moment, user};

/// How many nodes each of the two lists of effects shows.
const MAX_EFFECTS: usize = 200;

pub(super) fn facts(facts: &SagaFacts) -> Markup {
    let saga = &facts.saga;
    html! {
        p.why { (user(&facts.why.sentence)) }
        @if let Some(problem) = &facts.problem { p.notice.bad { (user(problem)) } }
        dl.facts {
            div { dt { "Created" } dd { (ago(saga.created_at, facts.at)) } }
            div { dt { "Last entry" } dd { (ago(saga.updated_at, facts.at)) } }
            @if let Some(at) = saga.wake_at { div { dt { "Goes on" } dd { (ago(at, facts.at)) } } }
            @if let Some(at) = saga.deadline { div { dt { "Deadline" } dd { (ago(at, facts.at)) } } }
            @if let Some(owner) = &facts.owner {
                div {
                    dt { "Worker" }
                    dd {
                        (user(owner.worker.as_str()))
                        @match owner.alive {
                            Some(true) => {}
                            Some(false) => " (gone)",
                            None => " (not known whether alive)",
                        }
                        @if let Some(heard) = owner.last_heard { ", heard " (ago(heard, facts.at)) }
                    }
                }
            }
            div {
                dt { "Fingerprint" }
                dd { code { (saga.fingerprint.get(..16).unwrap_or(&saga.fingerprint)) } }
            }
            @if let Some(pivot) = facts.passed_pivot().filter(|_| !saga.status.is_ended()) {
                div.wide {
                    dt { "Pivot" }
                    dd { (user(pivot.node.as_str())) " has succeeded: the saga can only go forward, and a cancel is refused" }
                }
            }
            @if let Some(cause) = &facts.cause { div.wide { dt { "Rolls back because" } dd { (user(cause)) } } }
            @if let Some(error) = saga.error.as_ref().filter(|error| !facts.why.sentence.contains(*error)) {
                div.wide { dt { "Error" } dd { (user(error)) } }
            }
        }
    }
}

/// The two lists: what remains, and what may.
pub(super) fn effects(visit: &Visit, facts: &SagaFacts) -> Markup {
    let remains = facts.remaining_effects().collect::<Vec<_>>();
    let possible = facts.possible_effects().collect::<Vec<_>>();
    html! {
        @if !possible.is_empty() {
            h2 { "May remain" }
            p.quiet { "It is not known whether these effects are there. Look for the keys at the services." }
            (list(visit, facts, &possible, "Effects that may remain"))
        }
        @if !remains.is_empty() || !facts.kept.is_empty() {
            h2 { "Remains" }
            p.quiet { "These effects are there." }
            @if !remains.is_empty() { (list(visit, facts, &remains, "Effects that remain")) }
            @for KeptEffect { node, action_key, earlier_action_keys, .. } in facts.kept.iter().take(MAX_EFFECTS) {
                p {
                    (user(node.as_str())) " was kept by a migration, with the key " code { (action_key) }
                    @for key in earlier_action_keys { ", before " code { (key) } }
                    "."
                }
            }
        }
        (staying(facts))
    }
}

/// What no rollback takes back.
fn staying(facts: &SagaFacts) -> Markup {
    let staying = facts.staying_effects().take(MAX_EFFECTS).collect::<Vec<_>>();
    html! {
        @if !staying.is_empty() {
            h2 { "Cannot be undone" }
            p.quiet { "These are done, and declare no undo: a rollback leaves them as they are." }
            ul {
                @for node in staying {
                    li {
                        (user(node.node.as_str()))
                        @if let Some(why) = &node.no_undo { ": " (user(why)) }
                        " " code.key { (node.action_key) }
                    }
                }
            }
        }
    }
}

fn list(visit: &Visit, facts: &SagaFacts, nodes: &[&NodeFacts], label: &str) -> Markup {
    let head = ["Node", "State", "Attempts", "Last began", "Keys of action and undo", "Last error"];
    let rows = html! {
        @for node in nodes.iter().take(MAX_EFFECTS) {
            tr {
                th scope="row" { (user(node.node.as_str())) }
                td data-label="State" {
                    (node_chip(node.state))
                    @if node.in_doubt { " " span.chip.warn { "in doubt" } }
                }
                td data-label="Attempts" { (attempts(node)) }
                td data-label="Last began" {
                    @if let Some(at) = node.undo_started_at.or(node.started_at) { (moment(at)) }
                }
                td data-label="Keys" { (keys(node)) }
                td.text data-label="Last error" { (errors(node)) }
            }
        }
    };
    html! {
        (Table::new(label).of(&head.map(Column::from), rows))
        @if nodes.len() > MAX_EFFECTS {
            p {
                "The first " (MAX_EFFECTS) " of " (nodes.len()) "; "
                a href=(format!("{}/nodes", saga_page(visit, facts.saga.id.as_str()))) { "all nodes" }
            }
        }
    }
}

pub(crate) fn attempts(node: &NodeFacts) -> Markup {
    html! {
        (node.attempts)
        @if node.undo_attempts > 0 { " + " (node.undo_attempts) " of the undo" }
    }
}

/// What a human looks for at the service.
pub(crate) fn keys(node: &NodeFacts) -> Markup {
    html! {
        code.key { (node.action_key) }
        @for key in &node.earlier_action_keys { br; span.quiet { "before " } code.key { (key) } }
        @if node.has_undo { br; code.key { (node.undo_key) } }
    }
}

pub(crate) fn errors(node: &NodeFacts) -> Markup {
    html! {
        @if let Some(error) = &node.error { (user(error)) }
        @if let Some(error) = &node.undo_error { div { span.quiet { "undo: " } (user(error)) } }
    }
}
