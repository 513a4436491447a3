//! Which buttons the page of a saga offers: those whose requests the saga would not refuse.

use maud::{Markup, html};
use saga_core::ActionState;
use saga_core::operator::{ListedState, NodeFacts, Prediction, SagaFacts};

use super::button::{Asked, Button, OF_NODES, OF_SAGAS};
use super::is_refused;
use crate::app::{App, Visit};
use crate::layout::saga_page;
use crate::problem::Problem;
use crate::text::{encoded, user};

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
    let of_saga = OF_SAGAS.iter().map(|button| (button, None));
    let of_nodes = nodes.iter().flat_map(|node| OF_NODES.iter().map(move |b| (b, Some(*node))));
    let all = of_saga.chain(of_nodes).collect::<Vec<_>>();
    let mut offered = Vec::new();
    for (button, node) in all {
        if is_offered(app, facts, button, node).await {
            offered.push((button, node));
        }
    }
    let of = |wanted: Option<&NodeFacts>| {
        let path = |node: Option<&NodeFacts>| node.map(|node| node.node.clone());
        let wanted = path(wanted);
        let these = offered.iter().filter(move |(_, node)| path(*node) == wanted);
        these.map(|(button, node)| link(visit, facts, button, *node)).collect::<Vec<_>>()
    };
    Ok(Some(html! {
        @if offered.is_empty() { p.quiet { "There is nothing to ask of this saga." } }
        div.buttons { @for link in of(None) { (link) } }
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
    let button = OF_NODES.iter().find(|button| button.word == "decide_output")?;
    (may_act && parked && unreadable && has_output).then(|| link(visit, facts, button, Some(node)))
}

fn may_need_somebody(node: &NodeFacts) -> bool {
    let failed = match node.state {
        ActionState::Failed | ActionState::UndoFailed => true,
        ActionState::Pending
        | ActionState::Running
        | ActionState::Completed
        | ActionState::Undoing
        | ActionState::Undone
        | ActionState::Skipped => false,
    };
    ((failed || node.in_doubt) && !node.resolved) || node.unreadable.is_some()
}

async fn is_offered(
    app: &App,
    facts: &SagaFacts,
    button: &Button,
    node: Option<&NodeFacts>,
) -> bool {
    if button.word == "decide_output" {
        return node.is_some_and(|node| node.unreadable.is_some());
    }
    let path = node.map_or("", |node| node.node.as_str());
    let Some(command) = Asked::probe(button, path) else { return false };
    let prediction = app.operator.predict(facts.saga.id.as_str(), command).await;
    prediction.is_ok_and(|prediction: Prediction| !is_refused(&prediction))
}

fn link(visit: &Visit, facts: &SagaFacts, button: &Button, node: Option<&NodeFacts>) -> Markup {
    let node = node.map(|node| format!("&node={}", encoded(node.node.as_str())));
    let page = saga_page(visit, facts.saga.id.as_str());
    let to = format!("{page}/ask?command={}{}", button.word, node.unwrap_or_default());
    let class = if button.grave { "button grave" } else { "button" };
    html! { a class=(class) href=(to) { (button.says) "…" } }
}
