//! The facts about a saga that its reader needs first: what it waits for, and which effects remain.

use std::collections::HashSet;

use maud::{Markup, html};
use saga_core::log::NodePath;
use saga_core::operator::{KeptEffect, NodeFacts, SagaFacts, WaitFacts, WaitsFor};
use saga_core::{ActionState, SagaStatus};

use crate::app::Visit;
use crate::layout::{Column, Table, node_chip, saga_page};
use crate::text::{ago, moment, user};

/// How many nodes each of the lists of effects shows.
const MAX_EFFECTS: usize = 200;

/// How many of those are named that no rollback takes back.
const MAX_STAYING: usize = 10;

/// Of how many nodes it is said what they wait for.
const MAX_WAITS: usize = 5;

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
            (waits(facts))
            @if let Some(cause) = cause(facts) { div.wide { dt { "Rolls back because" } dd { (user(cause)) } } }
            @if let Some(error) = saga.error.as_ref().filter(|error| !facts.why.sentence.contains(*error)) {
                div.wide { dt { "Error" } dd { (user(error)) } }
            }
        }
    }
}

/// What it waits for, node by node: the sentence above says it of the first, if nothing is more important.
fn waits(facts: &SagaFacts) -> Markup {
    let waits = facts.nodes.iter().filter_map(|node| Some((&node.node, node.wait.as_ref()?)));
    let waits = waits.collect::<Vec<_>>();
    let is_said = matches!(facts.why.fact, WaitsFor::Event { .. });
    html! {
        @if waits.len() > 1 || !is_said && !waits.is_empty() {
            div.wide {
                dt { "Waits" }
                @for (node, wait) in waits.iter().take(MAX_WAITS) {
                    dd { (user(node.as_str())) " waits " (what_for(wait, facts)) }
                }
                @if waits.len() > MAX_WAITS { dd.quiet { "and " (waits.len() - MAX_WAITS) " more nodes" } }
            }
        }
    }
}

fn what_for(wait: &WaitFacts, facts: &SagaFacts) -> Markup {
    html! {
        @for (i, event) in wait.events.iter().enumerate() {
            @if i == 0 { "for the event " } @else { " or " }
            (user(event.name.as_str()))
            @if event.rev > 0 { span.quiet { " (revision " (event.rev) ")" } }
        }
        @if let Some(until) = wait.until {
            @if !wait.events.is_empty() { ", " }
            "until " (moment(until)) " (" (ago(until, facts.at)) ")"
        }
    }
}

/// Why it rolls back, unless the sentence says that already.
fn cause(facts: &SagaFacts) -> Option<&String> {
    let said = |cause: &&String| {
        let node = cause.strip_suffix(" failed");
        node.is_some_and(|node| facts.why.sentence.contains(node))
            || facts.why.sentence.contains(*cause)
    };
    facts.cause.as_ref().filter(|cause| !said(cause))
}

/// The nodes with a call in flight: their last attempt has no end.
pub(super) fn in_flight(facts: &SagaFacts) -> HashSet<&NodePath> {
    let mut open = HashSet::new();
    for attempt in &facts.timeline {
        match attempt.ended_at.is_none() && !attempt.cut_off {
            true => open.insert(&attempt.node),
            false => open.remove(&attempt.node),
        };
    }
    open
}

/// Calls of which nobody knows whether they took effect.
fn in_doubt(facts: &SagaFacts) -> Vec<&NodeFacts> {
    let in_flight = in_flight(facts);
    let in_doubt = |node: &&NodeFacts| node.in_doubt && !in_flight.contains(&node.node);
    facts.possible_effects().filter(in_doubt).collect()
}

/// What somebody may have to find out comes before everything else.
pub(super) fn doubt(visit: &Visit, facts: &SagaFacts) -> Markup {
    let in_doubt = in_doubt(facts);
    html! {
        // a part that is not there could not be filled later
        section id="doubt" data-part aria-labelledby="doubt-title" hidden[in_doubt.is_empty()] {
            h2 id="doubt-title" { "In doubt" }
            p.quiet { "Nobody knows whether these calls took effect. Look for the keys at the services." }
            @if !in_doubt.is_empty() { (list(visit, facts, &in_doubt, "Calls in doubt")) }
        }
    }
}

/// The other lists: what may remain, and what does.
pub(super) fn effects(visit: &Visit, facts: &SagaFacts) -> Markup {
    let remains = facts.remaining_effects().collect::<Vec<_>>();
    let in_doubt = in_doubt(facts).into_iter().map(|node| &node.node).collect::<HashSet<_>>();
    let possible = facts.possible_effects().filter(|node| !in_doubt.contains(&node.node));
    let possible = possible.collect::<Vec<_>>();
    let forward = facts.saga.status == SagaStatus::Running;
    let (may_remain, remain) =
        if forward { ("In flight", "Effects so far") } else { ("May remain", "Remains") };
    html! {
        @if !possible.is_empty() {
            h2 { (may_remain) }
            p.quiet { "These calls have not ended: their effects may be there." }
            (list(visit, facts, &possible, "Effects that may be there"))
        }
        @if !remains.is_empty() || !facts.kept.is_empty() {
            h2 { (remain) }
            p.quiet { "These effects are there." }
            @if !remains.is_empty() { (list(visit, facts, &remains, "Effects that are there")) }
            @for KeptEffect { node, action_key, earlier_action_keys, .. } in facts.kept.iter().take(MAX_EFFECTS) {
                p {
                    (user(node.as_str())) " was kept by a migration, with the key " code { (action_key) }
                    @for key in earlier_action_keys { ", before " code { (key) } }
                    "."
                }
            }
        }
        (staying(visit, facts))
    }
}

/// What no rollback takes back.
fn staying(visit: &Visit, facts: &SagaFacts) -> Markup {
    let staying = facts.staying_effects().collect::<Vec<_>>();
    html! {
        @if !staying.is_empty() {
            h2 { "Cannot be undone" }
            p.quiet { "These are done, and declare no undo: a rollback leaves them as they are." }
            ul {
                @for node in staying.iter().take(MAX_STAYING) {
                    li {
                        (user(node.node.as_str()))
                        @if let Some(why) = &node.no_undo { ": " (user(why)) }
                        " " code.key { (node.action_key) }
                    }
                }
            }
            @if staying.len() > MAX_STAYING { (rest(visit, facts, MAX_STAYING, staying.len())) }
        }
    }
}

fn list(visit: &Visit, facts: &SagaFacts, nodes: &[&NodeFacts], label: &str) -> Markup {
    let in_flight = in_flight(facts);
    let head =
        ["Node", "State", "Attempts", "Began, ended", "Keys of action and undo", "Last error"];
    let rows = html! {
        @for node in nodes.iter().take(MAX_EFFECTS) {
            tr {
                th scope="row" { (user(node.node.as_str())) }
                td data-label="State" { (node_state(node, &in_flight)) }
                td data-label="Attempts" { (attempts(node)) }
                td data-label="Began, ended" { (times(node)) }
                td data-label="Keys" { (keys(node)) }
                td.text data-label="Last error" { (errors(node)) }
            }
        }
    };
    html! {
        (Table::new(label).of(&head.map(Column::from), rows))
        @if nodes.len() > MAX_EFFECTS { (rest(visit, facts, MAX_EFFECTS, nodes.len())) }
    }
}

/// Where the others are.
fn rest(visit: &Visit, facts: &SagaFacts, shown: usize, all: usize) -> Markup {
    html! {
        p {
            "The first " (shown) " of " (all) "; "
            a href=(format!("{}/nodes", saga_page(visit, facts.saga.id.as_str()))) { "all nodes" }
        }
    }
}

/// When the first attempt began and the last one ended: of the undo, if that has begun.
fn times(node: &NodeFacts) -> Markup {
    let (began, ended) = match node.undo_started_at {
        Some(began) => (Some(began), node.undo_ended_at),
        None => (node.started_at, node.ended_at),
    };
    html! {
        @if let Some(at) = began { (moment(at)) }
        @if let Some(at) = ended { br; (moment(at)) }
    }
}

/// The state of a node, and what its word does not say. A call that is in flight is not in doubt yet.
pub(super) fn node_state(node: &NodeFacts, in_flight: &HashSet<&NodePath>) -> Markup {
    let in_doubt = node.in_doubt && !in_flight.contains(&node.node);
    html! {
        (node_chip(node.state))
        @if in_doubt && node.state != ActionState::InDoubt { " " span.chip.warn { "in doubt" } }
        @if node.is_known_by_transaction() { " " span.chip { "transaction, not committed" } }
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
