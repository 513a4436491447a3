//! What a process says before it dies, a line each: what was acknowledged to it, and its effects outside. A line is one
//! write to a file that is kept by whoever started the process, so it outlives a kill.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Said {
    Starting {
        saga: String,
    },
    /// The start was acknowledged.
    Started {
        saga: String,
    },
    Ended {
        saga: String,
    },
    /// An effect outside.
    Done {
        saga: String,
        what: String,
    },
    Undone {
        saga: String,
        what: String,
    },
    Asking {
        saga: String,
        command: String,
    },
    /// An operator was told that it is done, or that the store has the request.
    Asked {
        saga: String,
        command: String,
    },
    /// A saga goes on under another definition.
    Redefined,
    /// A saga is suspended until it is due.
    Suspended,
    /// It was claimed when it was due.
    Claimed,
    /// Ended sagas may be removed from now on.
    Purging,
    Purged,
    /// The store has failed.
    Failed {
        why: String,
    },
    /// The life is over.
    Over,
}

/// Where a process says it.
#[derive(Debug)]
pub(crate) struct Says(File);

impl Says {
    pub(crate) fn to(path: &Path) -> Self {
        Self(OpenOptions::new().create(true).append(true).open(path).unwrap())
    }

    pub(crate) fn say(&self, said: &Said) {
        let line = serde_json::to_string(said).unwrap() + "\n";
        (&self.0).write_all(line.as_bytes()).unwrap();
    }
}

/// Everything that was said.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) starting: BTreeSet<String>,
    pub(crate) started: BTreeSet<String>,
    pub(crate) ended: BTreeSet<String>,
    /// Whether an effect is there: none is after its undo.
    effects: BTreeMap<(String, String), bool>,
    asking: BTreeSet<(String, String)>,
    asked: BTreeSet<(String, String)>,
    pub(crate) redefined: bool,
    pub(crate) suspended: bool,
    pub(crate) claimed: bool,
    pub(crate) purging: bool,
    pub(crate) failures: Vec<String>,
    pub(crate) over: bool,
}

impl Heard {
    pub(crate) fn of(lines: &str) -> Self {
        let mut heard = Self::default();
        for line in lines.lines() {
            heard.hear(serde_json::from_str(line).unwrap());
        }
        heard
    }

    pub(crate) fn hear(&mut self, said: Said) {
        match said {
            Said::Starting { saga } => drop(self.starting.insert(saga)),
            Said::Started { saga } => drop(self.started.insert(saga)),
            Said::Ended { saga } => drop(self.ended.insert(saga)),
            Said::Done { saga, what } => drop(self.effects.entry((saga, what)).or_insert(true)),
            Said::Undone { saga, what } => drop(self.effects.insert((saga, what), false)),
            Said::Asking { saga, command } => drop(self.asking.insert((saga, command))),
            Said::Asked { saga, command } => drop(self.asked.insert((saga, command))),
            Said::Redefined => self.redefined = true,
            Said::Suspended => self.suspended = true,
            Said::Claimed => self.claimed = true,
            Said::Purging => self.purging = true,
            Said::Purged => {}
            Said::Failed { why } => self.failures.push(why),
            Said::Over => self.over = true,
        }
    }

    /// The sagas that were given a command, and were told so.
    pub(crate) fn asked<'a>(&'a self, command: &'a str) -> impl Iterator<Item = &'a str> {
        let asked = self.asked.iter().filter(move |(_, asked)| asked == command);
        asked.map(|(saga, _)| saga.as_str())
    }

    /// True if this command may have been given.
    pub(crate) fn asking(&self, saga: &str, command: &str) -> bool {
        self.asking.contains(&(saga.to_string(), command.to_string()))
    }

    /// The effects of a saga that are there.
    pub(crate) fn effects(&self, saga: &str) -> Vec<&str> {
        let there = self.effects.iter().filter(|((of, _), there)| of == saga && **there);
        there.map(|((_, what), _)| what.as_str()).collect()
    }

    /// All sagas that anything was said about.
    pub(crate) fn sagas(&self) -> BTreeSet<&str> {
        let acted = self.effects.keys().map(|(saga, _)| saga.as_str());
        self.starting.iter().map(String::as_str).chain(acted).collect()
    }
}
