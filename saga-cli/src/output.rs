//! Where results go: text for people, JSON for programs.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::text::escape::json_text;

/// Standard output, as text or as JSON.
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Shows a result: as JSON if that was asked for, otherwise as this text.
    pub(crate) fn show<T: Serialize>(
        &self,
        facts: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self.json {
            true => self.print(&format!("{}\n", json(facts, true)?)),
            false => self.print(&text(facts)),
        }
    }

    /// Shows one result of several that come one after the other: as a line of JSON, or as this text.
    pub(crate) fn line<T: Serialize>(
        &self,
        facts: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self.json {
            true => self.print(&format!("{}\n", json(facts, false)?)),
            false => self.print(&text(facts)),
        }
    }

    /// Prints text as it is.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            // whoever reads the output has seen enough
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            Err(error) => Err(Failure::error(format!("cannot write the output: {error}"))),
        }
    }

    /// Says something to a person, beside the result.
    pub(crate) fn note(&self, text: &str) {
        // nobody is there to be told that it failed
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Says why the program fails, and returns how it ends.
    pub(crate) fn failure(&self, failure: &Failure) -> Exit {
        if self.json {
            let error = ErrorJson { error: &failure.message, exit_code: failure.exit.code() };
            if let Ok(text) = json(&error, false) {
                self.note(&text);
                return failure.exit;
            }
        }
        self.note(&format!("saga: {}", failure.line()));
        failure.exit
    }
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    error: &'a str,
    exit_code: u8,
}

/// JSON without characters that change what a terminal does.
fn json(facts: &impl Serialize, pretty: bool) -> Result<String, Failure> {
    let text = match pretty {
        true => serde_json::to_string_pretty(facts),
        false => serde_json::to_string(facts),
    };
    let text = text.map_err(|error| Failure::error(format!("cannot write JSON: {error}")))?;
    Ok(json_text(&text))
}
