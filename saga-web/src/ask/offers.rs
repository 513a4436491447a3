//! Which buttons the page of a saga offers: those whose requests the saga would not refuse.

use std::collections::BTreeSet;

use maud::{Markup, html};
use saga_core::ActionState;
use saga_core::dag::EventType;
use saga_core::operator::{ListedState, NodeFacts, SagaFacts};

use super::button::{Asked, Button, OF_NODES, OF_SAGAS};
use super::is_refused;
use crate::app::{App, Visit};
use crate::layout::saga_page;
use crate::problem::Problem;
use crate::text::{encoded, user};

/// The button that replaces an output that cannot be read, whatever the log says.
const REPLACE: &str = "decide_output";

/// Of how many nodes the buttons are shown.
const MAX_NODES: usize = 10;

/// The buttons; `None` if the reader is not signed in.
pub(crate) async fn buttons(
    app: &App,
    visit: &Visit,
    facts: &SagaFacts,
) -> Result<Option<Markup>, Problem> {
    if visit.session.is_none() || !visit.changes {
        return Ok(None);
    }
    let nodes = facts.nodes.iter().filter(|node| may_need_somebody(node));
    let nodes = nodes.take(MAX_NODES).collect::<Vec<_>>();
    let offered = offered(app, facts, &nodes).await;
    let of = |wanted: Option<&NodeFacts>| {
        let path = |node: Option<&NodeFacts>| node.map(|node| node.node.clone());
        let wanted = path(wanted);
        let these = offered.iter().filter(move |(_, node)| path(*node) == wanted);
        these.map(|(button, node)| link(visit, facts, button, *node)).collect::<Vec<_>>()
    };
    Ok(Some(html! {
        @let events = events(visit, facts);
        @if offered.is_empty() && events.is_empty() { p.quiet { "There is nothing to ask of this saga." } }
        div.buttons {
            @for link in of(None) { (link) }
            @for link in &events { (link) }
        }
        @for node in &nodes {
            @let links = of(Some(*node));
            @if !links.is_empty() {
                div.buttons {
                    span { (user(node.node.as_str())) }
                    @for link in &links { (link) }
                }
            }
        }
    }))
}

/// The button that replaces the output of a node, where only the program that runs the saga knows whether it can be read.
pub(crate) fn replace_output(visit: &Visit, facts: &SagaFacts, node: &NodeFacts) -> Option<Markup> {
    let may_act = visit.session.is_some() && visit.changes;
    let parked = facts.saga.state == ListedState::Parked;
    let unreadable = node.unreadable.is_some() || facts.known != Some(true);
    let has_output = node.state == ActionState::Completed && node.action.is_some();
    let button = OF_NODES.iter().find(|button| button.word == REPLACE)?;
    (may_act && parked && unreadable && has_output).then(|| link(visit, facts, button, Some(node)))
}

fn may_need_somebody(node: &NodeFacts) -> bool {
    let failed = match node.state {
        ActionState::Failed | ActionState::InDoubt | ActionState::UndoFailed => true,
        ActionState::Pending
        | ActionState::Running
        | ActionState::Waiting
        | ActionState::Completed
        | ActionState::Undoing
        | ActionState::Undone
        | ActionState::Resolved
        | ActionState::Skipped => false,
    };
    failed || node.in_doubt || node.unreadable.is_some()
}

/// Those that the saga would not refuse. All are predicted at once.
async fn offered<'f>(
    app: &App,
    facts: &SagaFacts,
    nodes: &[&'f NodeFacts],
) -> Vec<(&'static Button, Option<&'f NodeFacts>)> {
    let of_saga = OF_SAGAS.iter().map(|button| (button, None));
    let of_nodes = nodes.iter().flat_map(|node| OF_NODES.iter().map(move |b| (b, Some(*node))));
    let probed = of_saga.chain(of_nodes).filter(|(button, _)| button.word != REPLACE);
    let probed = probed.filter_map(|(button, node)| {
        let path = node.map_or("", |node: &NodeFacts| node.node.as_str());
        Some(((button, node), Asked::probe(button, path)?))
    });
    let (probed, commands): (Vec<_>, Vec<_>) = probed.unzip();
    let predictions = app.operator.predict_each(facts.saga.id.as_str(), commands).await;
    // of a saga that cannot be understood, nothing is predicted
    let granted = probed.into_iter().zip(predictions.unwrap_or_default());
    let granted = granted.filter(|(_, prediction)| !is_refused(prediction));
    let replaced = nodes.iter().filter(|node| node.unreadable.is_some());
    let replace = OF_NODES.iter().find(|button| button.word == REPLACE);
    let replaced = replaced.filter_map(|node| Some((replace?, Some(*node))));
    granted.map(|(of, _)| of).chain(replaced).collect()
}

/// A button for each event that the saga waits for.
fn events(visit: &Visit, facts: &SagaFacts) -> Vec<Markup> {
    let waits = facts.nodes.iter().filter_map(|node| node.wait.as_ref());
    let events = waits.flat_map(|wait| &wait.events).collect::<BTreeSet<_>>();
    let page = saga_page(visit, facts.saga.id.as_str());
    let link = |event: &EventType| {
        let name = encoded(event.name.as_str());
        let revision = match event.rev {
            0 => String::new(),
            revision => format!("&revision={revision}"),
        };
        let to = format!("{page}/ask?command=signal&event={name}{revision}");
        html! { a.button href=(to) { "Signal " (user(event.name.as_str())) "…" } }
    };
    events.into_iter().take(MAX_NODES).map(link).collect()
}

fn link(visit: &Visit, facts: &SagaFacts, button: &Button, node: Option<&NodeFacts>) -> Markup {
    let node = node.map(|node| format!("&node={}", encoded(node.node.as_str())));
    let page = saga_page(visit, facts.saga.id.as_str());
    let to = format!("{page}/ask?command={}{}", button.word, node.unwrap_or_default());
    let class = if button.grave { "button grave" } else { "button" };
    html! { a class=(class) href=(to) { (button.says) "…" } }
}
