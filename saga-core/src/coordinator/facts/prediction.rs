//! What a prediction says.

use std::fmt;

use serde::Serialize;

#[cfg(doc)]
use crate::coordinator::operator::Operator;
use crate::log::{Answer, Command, Entry, NodePath, SagaId, in_words};

/// What a request would do, from [`Operator::predict`]. `Display` shows it as text.
///
/// It is what the saga's log leads to at the moment when it is read. The worker that runs the saga may meanwhile go on, and
/// knows whether a call has just ended, so what it writes can differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Prediction {
    /// The saga.
    pub saga: SagaId,
    /// The command's word.
    pub command: &'static str,
    /// The answer to the request; `None` if the log alone does not tell.
    pub answer: Option<Answer>,
    /// On which condition the request is refused after all, although the log allows it: only the program that runs the saga can
    /// read its values. Then [`answer`](Self::answer) is `None`, and an operator that comes from a coordinator can tell.
    pub unless: Option<String>,
    /// What to know first, as clauses: that no worker runs the saga, so that the request waits in the store, and which other
    /// requests wait there.
    pub before: Vec<String>,
    /// The entries that would be written to the log in one append.
    pub entries: Vec<PredictedEntry>,
    /// What would be done once they are written, in words.
    pub then: Vec<String>,
}

/// An entry that would be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PredictedEntry {
    /// The word of its kind.
    pub kind: &'static str,
    /// Which node it is about, if it is about one.
    pub node: Option<NodePath>,
    /// Which attempt, from 1; 0 if it is about none.
    pub attempt: u32,
    /// The entry in words.
    pub text: String,
}

impl Prediction {
    /// True if the saga would refuse the request, or there is nothing to do: nothing is written.
    pub fn changes_nothing(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn refused(saga: &SagaId, command: &Command, answer: Answer) -> Self {
        let answer = Some(answer);
        let (saga, command) = (saga.clone(), command.name());
        let (before, entries, then) = (Vec::new(), Vec::new(), Vec::new());
        Self { saga, command, answer, unless: None, before, entries, then }
    }
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { saga, command, answer, unless, before, entries, then } = self;
        for line in before {
            writeln!(f, "note: {line}")?;
        }
        match answer {
            Some(Answer::Done) => writeln!(f, "{command} of {saga} would write:")?,
            Some(Answer::Held) => {
                writeln!(f, "{command} of {saga} would wait for the end of the pivot, and write:")?;
            }
            Some(Answer::NothingToDo { status }) => {
                writeln!(f, "{command} of {saga} would change nothing: it is {status} already")?;
            }
            Some(Answer::Duplicate) => {
                writeln!(f, "{command} of {saga} would change nothing: it has this event already")?;
            }
            Some(Answer::Refused(why)) => {
                writeln!(f, "{command} of {saga} would be refused: {why}")?;
            }
            None => match unless {
                Some(unless) => writeln!(f, "{command} of {saga}, unless {unless}, would write:")?,
                None => {
                    writeln!(f, "what {command} of {saga} would do cannot be told from its log")?
                }
            },
        }
        for PredictedEntry { text, .. } in entries {
            // a note with several lines must not look like several entries
            writeln!(f, "  {}", text.replace('\n', "\\n").replace('\r', "\\r"))?;
        }
        for line in then {
            writeln!(f, "then: {line}")?;
        }
        Ok(())
    }
}

impl From<&Entry> for PredictedEntry {
    fn from(entry: &Entry) -> Self {
        Self {
            kind: entry.kind.name(),
            node: entry.node().cloned(),
            attempt: entry.attempt(),
            text: in_words(entry),
        }
    }
}
