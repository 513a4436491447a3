//! What must hold of every run, read off the final logs, what the world saw, and what handles and operators were told.
//! The laws are written from the rules, not from the code of the machine.
//!
//! | law | says |
//! |---|---|
//! | I2 | each node's log is a legal path |
//! | I3 | completed: every effect once. Rolled back: none, also once all calls have arrived. Stuck: those that are listed |
//! | I4 | an action starts only once the outputs of its ancestors, and its own `started`, are durable |
//! | I5 | an undo starts only once the decision is durable, and what came after its node is settled |
//! | I6 | no action starts after the decision, but the repetition of one in doubt whose undo needs its output |
//! | I7 | the same key, the same input and the same answer |
//! | lease | no call begins after the lease of its process has ended |
//! | timeout | a call that has a timeout ends with it |
//! | limits | no more calls are in flight than the settings allow, in one process and in all that have their lease |
//! | migrated | a saga is migrated only where its version may be left, and each node stands where it stood; what is dropped is not undone |
//! | order | what an operator asks of a saga is granted in the order in which it was asked |
//! | told | handles, reports and operators are told what the log says |

mod calls;
mod effects;
// the same laws are checked of the machine alone, where the expansion of a DAG and the fold of a log are shared
#[path = "../../machine/simulation/expand.rs"]
mod expand;
mod limits;
#[path = "../../machine/simulation/log_view.rs"]
#[allow(dead_code, reason = "only the laws of the machine alone look at the deadline of a saga")]
mod log_view;
mod logs;
mod migrated;
mod times;
mod told;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use saga_core::SagaId;
use saga_core::log::{Entry, NodeEntry};
use saga_core::machine::Config;
use saga_core::store::StoredSaga;
use serde_json::Value;
use uuid::Uuid;

use self::expand::Expanded;
use self::log_view::{Book, chapters, dags_of};
pub(crate) use self::told::Told;
use crate::sagas::{SagaPlan, Settings, Version, Versions};
use crate::world::{Call, Receiver, World};

/// A law that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) law: &'static str,
    pub(crate) what: String,
}

type Holds = Result<(), Broken>;

/// Everything that is known at the end of a run.
pub(crate) struct Evidence<'a> {
    pub(crate) sagas: Vec<Ended<'a>>,
    pub(crate) world: &'a World,
    pub(crate) settings: &'a Settings,
    pub(crate) told: &'a [Told],
}

pub(crate) struct Ended<'a> {
    pub(crate) id: SagaId,
    pub(crate) versions: &'a Versions,
    /// The version that it was started with.
    pub(crate) first: Version,
    pub(crate) stored: StoredSaga,
}

/// Breaks a law unless this is so.
fn holds(law: &'static str, is: bool, what: impl FnOnce() -> String) -> Holds {
    if is { Ok(()) } else { Err(Broken { law, what: what() }) }
}

/// Checks all laws.
pub(crate) fn check(evidence: &Evidence<'_>) -> Holds {
    if let Some(broken) = evidence.world.broken() {
        return Err(broken);
    }
    let calls = evidence.world.calls();
    calls::same_key_same_input(&calls)?;
    limits::check(evidence.settings, &calls, &evidence.sagas)?;
    times::check(&calls)?;
    for saga in &evidence.sagas {
        let calls = calls.iter().filter(|call| call.saga == saga.id).collect::<Vec<_>>();
        let about = |broken: Broken| Broken {
            what: format!("saga {}: {}", saga.id, broken.what),
            ..broken
        };
        Case::of(saga, evidence, &calls).check(evidence).map_err(about)?;
    }
    Ok(())
}

/// One saga, and what the world knows about it.
struct Case<'a> {
    saga: &'a Ended<'a>,
    log: &'a [Entry],
    /// One for each version that it has had.
    dags: Vec<Expanded>,
    config: Config,
    calls: &'a [&'a Call],
    /// The keys of the actions that were called, by node: several if the action has fresh keys.
    keys: BTreeMap<&'a str, BTreeSet<Uuid>>,
    /// The key of each generation, as far as calls were seen: of which node, and how many keys it had before.
    generations: RefCell<BTreeMap<(String, u32), Uuid>>,
    world: &'a World,
}

/// What is known of a saga in one version of it.
struct Chapter<'a> {
    version: Version,
    plan: &'a SagaPlan,
    /// The outputs so far, by path.
    outputs: BTreeMap<String, Value>,
}

impl<'a> Case<'a> {
    fn of(saga: &'a Ended<'a>, evidence: &'a Evidence<'a>, calls: &'a [&'a Call]) -> Self {
        let log = &saga.stored.entries;
        let config =
            Config { max_concurrency: evidence.settings.max_concurrency, ..Config::default() };
        let mut keys = BTreeMap::<_, BTreeSet<_>>::new();
        for call in calls {
            keys.entry(call.who.as_str()).or_default().insert(call.action_key);
        }
        let versions = chapters(log).len();
        let plans = (0..versions).map(|chapter| saga.plan(chapter).dag.dag().plan().clone());
        let dags = dags_of(&plans.collect::<Vec<_>>(), log);
        let generations = RefCell::default();
        Self { saga, log, dags, config, calls, keys, generations, world: evidence.world }
    }

    /// The version that it has in the end.
    fn version(&self) -> Version {
        self.saga.first + self.dags.len() - 1
    }

    fn plan(&self) -> &'a SagaPlan {
        self.saga.plan(self.dags.len() - 1)
    }

    /// The keys of the action at this path, as far as it was called.
    fn keys(&self, version: Version, path: &str) -> impl Iterator<Item = &Uuid> {
        self.keys.get(self.saga.versions.who(version, path).as_str()).into_iter().flatten()
    }

    /// What the receiver of this action knows, under all of its keys.
    fn receiver(&self, version: Version, path: &str) -> Option<Receiver> {
        self.known_under(self.keys(version, path))
    }

    fn known_under<'k>(&self, keys: impl IntoIterator<Item = &'k Uuid>) -> Option<Receiver> {
        let known = keys.into_iter().filter_map(|key| self.world.receiver(key));
        known.reduce(Receiver::and)
    }

    fn check(&self, evidence: &Evidence<'_>) -> Holds {
        let mut calls = calls::first_of_attempts(self.calls);
        calls.sort_by_key(|call| call.durable);
        let mut calls = calls.into_iter().peekable();
        let mut book = Book::new(&self.dags[0], &self.config);
        let mut known = Vec::<Chapter<'_>>::new();
        for (number, part) in chapters(self.log).iter().enumerate() {
            let (told_again, new) = part.entries.split_at(part.retold);
            let chapter = Chapter {
                version: self.saga.first + number,
                plan: self.saga.plan(number),
                outputs: outputs(told_again),
            };
            if let Some(before) = known.last() {
                book = self.migrated(&book, before, &chapter, part)?;
            }
            known.push(chapter);
            for entry in new {
                logs::may_follow(&book, entry)?;
                let chapter = known.last_mut().unwrap();
                self.answer_is_the_receivers(&book, chapter.version, entry)?;
                book.apply(entry);
                chapter.outputs.extend(outputs(std::slice::from_ref(entry)));
                while let Some(call) = calls.next_if(|call| call.durable <= entry.seq) {
                    calls::began(self, &book, &known, call)?;
                }
            }
        }
        if let Some(call) = calls.next() {
            let what = format!("{} was called before anything was durable", call.path);
            return Err(Broken { law: "I4", what });
        }
        self.effects(&book)?;
        self.left_behind()?;
        self.told(evidence, &book, &known.last().unwrap().outputs)
    }
}

impl<'a> Ended<'a> {
    /// The version that it has after so many migrations.
    fn plan(&self, chapter: usize) -> &'a SagaPlan {
        self.versions.plan(self.first + chapter)
    }
}

/// The outputs in these entries, by path.
fn outputs(entries: &[Entry]) -> BTreeMap<String, Value> {
    let output = |entry: &Entry| match (entry.node(), entry.node_entry()) {
        (Some(node), Some(NodeEntry::Succeeded(output))) => {
            let output = serde_json::from_slice::<Value>(output.as_bytes());
            Some((node.to_string(), output.unwrap_or_default()))
        }
        _ => None,
    };
    entries.iter().filter_map(output).collect()
}
