//! The buttons: what each is called, what it does, and which command it makes of a form.

use saga_core::dag::EventType;
use saga_core::log::Payload;
use saga_core::operator::{Command, Decision, MAX_EVENT_ID, MAX_NOTE};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::problem::Problem;

/// A button: one command, or one way to decide.
pub(super) struct Button {
    /// Its word in addresses and forms.
    pub(super) word: &'static str,
    /// What it says.
    pub(super) says: &'static str,
    /// What it does.
    pub(super) does: &'static str,
    /// What the note is about, if there is one.
    pub(super) note: Option<&'static str>,
    /// What else the form asks for.
    pub(super) value: Value,
    /// True if it cannot be taken back.
    pub(super) grave: bool,
    /// True if what it begins may fail again a moment later.
    pub(super) tries: bool,
}

/// A value that a request needs, as JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    None,
    /// The output of a node.
    Output,
    /// An event, with what is known about it.
    Event,
}

const fn button(word: &'static str, says: &'static str, does: &'static str) -> Button {
    Button { word, says, does, note: None, value: Value::None, grave: false, tries: false }
}

pub(super) const OF_SAGAS: [Button; 8] = [
    button("pause", "Pause", "Starts no new node and no new undo. Calls in flight go on."),
    button("resume", "Resume", "Ends the pause."),
    button("step", "Step", "Starts one node or undo of the paused saga."),
    Button {
        tries: true,
        ..button(
            "retry_all",
            "Retry all undos",
            "Tries all failed undos again, each with all of its attempts.",
        )
    },
    Button {
        tries: true,
        ..button("unpark", "Unpark", "Lets the saga go on. A pivot in doubt is run again.")
    },
    Button {
        value: Value::Event,
        grave: true,
        ..button(
            "signal",
            "Signal an event",
            "Tells the saga that something has happened for which it waits, or is going to wait. The event cannot be taken back, and a \
             second one with the same id is ignored.",
        )
    },
    Button {
        note: Some("Why"),
        grave: true,
        ..button("cancel", "Cancel", "Rolls the saga back: what it has done is undone.")
    },
    Button {
        note: Some("Why"),
        grave: true,
        ..button("rollback", "Roll back", "Undoes what the completed saga has done.")
    },
];

pub(super) const OF_NODES: [Button; 6] = [
    Button {
        tries: true,
        ..button(
            "retry_undo",
            "Retry undo",
            "Tries the failed undo of the node again, with all of its attempts.",
        )
    },
    Button {
        tries: true,
        ..button(
            "retry",
            "Retry",
            "Tries the node again that made the saga stuck, with all of its attempts.",
        )
    },
    Button {
        note: Some("What was done about the effect, and by whom"),
        grave: true,
        ..button(
            "resolve",
            "Resolve by hand",
            "Records that somebody has dealt with the effect of the node, at the service too. Its own undo is not called any more. \
             If nothing else is stuck, the rollback goes on with what remains to be undone.",
        )
    },
    Button {
        note: Some("How that is known"),
        grave: true,
        ..button(
            "decide_failed",
            "It had no effect",
            "Says that the call in doubt took no effect. The saga rolls back: everything that it has done is undone.",
        )
    },
    Button {
        note: Some("How that is known"),
        value: Value::Output,
        grave: true,
        ..button(
            "decide_succeeded",
            "It took effect",
            "Says that the call in doubt took effect, and what its output is. The saga goes on.",
        )
    },
    Button {
        note: Some("How that is known"),
        value: Value::Output,
        grave: true,
        ..button(
            "decide_output",
            "Replace the output",
            "Puts another output in the place of one that the program cannot read. The saga stays parked; once all can be read, \
             unpark it.",
        )
    },
];

/// What a form asks for.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Asked {
    pub(super) command: String,
    pub(super) node: String,
    pub(super) note: String,
    /// The output of a node, or what is known about an event, as JSON.
    pub(super) value: String,
    /// The name of an event.
    pub(super) event: String,
    /// Its revision; none is 0.
    pub(super) revision: String,
    /// What tells it from others of its name; none is one of its own.
    pub(super) event_id: String,
    pub(super) csrf: String,
    /// Which prediction the reader has seen.
    pub(super) seen: String,
    /// Which form it is, so that it is carried out once, however often it is sent.
    pub(super) form: String,
}

impl Asked {
    pub(super) fn button(&self) -> Result<&'static Button, Problem> {
        let of = if self.node.is_empty() { &OF_SAGAS[..] } else { &OF_NODES[..] };
        let found = of.iter().find(|button| button.word == self.command);
        found.ok_or_else(|| Problem::bad("There is no such request."))
    }

    /// `None` if a value that it needs is not given yet.
    pub(super) fn command(&self) -> Result<Option<Command>, Problem> {
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
            "decide_succeeded" | "decide_output" => {
                let Some(output) = self.value("output")? else { return Ok(None) };
                let decision = Decision::with_output(output);
                let decision = decision.map_err(|error| Problem::bad(error.to_string()))?;
                Command::Decide { node, decision, note }
            }
            "signal" => {
                let Some(value) = self.value("value of the event")? else { return Ok(None) };
                let payload = Payload::from(value.get().as_bytes());
                Command::Signal { event: self.event()?, event_id: self.event_id()?, payload }
            }
            _ => return Err(Problem::bad("There is no such request.")),
        }))
    }

    /// The value that is given, as it is written: numbers of any size stay as they are.
    fn value(&self, what: &str) -> Result<Option<&RawValue>, Problem> {
        if self.value.trim().is_empty() {
            return Ok(None);
        }
        let value = serde_json::from_str(&self.value);
        value.map(Some).map_err(|error| Problem::bad(format!("The {what} is not JSON: {error}")))
    }

    fn event(&self) -> Result<EventType, Problem> {
        let revision = match self.revision.trim() {
            "" => 0,
            revision => revision
                .parse()
                .map_err(|_| Problem::bad("The revision of an event is a number."))?,
        };
        EventType::new(self.event.trim(), revision)
            .map_err(|why| Problem::bad(format!("That is no name of an event: {why}")))
    }

    /// Without one, the form tells the event from others: it is carried out once.
    fn event_id(&self) -> Result<String, Problem> {
        let id = self.event_id.trim();
        if id.len() > MAX_EVENT_ID {
            return Err(Problem::bad(format!(
                "The id of an event has at most {MAX_EVENT_ID} bytes."
            )));
        }
        Ok(if id.is_empty() { self.form.clone() } else { id.to_string() })
    }

    /// The command by which it is found out whether the button is shown: what asks for an output is offered like its opposite.
    /// An event is offered to a saga that waits for it.
    pub(super) fn probe(button: &Button, node: &str) -> Option<Command> {
        let word = match button.value {
            Value::None => button.word,
            Value::Output => "decide_failed",
            Value::Event => return None,
        };
        let (command, node) = (word.to_string(), node.to_string());
        Self { command, node, ..Self::default() }.command().ok().flatten()
    }
}
