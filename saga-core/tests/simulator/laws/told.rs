//! What handles, operators and `inspect` say, compared with the log.

use std::collections::BTreeMap;

use saga_core::SagaId;
use saga_core::log::{Entry, SagaEntry};
use saga_core::machine::{NodeState, SagaState};
use saga_core::operator::{Answer, Command, SagaView};
use saga_core::prelude::*;
use serde_json::Value;

use super::log_view::{Book, chapters};
use super::{Broken, Case, Evidence, Holds, holds};

/// What somebody was told about a saga.
pub(crate) enum Told {
    /// The answer to a request of an operator whose name no other request has.
    Answer { saga: SagaId, by: String, command: Command, answer: Answer },
    /// What an operator has asked of the saga, in this order, by the names of the requests.
    Asked { saga: SagaId, by: Vec<String> },
    /// An error of the store: nobody knows whether the request is in it, or when it arrives there.
    NotLeft { by: String },
    /// What became of the saga, by a handle.
    Ended { saga: SagaId, result: Result<Value, SagaError> },
    /// An `inspect` while it ran, or afterwards.
    View { saga: SagaId, view: Box<SagaView> },
}

impl Case<'_> {
    pub(super) fn told(
        &self,
        evidence: &Evidence<'_>,
        book: &Book<'_>,
        outputs: &BTreeMap<String, Value>,
    ) -> Holds {
        for told in evidence.told {
            match told {
                Told::Answer { saga, by, command, answer } if *saga == self.saga.id => {
                    self.answered(book, by, command, answer)?;
                }
                Told::Ended { saga, result } if *saga == self.saga.id => {
                    self.ended_as(result, outputs)?;
                }
                Told::View { saga, view } if *saga == self.saga.id => self.seen(view)?,
                Told::Asked { saga, by } if *saga == self.saga.id => self.in_order(evidence, by)?,
                Told::Answer { .. }
                | Told::Ended { .. }
                | Told::View { .. }
                | Told::Asked { .. }
                | Told::NotLeft { .. } => {}
            }
        }
        Ok(())
    }

    /// Who is told that it is done finds it in the log, once; who is refused does not.
    fn answered(&self, book: &Book<'_>, by: &str, command: &Command, answer: &Answer) -> Holds {
        let mine = self.log.iter().filter_map(|entry| match entry.saga_entry() {
            Some(SagaEntry::Requested { id, by: who, command: what }) if who == by => {
                Some((id, what))
            }
            _ => None,
        });
        let mine = mine.collect::<Vec<_>>();
        let about = |why: &str| format!("{by} asked for {command:?}, was told {answer:?}: {why}");
        holds("told", mine.len() <= 1, || about("it is in the log twice"))?;
        let requested = mine.first();
        let same = requested.is_none_or(|(_, what)| ***what == *command);
        holds("told", same, || about("the log has another command"))?;
        let refused = requested.and_then(|(id, _)| book.refused.get(id));
        match answer {
            Answer::Done => {
                let done = requested.is_some() && refused.is_none();
                holds("told", done, || about("it is not in the log, or was refused"))
            }
            Answer::NothingToDo { .. } | Answer::Duplicate => {
                holds("told", requested.is_none(), || about("it is in the log"))
            }
            Answer::Held => {
                let open = requested.is_some_and(|(id, _)| book.open.contains_key(*id));
                holds("told", requested.is_some(), || about("it is not in the log"))?;
                let decided = book.ended.is_none() || !open;
                holds("told", decided, || about("the saga has ended, and it is not decided"))
            }
            Answer::Refused(why) => {
                let fits = requested.is_none() || refused == Some(why);
                holds("told", fits, || about("the log says something else"))
            }
        }
    }

    /// What one operator asked for is granted in the order in which they asked for it.
    fn in_order(&self, evidence: &Evidence<'_>, by: &[String]) -> Holds {
        let not_left = |by: &String| {
            let told = evidence.told.iter();
            told.clone().any(|told| matches!(told, Told::NotLeft { by: lost } if lost == by))
        };
        let asked = by.iter().filter(|by| !not_left(by)).collect::<Vec<_>>();
        let granted = self.log.iter().filter_map(|entry| match entry.saga_entry() {
            Some(SagaEntry::Requested { by, .. }) => asked.iter().position(|asked| *asked == by),
            _ => None,
        });
        let granted = granted.collect::<Vec<_>>();
        holds("order", granted.is_sorted(), || {
            let granted = granted.iter().map(|n| asked[*n]).collect::<Vec<_>>();
            format!("an operator asked for {asked:?}, and the log has {granted:?}")
        })
    }

    /// What a handle gives is one of the ends that the log has.
    fn ended_as(
        &self,
        result: &Result<Value, SagaError>,
        outputs: &BTreeMap<String, Value>,
    ) -> Holds {
        let ends = |status| {
            let is = SagaEntry::Ended(status);
            (1..=self.log.len()).filter(move |n| self.log[n - 1].saga_entry() == Some(&is))
        };
        let about = |why: &str| format!("a handle gave {result:?}: {why}");
        match result {
            Ok(value) => {
                let ended = ends(SagaStatus::Completed).next().is_some();
                holds("told", ended, || about("it has not completed"))?;
                let expected = self.plan().result(&|path: &str| outputs.get(path).cloned());
                let what = || about(&format!("its nodes give {expected:?}"));
                holds("told", expected.as_ref() == Some(value), what)
            }
            Err(error @ (SagaError::RolledBack(report) | SagaError::Stuck(report))) => {
                let stuck = matches!(error, SagaError::Stuck(_));
                let status = if stuck { SagaStatus::Stuck } else { SagaStatus::RolledBack };
                let mut lists = Vec::new();
                for n in ends(status) {
                    lists.push(Lists::of_log(self, n)?);
                }
                let remain = report.remaining_effects().map(ToString::to_string).collect();
                let may_remain = report.possible_effects().map(ToString::to_string).collect();
                let resolved = report.resolved().map(ToString::to_string).collect();
                let told = Lists { remain, may_remain, resolved };
                holds("told", lists.contains(&told), || about(&format!("the log says {lists:?}")))
            }
            Err(SagaError::Parked { .. }) => {
                let parked = |e: &Entry| matches!(e.saga_entry(), Some(SagaEntry::Parked { .. }));
                holds("told", self.log.iter().any(parked), || about("it was never parked"))
            }
            Err(SagaError::WaitsForItself { .. } | SagaError::Corrupt { .. }) => {
                holds("told", false, || about("this cannot happen"))
            }
            // it is not known here, and nothing is said about it
            Err(_) => Ok(()),
        }
    }

    /// A view is a beginning of the log, and its nodes are what that says.
    fn seen(&self, view: &SagaView) -> Holds {
        let entries = view.log.entries();
        let beginning = self.log.get(..entries.len()) == Some(entries);
        holds("told", beginning, || format!("a view has other entries than the log: {entries:?}"))?;
        let state = self.fold(entries.len())?;
        let seen = view.nodes.iter().map(|n| (n.node.to_string(), n.state, n.in_doubt, n.attempts));
        let nodes = state.nodes();
        let logged = nodes.iter().map(|n| (n.path.to_string(), n.shown(), n.in_doubt, n.attempts));
        let (seen, logged) = (seen.collect::<Vec<_>>(), logged.collect::<Vec<_>>());
        holds("told", seen == logged, || format!("a view has {seen:?}, its log says {logged:?}"))
    }

    fn fold(&self, len: usize) -> Result<SagaState, Broken> {
        let log = &self.log[..len];
        let plan = self.saga.plan(chapters(log).len() - 1).dag.dag().plan().clone();
        let state = SagaState::fold(plan, log);
        state.map_err(|why| Broken { law: "I2", what: format!("the log cannot be read: {why}") })
    }
}

/// The effects that a report lists.
#[derive(Debug, PartialEq, Eq)]
struct Lists {
    remain: Vec<String>,
    may_remain: Vec<String>,
    resolved: Vec<String>,
}

impl Lists {
    fn of_log(case: &Case<'_>, len: usize) -> Result<Self, Broken> {
        let state = case.fold(len)?;
        let nodes = state.nodes();
        let remains = |n: &&NodeState| match n.state {
            ActionState::UndoFailed => !n.in_doubt,
            ActionState::Completed => n.has_undo,
            ActionState::Pending
            | ActionState::Running
            | ActionState::Waiting
            | ActionState::Failed
            | ActionState::InDoubt
            | ActionState::Undoing
            | ActionState::Undone
            | ActionState::Resolved
            | ActionState::Skipped => false,
        };
        let names = |nodes: Vec<&NodeState>| nodes.iter().map(|n| n.path.to_string()).collect();
        let failed = |n: &&NodeState| n.state == ActionState::UndoFailed && n.in_doubt;
        let mut remain: Vec<String> = names(nodes.iter().filter(remains).collect());
        // nobody undoes them any more
        remain.extend(kept(&case.log[..len]));
        Ok(Self {
            remain,
            may_remain: names(nodes.iter().filter(failed).collect()),
            resolved: names(nodes.iter().filter(|n| n.resolved).collect()),
        })
    }
}

/// The effects that the last migration lists.
fn kept(log: &[Entry]) -> Vec<String> {
    let migrated = log.iter().rev().find_map(|entry| match entry.saga_entry() {
        Some(SagaEntry::Migrated(migrated)) => Some(migrated),
        _ => None,
    });
    migrated.map_or_else(Vec::new, |it| it.kept.iter().map(ToString::to_string).collect())
}
