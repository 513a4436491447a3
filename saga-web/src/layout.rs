//! What all pages have in common.

use maud::{DOCTYPE, Markup, html};
use saga_core::ActionState;
use saga_core::operator::{ListedState, WaitsFor};

use crate::app::Visit;
use crate::sessions::Session;
use crate::{assets, saga};

/// What is around the body of a page.
pub(crate) struct Page<'p> {
    title: &'p str,
    /// Which entry of the navigation it belongs to.
    here: &'p str,
    /// The stream that tells when it has changed, and what it shows now.
    live: Option<(String, String)>,
}

impl<'p> Page<'p> {
    pub(crate) fn new(title: &'p str) -> Self {
        Self { title, here: "", live: None }
    }

    pub(crate) fn here(mut self, path: &'p str) -> Self {
        self.here = path;
        self
    }

    /// The page follows this stream. `version` is what the stream says as long as nothing has changed.
    pub(crate) fn live(mut self, stream: String, version: String) -> Self {
        self.live = Some((stream, version));
        self
    }
}

const NAVIGATION: [(&str, &str); 3] =
    [("/", "Overview"), ("/needs-human", "Needs a human"), ("/sagas", "All sagas")];

pub(crate) fn page(visit: &Visit, page: &Page<'_>, body: Markup) -> Markup {
    let file = |name: &str| visit.to(assets::address(name));
    let (stream, version) = match &page.live {
        Some((stream, version)) => (Some(visit.to(stream)), Some(version)),
        None => (None, None),
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · sagas" }
                link rel="icon" type="image/svg+xml" href=(file("icon.svg"));
                link rel="stylesheet" href=(file("saga.css"));
                script src=(file("saga.js")) defer {}
            }
            body data-live=[stream] data-version=[version] {
                a.skip href="#main" { "Skip to the content" }
                header {
                    nav aria-label="Pages" {
                        @for (path, name) in NAVIGATION {
                            @let current = (path == page.here).then_some("page");
                            a href=(visit.to(path)) aria-current=[current] { (name) }
                        }
                    }
                    div.session {
                        @if page.live.is_some() { span.live id="live" role="status" {} }
                        @if let Some(session) = &visit.session {
                            a href=(visit.to("/session")) { bdi { (session.name) } }
                        } @else if visit.changes {
                            a href=(visit.to("/session")) { "Sign in" }
                        } @else {
                            span.quiet { "Read-only" }
                        }
                    }
                }
                main id="main" tabindex="-1" { (body) }
            }
        }
    }
}

/// A table: where it is too wide it is scrolled by itself, also with the keyboard, and on a narrow screen each row is a card.
pub(crate) struct Table<'t> {
    /// What a screen reader calls it.
    pub(crate) label: &'t str,
    /// So that it stays scrolled where it is when its part of a live page is replaced.
    pub(crate) id: Option<&'t str>,
    /// How it looks, beside what all tables look like.
    pub(crate) class: &'t str,
}

impl<'t> Table<'t> {
    pub(crate) fn new(label: &'t str) -> Self {
        Self { label, id: None, class: "" }
    }

    pub(crate) fn id(self, id: &'t str) -> Self {
        Self { id: Some(id), ..self }
    }

    pub(crate) fn class(self, class: &'t str) -> Self {
        Self { class, ..self }
    }

    pub(crate) fn of(&self, head: &[Column], rows: Markup) -> Markup {
        let Self { label, id, class } = self;
        html! {
            div.scroll id=[id] tabindex="0" role="region" aria-label=(label) {
                table class={ "stack " (class) } {
                    thead { tr { @for column in head { th class=[column.class] scope="col" { (column.title) } } } }
                    tbody { (rows) }
                }
            }
        }
    }
}

/// The head of a column.
pub(crate) struct Column {
    title: Markup,
    class: Option<&'static str>,
}

impl Column {
    pub(crate) fn new(title: impl maud::Render, class: &'static str) -> Self {
        Self { title: html! { (title) }, class: Some(class) }
    }

    /// Of numbers, which stand to the right.
    pub(crate) fn number(title: &str) -> Self {
        Self::new(title, "n")
    }
}

impl From<&str> for Column {
    fn from(title: &str) -> Self {
        Self { title: html! { (title) }, class: None }
    }
}

pub(crate) fn csrf_field(session: &Session) -> Markup {
    html! { input type="hidden" name="csrf" value=(session.csrf); }
}

/// The address of a saga's page.
pub(crate) fn saga_page(visit: &Visit, id: &str) -> String {
    visit.to(saga::path::of_saga(id))
}

/// The words of states as people read them.
pub(crate) fn words(state: ListedState) -> &'static str {
    match state {
        ListedState::Stuck => "stuck",
        ListedState::Parked => "parked",
        ListedState::Paused => "paused",
        ListedState::Waiting => "waiting",
        ListedState::Running => "running",
        ListedState::Failed => "failed",
        ListedState::RollingBack => "rolling back",
        ListedState::Completed => "completed",
        ListedState::RolledBack => "rolled back",
    }
}

/// How a state looks: a class of the style sheet.
fn tone(state: ListedState) -> &'static str {
    match state {
        ListedState::Stuck => "bad",
        ListedState::Parked => "warn",
        ListedState::Paused | ListedState::Waiting => "hold",
        ListedState::Running => "go",
        ListedState::Failed | ListedState::RollingBack => "back",
        ListedState::Completed => "good",
        ListedState::RolledBack => "undone",
    }
}

pub(crate) fn state_chip(state: ListedState) -> Markup {
    html! { span class={ "chip " (tone(state)) } { (words(state)) } }
}

/// What nobody sees from the state of a saga: that no worker goes on with it.
pub(crate) fn worker_chip(why: &WaitsFor) -> Option<Markup> {
    let WaitsFor::Worker { unknown_version, .. } = why else { return None };
    let words = if *unknown_version { "unknown version" } else { "no worker" };
    Some(html! { span.chip.warn { (words) } })
}

pub(crate) fn node_chip(state: ActionState) -> Markup {
    let (tone, words) = match state {
        ActionState::Pending => ("quiet", "pending"),
        ActionState::Running => ("go", "running"),
        ActionState::Waiting => ("hold", "waiting"),
        ActionState::Completed => ("good", "completed"),
        ActionState::Failed => ("bad", "failed"),
        ActionState::InDoubt => ("warn", "in doubt"),
        ActionState::Undoing => ("back", "undoing"),
        ActionState::Undone => ("undone", "undone"),
        ActionState::Resolved => ("undone", "resolved by hand"),
        ActionState::UndoFailed => ("bad", "undo failed"),
        ActionState::Skipped => ("quiet", "skipped"),
    };
    html! { span class={ "chip " (tone) } { (words) } }
}
