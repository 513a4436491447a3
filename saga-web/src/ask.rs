//! What can be asked of a saga: the buttons, the page that says what one of them would write, and the request itself.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use maud::{Markup, html};
use saga_core::ActionState;
use saga_core::operator::{Answer, Command, Decision, MAX_NOTE, NodeFacts, Prediction, SagaFacts};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::app::{App, Shared, Visit};
use crate::buttons::{Button, OF_NODES, OF_SAGAS};
use crate::layout::{Page, csrf_field, page, saga_page};
use crate::problem::{Problem, answer};
use crate::saga::facts::{attempts, errors};
use crate::session::{Session, hashed, signed_in};
use crate::text::{encoded, moment, user};

/// Of how many nodes the buttons are shown.
const MAX_NODES: usize = 10;

/// What a form asks for.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Asked {
    command: String,
    node: String,
    note: String,
    output: String,
    csrf: String,
    /// Which prediction the reader has seen.
    seen: String,
}

impl Asked {
    fn button(&self) -> Result<&'static Button, Problem> {
        let of = if self.node.is_empty() { &OF_SAGAS[..] } else { &OF_NODES[..] };
        let found = of.iter().find(|button| button.word == self.command);
        found.ok_or_else(|| Problem::bad("There is no such request."))
    }

    /// `None` if the output of a decision is not given yet.
    fn command(&self) -> Result<Option<Command>, Problem> {
        let (node, note) = (self.node.as_str().into(), self.note.trim().to_string());
        if self.note.len() > MAX_NOTE {
            return Err(Problem::bad(format!("A note has at most {MAX_NOTE} bytes.")));
        }
        Ok(Some(match self.button()?.word {
            "pause" => Command::Pause,
            "resume" => Command::Resume,
            "step" => Command::Step,
            "retry_all" => Command::RetryAll,
            "unpark" => Command::Unpark,
            "cancel" => Command::Cancel { reason: note },
            "rollback" => Command::Rollback { reason: note },
            "retry_undo" => Command::RetryUndo { node },
            "retry" => Command::Retry { node },
            "resolve" => Command::Resolve { node, note },
            "decide_failed" => Command::Decide { node, decision: Decision::Failed, note },
            "decide_succeeded" => {
                if self.output.trim().is_empty() {
                    return Ok(None);
                }
                // as it is written: numbers of any size stay as they are
                let output: &RawValue = serde_json::from_str(&self.output)
                    .map_err(|error| Problem::bad(format!("The output is not JSON: {error}")))?;
                let decision = Decision::with_output(output);
                let decision = decision.map_err(|error| Problem::bad(error.to_string()))?;
                Command::Decide { node, decision, note }
            }
            _ => return Err(Problem::bad("There is no such request.")),
        }))
    }
}

/// What a prediction says, for comparison: not the notes, and no times.
fn seen(prediction: &Prediction) -> String {
    let entries = prediction.entries.iter();
    let entries = entries.map(|entry| format!("{} {:?} {}", entry.kind, entry.node, entry.attempt));
    let entries = entries.collect::<Vec<_>>().join("\n");
    let text = format!("{:?}\n{entries}\n{}", prediction.answer, prediction.then.join("\n"));
    hashed(&text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_refused(prediction: &Prediction) -> bool {
    match &prediction.answer {
        Some(Answer::Refused(_) | Answer::NothingToDo { .. } | Answer::Duplicate) => true,
        Some(Answer::Done | Answer::Held) | None => false,
    }
}

/// The buttons whose requests the saga would not refuse; `None` if the reader is not signed in.
pub(crate) async fn buttons(
    app: &App,
    visit: &Visit,
    facts: &SagaFacts,
) -> Result<Option<Markup>, Problem> {
    if visit.session.is_none() || !visit.changes {
        return Ok(None);
    }
    let of_saga = offered(app, visit, facts, &OF_SAGAS, "").await;
    let mut of_nodes = Vec::new();
    for node in facts.nodes.iter().filter(|node| may_need_somebody(node)).take(MAX_NODES) {
        let offered = offered(app, visit, facts, &OF_NODES, node.node.as_str()).await;
        if !offered.is_empty() {
            of_nodes.push((node, offered));
        }
    }
    Ok(Some(html! {
        @if of_saga.is_empty() && of_nodes.is_empty() {
            p.quiet { "There is nothing to ask of this saga." }
        }
        div.buttons { @for link in &of_saga { (link) } }
        @for (node, links) in &of_nodes {
            div.buttons {
                span { (user(node.node.as_str())) }
                @for link in links { (link) }
            }
        }
    }))
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
    (failed || node.in_doubt) && !node.resolved
}

async fn offered(
    app: &App,
    visit: &Visit,
    facts: &SagaFacts,
    buttons: &'static [Button],
    node: &str,
) -> Vec<Markup> {
    let id = facts.saga.id.as_str();
    let mut links = Vec::new();
    for button in buttons {
        let asked =
            Asked { command: button.word.to_string(), node: node.to_string(), ..Asked::default() };
        // what asks for an output is offered like its opposite
        let probe = match button.word {
            "decide_succeeded" => Asked { command: "decide_failed".to_string(), ..asked },
            _ => asked,
        };
        let Ok(Some(command)) = probe.command() else { continue };
        let prediction = app.operator.predict(id, command).await;
        if prediction.is_ok_and(|prediction| !is_refused(&prediction)) {
            let node =
                if node.is_empty() { String::new() } else { format!("&node={}", encoded(node)) };
            let to = format!("{}/ask?command={}{node}", saga_page(visit, id), button.word);
            let class = if button.grave { "button grave" } else { "button" };
            links.push(html! { a class=(class) href=(to) { (button.says) "…" } });
        }
    }
    links
}

pub(crate) async fn confirm(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let Some(session) = &visit.session else {
        return Problem::forbidden("Sign in to act.").shown(&visit);
    };
    answer(&visit, predicted(&app, &visit, session, &id, &asked, None).await)
}

/// The page on which a request is confirmed, with what it would write.
async fn predicted(
    app: &App,
    visit: &Visit,
    session: &Session,
    id: &str,
    asked: &Asked,
    notice: Option<&str>,
) -> Result<Markup, Problem> {
    let button = asked.button()?;
    let operator = app.operator.named(&session.name);
    let prediction = match asked.command()? {
        Some(command) => Some(operator.predict(id, command).await?),
        None => None,
    };
    let refused = prediction.as_ref().is_some_and(is_refused);
    let node = match asked.node.as_str() {
        "" => None,
        path => operator.inspect(id).await?.nodes.into_iter().find(|node| node.node == *path),
    };
    let to = saga_page(visit, id);
    let go = match (&prediction, button.grave) {
        (None, _) => ("primary", "Show what it would write"),
        (Some(_), true) => ("primary grave", button.says),
        (Some(_), false) => ("primary", button.says),
    };
    let body = html! {
        p.quiet.kind { a.id href=(to) { (id) } }
        h1 {
            (button.says)
            @if !asked.node.is_empty() { ": " (user(&asked.node)) }
        }
        p { (button.does) }
        @if let Some(notice) = notice { p.notice.warn role="alert" { (notice) } }
        @if let Some(node) = &node { (what_to_look_up(node)) }
        @if let Some(prediction) = &prediction { (what_it_would_write(prediction)) }
        form.card method="post" action=(format!("{to}/ask")) {
            (csrf_field(session))
            input type="hidden" name="command" value=(asked.command);
            input type="hidden" name="node" value=(asked.node);
            @if let Some(prediction) = &prediction {
                input type="hidden" name="seen" value=(seen(prediction));
            }
            @if button.word == "decide_succeeded" {
                label for="output" { "The output of the node, as JSON" }
                textarea id="output" name="output" rows="4" required spellcheck="false" { (asked.output) }
            }
            @if let Some(note) = button.note {
                label for="note" { (note) }
                textarea id="note" name="note" rows="3" required maxlength=(MAX_NOTE / 4) dir="auto" { (asked.note) }
            }
            p.quiet { "It is recorded as asked by " bdi { (session.name) } "." }
            div.buttons {
                button class=(go.0) disabled[refused] { (go.1) }
                a.button href=(to) { "Back, change nothing" }
            }
        }
    };
    Ok(page(visit, &Page::new(button.says), body))
}

/// What somebody needs who looks for the effect of a node where it would be.
fn what_to_look_up(node: &NodeFacts) -> Markup {
    html! {
        section.card aria-label="What to look up" {
            p { "Look for the key of the action at the service: " code.key { (node.action_key) } }
            @if node.has_undo { p { "The key of its undo: " code.key { (node.undo_key) } } }
            p {
                "Attempts: " (attempts(node))
                @if let Some(at) = node.started_at { "; the first began " (moment(at)) }
                @if let Some(at) = node.ended_at { ", the last ended " (moment(at)) }
            }
            @if node.error.is_some() || node.undo_error.is_some() { p { "Last error: " (errors(node)) } }
        }
    }
}

fn what_it_would_write(prediction: &Prediction) -> Markup {
    html! {
        section.prediction aria-label="What it would write" {
            @for line in &prediction.before { p.notice.warn { "Note: " (user(line)) "." } }
            @match &prediction.answer {
                Some(Answer::Refused(why)) => p.notice.bad { "It would be refused: " (user(&why.to_string())) },
                Some(Answer::Duplicate) => p.notice { "It would change nothing: the saga has this event already." },
                Some(Answer::NothingToDo { status }) => p.notice { "It would change nothing: the saga is " (status) " already." },
                Some(Answer::Held) => p { "It would wait for the end of the pivot, and write to the log:" },
                Some(Answer::Done) => p { "It would write to the log:" },
                None => @match &prediction.unless {
                    Some(unless) => p { "Unless " (user(unless)) ", it would write to the log:" },
                    None => p { "What it does cannot be told from the log alone." },
                },
            }
            @if !prediction.entries.is_empty() {
                ol.entries { @for entry in prediction.entries.iter().take(100) { li { (user(&entry.text)) } } }
                @if prediction.entries.len() > 100 { p.quiet { (prediction.entries.len()) " entries in all" } }
            }
            @if !prediction.then.is_empty() {
                p { "Then it" }
                ul { @for line in prediction.then.iter().take(100) { li { (user(line)) } } }
            }
        }
    }
}

pub(crate) async fn ask(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Form(asked): Form<Asked>,
) -> Response {
    let session = match signed_in(&visit, &asked.csrf) {
        Ok(session) => session.clone(),
        Err(problem) => return problem.shown(&visit),
    };
    answer(&visit, done(&app, &visit, &session, &id, &asked).await)
}

async fn done(
    app: &App,
    visit: &Visit,
    session: &Session,
    id: &str,
    asked: &Asked,
) -> Result<Response, Problem> {
    let operator = app.operator.named(&session.name);
    let Some(command) = asked.command()? else {
        let page = predicted(app, visit, session, id, asked, Some("Enter the output.")).await?;
        return Ok(page.into_response());
    };
    if asked.button()?.note.is_some() && asked.note.trim().is_empty() {
        let notice = Some("Enter a note; it is recorded with the request.");
        let page = predicted(app, visit, session, id, asked, notice).await?;
        return Ok(page.into_response());
    }
    let prediction = operator.predict(id, command.clone()).await?;
    if seen(&prediction) != asked.seen {
        let changed = "The saga has gone on meanwhile. Nothing was asked yet: look again at what it would write.";
        let notice = (!asked.seen.is_empty()).then_some(changed);
        return Ok(predicted(app, visit, session, id, asked, notice).await?.into_response());
    }
    let answer = match operator.ask(id, command).await? {
        Answer::Done => "done",
        Answer::Held => "held",
        Answer::NothingToDo { .. } | Answer::Duplicate => "nothing",
        Answer::Refused(_) => "refused",
    };
    let to = format!("{}?answered={}.{answer}", saga_page(visit, id), asked.command);
    Ok(Redirect::to(&to).into_response())
}

/// The answer of which an address tells, in words; only words of ours.
pub(crate) fn answered(word: &str) -> Option<String> {
    let (command, answer) = word.split_once('.')?;
    let button = OF_SAGAS.iter().chain(&OF_NODES).find(|button| button.word == command)?;
    let answer = match answer {
        "done" => "done. It is in the log.",
        "held" => "held until the pivot has ended.",
        "nothing" => "nothing was to be done.",
        _ => return None,
    };
    Some(format!("{}: {answer}", button.says))
}
