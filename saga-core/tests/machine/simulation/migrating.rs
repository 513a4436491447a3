//! Migrations in a simulated run: whoever takes the saga over has another version of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use saga_core::dag::Plan;
use saga_core::log::{Entry, Timestamp};
use saga_core::machine::{Ineligible, Mapping, SagaState};

use super::eligible::Eligibility;
use super::law::Law;
use super::log_view::{book_of, dags_of};
use super::run::Runner;
use super::tape::Tape;
use super::versions::{Version, next_version};
use super::world::split;

/// The versions of a saga in a run.
#[derive(Debug, Clone)]
pub(crate) struct Versions {
    /// What the versions are is drawn from this tape.
    tape: Tape,
    /// How many processes more may come with another version.
    pub(super) left: u32,
    /// The plan that the saga began with, and those of the versions that it was migrated to.
    pub(super) plans: Vec<Arc<Plan>>,
    /// How it came to each of them but the first.
    pub(super) versions: Vec<Arc<Version>>,
    /// The version that the saga waits for while it settles.
    target: Option<Arc<Version>>,
    /// True if it has found out what it settled for.
    pub(super) settled: bool,
    /// Which processes first find out how calls have ended, and since when.
    pub(super) settling: BTreeMap<u64, Timestamp>,
    /// All names that nodes of the outermost DAG have had.
    names: BTreeSet<String>,
    /// Who the nodes of the outermost DAG are, by their present names.
    who: BTreeMap<String, usize>,
    next: usize,
    /// Which of them has made calls under a key, by the name in the key.
    called: BTreeMap<String, usize>,
    /// The keys of kept effects, and whether they must be there.
    pub(super) kept: BTreeMap<String, bool>,
    /// What became of each attempt to migrate, in a word.
    pub(crate) tried: Vec<&'static str>,
}

impl Versions {
    pub(super) fn new(plan: &Arc<Plan>, left: u32, tape: Vec<u8>) -> Self {
        let names = || plan.nodes().iter().map(|node| node.name.to_string());
        Self {
            tape: Tape::new(tape),
            left,
            plans: vec![plan.clone()],
            versions: Vec::new(),
            target: None,
            settled: false,
            settling: BTreeMap::new(),
            names: names().collect(),
            who: names().zip(0..).collect(),
            next: plan.nodes().len(),
            called: BTreeMap::new(),
            kept: BTreeMap::new(),
            tried: Vec::new(),
        }
    }

    /// A call of this node goes out under this key.
    pub(super) fn calls(&mut self, path: &str, key: &str) {
        let ((name, within), (used, inside)) = (split(path), split_key(key));
        let who = self.who[name];
        let first = *self.called.entry(used.to_string()).or_insert(who);
        let other = self.called.iter().find(|(key, caller)| **caller == who && **key != used);
        let own = first == who && other.is_none() && within == inside;
        Law::KeysStayWithTheirNodes
            .holds(own, || format!("{path} calls under {key}, {other:?}: {:?}", self.called));
    }

    /// The saga has this version now.
    fn take(&mut self, version: Arc<Version>) {
        let before = std::mem::take(&mut self.who);
        let old = self.plans.last().expect("a plan").clone();
        for (new, node) in (0..).zip(version.plan.nodes()) {
            let was = version.was(new).map(|was| before[old.nodes()[was as usize].name.as_str()]);
            let who = was.unwrap_or(self.next);
            self.next += usize::from(was.is_none());
            self.who.insert(node.name.to_string(), who);
            self.names.insert(node.name.to_string());
        }
        self.plans.push(version.plan.clone());
        self.versions.push(version);
    }
}

/// The name in a key, which may have a number, and the rest.
fn split_key(key: &str) -> (&str, &str) {
    let Some((_, behind)) = key.split_once("##") else { return split(key) };
    let at = key.len() - behind.len();
    let numbered = behind.find(['/', '[', '#']).unwrap_or(behind.len());
    key.split_at(at + numbered)
}

impl Runner {
    /// Migrates the saga if the process that takes it over has another version and the saga is eligible. True if it must
    /// settle first.
    pub(super) fn migrate(&mut self) -> bool {
        let has_settled = std::mem::take(&mut self.versions.settled);
        while !self.log.is_empty() && (self.versions.target.is_some() || self.versions.left > 0) {
            let waited = self.versions.target.take();
            let settled = waited.is_some();
            let version = waited.unwrap_or_else(|| {
                self.versions.left -= 1;
                let plan = self.setup.plan.clone();
                let names = &self.versions.names;
                Arc::new(next_version(&plan, names, &mut self.versions.tape))
            });
            match self.try_to_migrate(&version) {
                Ok(()) => self.versions.tried.push("migrated"),
                Err(why) => {
                    self.versions.tried.push(word(&why));
                    let waits = matches!(
                        why,
                        Ineligible::InDoubt { .. }
                            | Ineligible::ScopeUnwinds { .. }
                            | Ineligible::RequestHeld
                    );
                    if waits {
                        let over = settled && has_settled;
                        Law::SettlingFindsOut.holds(!over, || format!("settled, but {why}"));
                        self.versions.target = Some(version);
                    }
                    return waits;
                }
            }
        }
        false
    }

    fn try_to_migrate(&mut self, version: &Arc<Version>) -> Result<(), Ineligible> {
        let state = SagaState::fold(self.setup.plan.clone(), &self.log);
        let state = state.unwrap_or_else(|why| Law::LogIsLegal.is_broken(why));
        let number = self.versions.plans.len() as u32;
        let mapping = Mapping {
            plan: &version.plan,
            fates: &version.fates,
            versions: (number, number + 1, "of old"),
            convert: &|old, output| version.convert(old, output),
        };
        let told = state.migrate(&self.log, &mapping);
        let dags = dags_of(&self.versions.plans, &self.log);
        let book = book_of(&dags, &self.setup.config, &self.log);
        let old = &self.setup.plan;
        let eligibility = Eligibility { book: &book, log: &self.log, old, version };
        let kinds = match told {
            Ok(kinds) => kinds,
            Err(why) => {
                eligibility.is_true(&why);
                return Err(why);
            }
        };
        eligibility.holds();
        let kept = eligibility.kept();
        let at = self.now.max(self.log.last().map_or(self.now, |entry| entry.at));
        let entries = (state.next_seq()..).zip(kinds);
        let entries = entries.map(|(seq, kind)| Entry { seq, epoch: self.epoch, at, kind });
        let log = self.log.iter().cloned().chain(entries).collect::<Vec<_>>();
        let state = match SagaState::fold(version.plan.clone(), &log) {
            Ok(state) => state,
            Err(why) => {
                Law::LogIsLegal.is_broken(format!("{why} after a migration: {log:#?}"));
            }
        };
        let mut paths = state.kept_effects().iter().map(ToString::to_string).collect::<Vec<_>>();
        let before = self.kept_before();
        let mut new = paths.split_off(before.len().min(paths.len()));
        new.sort();
        let same = paths == before && new.iter().eq(kept.keys());
        Law::KeptEffectsAreListed
            .holds(same, || format!("{before:?} and {kept:?}, not {paths:?} and {new:?}"));
        let key = |path: &String| {
            let generation = book.status[book.dag.by_path[path]].generation;
            (self.world.key(path), generation)
        };
        let keys = state.kept_keys().skip(before.len()).map(|k| (k.name, k.generation));
        let keys = keys.collect::<BTreeSet<_>>();
        let expected = kept.keys().map(key).collect::<BTreeSet<_>>();
        Law::KeptEffectsAreListed
            .holds(keys == expected, || format!("with keys {keys:?}, not {expected:?}"));
        let keyed = kept.iter().map(|(path, there)| (self.world.key(path), *there));
        self.versions.kept.extend(keyed.collect::<Vec<_>>());
        self.log = log;
        self.setup.plan = version.plan.clone();
        self.versions.take(version.clone());
        self.world.keys = state.keys().cloned().unwrap_or_default();
        Ok(())
    }

    fn kept_before(&self) -> Vec<String> {
        let last = SagaState::fold(self.setup.plan.clone(), &self.log);
        let last = last.unwrap_or_else(|why| Law::LogIsLegal.is_broken(why));
        last.kept_effects().iter().map(ToString::to_string).collect()
    }
}

fn word(why: &Ineligible) -> &'static str {
    match why {
        Ineligible::Ended => "ended",
        Ineligible::RollingBack => "rolling back",
        Ineligible::PastPivot { .. } => "past pivot",
        Ineligible::InDoubt { .. } => "in doubt",
        Ineligible::ScopeUnwinds { .. } => "scope unwinds",
        Ineligible::RequestHeld => "request held",
        Ineligible::TriedAgain { .. } => "tried again",
        Ineligible::NodeDropped { .. } => "node dropped",
        Ineligible::WaitChanged { .. } => "wait changed",
        Ineligible::PartsChanged { .. } => "parts changed",
        Ineligible::WaitsForOther { .. } => "waits for other",
        Ineligible::BecomesPivot { .. } => "becomes pivot",
        Ineligible::NotConverted { .. } => "not converted",
        _ => "unreadable",
    }
}
