//! What can be asked of a saga: the page that says what a button would write, and the request itself.

mod button;
mod offers;

use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use maud::{Markup, html};
use saga_core::operator::{Answer, MAX_EVENT_ID, MAX_NOTE, NodeFacts, OperateError, Prediction};

use self::button::{Asked, Button, Value};
use crate::app::{App, Shared, Visit};
use crate::layout::{Page, csrf_field, page, saga_page};
use crate::problem::{Problem, answer};
use crate::saga::facts::{attempts, errors};
use crate::saga::path::SagaPath;
use crate::session::signed_in;
use crate::sessions::{Session, hashed, random};
use crate::text::{moment, user};

pub(crate) use offers::{buttons, replace_output};

/// How long a reader waits for the answer to a request.
const PATIENCE: Duration = Duration::from_secs(2);

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

pub(crate) async fn confirm(
    State(app): State<Shared>,
    Extension(visit): Extension<Visit>,
    SagaPath(id): SagaPath,
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
            input type="hidden" name="form" value=(random());
            input type="hidden" name="command" value=(asked.command);
            input type="hidden" name="node" value=(asked.node);
            @if let Some(prediction) = &prediction {
                input type="hidden" name="seen" value=(seen(prediction));
            }
            (value_fields(button, asked))
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

/// The fields for what a request needs as JSON.
fn value_fields(button: &Button, asked: &Asked) -> Markup {
    let (label, event) = match button.value {
        Value::None => return html! {},
        Value::Output => ("The output of the node, as JSON", false),
        Value::Event => ("What is known about the event, as JSON", true),
    };
    html! {
        @if event {
            label for="event" { "The name of the event" }
            input id="event" name="event" value=(asked.event) required dir="auto" spellcheck="false";
            label for="revision" { "Its revision, if it has one" }
            input id="revision" name="revision" value=(asked.revision) inputmode="numeric" pattern="[0-9]*" placeholder="0";
        }
        label for="value" { (label) }
        textarea id="value" name="value" rows="4" required spellcheck="false" { (asked.value) }
        @if event {
            label for="event-id" { "Its id, such as that of a message; a second event with this id is ignored. None: an event of its own" }
            input id="event-id" name="event_id" value=(asked.event_id) maxlength=(MAX_EVENT_ID) dir="auto" spellcheck="false";
        }
    }
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
            @if let Some(why) = &node.unreadable { p { "The program cannot read its output: " (user(why)) } }
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
                @if prediction.entries.len() > 100 {
                    p.quiet { "and " (prediction.entries.len() - 100) " more entries" }
                }
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
    SagaPath(id): SagaPath,
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
    let button = asked.button()?;
    let again = async |notice: Option<&str>| -> Result<Response, Problem> {
        Ok(predicted(app, visit, session, id, asked, notice).await?.into_response())
    };
    let say = |said: String| {
        let to = format!("{}?said={}", saga_page(visit, id), app.sessions.say(session, said));
        Ok(Redirect::to(&to).into_response())
    };
    // by a double click, or when the browser reloads the page
    let twice =
        || format!("{}: this form was sent before, and is not carried out twice.", button.says);
    if app.sessions.was_sent(session, &asked.form) {
        return say(twice());
    }
    let Some(command) = asked.command()? else {
        return again(Some("Enter a value, as JSON.")).await;
    };
    if button.note.is_some() && asked.note.trim().is_empty() {
        return again(Some("Enter a note; it is recorded with the request.")).await;
    }
    let prediction = operator.predict(id, command.clone()).await?;
    if seen(&prediction) != asked.seen {
        let changed = "The saga has gone on meanwhile. Nothing was asked yet: look again at what it would write.";
        return again((!asked.seen.is_empty()).then_some(changed)).await;
    }
    if !app.sessions.is_first(session, &asked.form) {
        return say(twice());
    }
    let (asks, of) = (operator.clone(), id.to_string());
    // nobody who goes away, and no reader who has waited long enough, calls it off
    let answer = tokio::spawn(async move { asks.ask(&of, command).await });
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => say(in_words(button, answer)?),
        Ok(Err(_)) => {
            Err(Problem::busy("The request was not carried out, because its task has failed."))
        }
        Err(_) => say(not_yet(button)),
    }
}

/// What is said about a request that has no answer yet.
fn not_yet(button: &Button) -> String {
    format!(
        "{}: no worker has answered yet. It is carried out as soon as one runs the saga; what becomes of it is listed below.",
        button.says
    )
}

/// What is said on the page of the saga about the answer.
fn in_words(button: &Button, answer: Result<Answer, OperateError>) -> Result<String, Problem> {
    let answer = match answer {
        Ok(Answer::Done) if button.tries => {
            "it is in the log, and has begun. How it ends is shown below."
        }
        Ok(Answer::Done) => "it is in the log, and takes effect.",
        Ok(Answer::Held) => "held until the pivot has ended.",
        Ok(Answer::NothingToDo { .. }) => "nothing was to be done.",
        Ok(Answer::Duplicate) => "the saga has this event already, and nothing was to be done.",
        Ok(Answer::Refused(why)) => return Ok(format!("{}: refused: {why}", button.says)),
        Err(OperateError::Unanswered { .. }) => return Ok(not_yet(button)),
        Err(error) => return Err(error.into()),
    };
    Ok(format!("{}: {answer}", button.says))
}
