//! The versions of a saga: what is different in the next one, and what becomes of each node.

mod change;

use std::collections::BTreeMap;
use std::sync::Arc;

use saga_core::{CoordinatorBuilder, Migration};
use serde_json::{Value, json};

use self::change::next_version;
use super::random::random;
use super::{Body, SagaPlan};
use crate::tape::Tape;
use crate::world::Site;

/// A saga with all of its versions, the first one first.
pub(crate) struct Versions {
    plans: Vec<Arc<SagaPlan>>,
    /// What leads from each of them to the next.
    changes: Vec<BTreeMap<String, Fate>>,
}

/// Which of the versions: 0 is the first.
pub(crate) type Version = usize;

/// What becomes of a node of the outermost DAG.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    Becomes {
        name: String,
        /// What is added to its output, if that is converted.
        adds: Option<u64>,
        /// False if it holds others, and they have changed.
        same_parts: bool,
        /// Its undo is another one.
        undo_accepted: bool,
    },
    Dropped,
    EffectKept,
    /// Nothing is said about it, since it has no undo.
    Forgotten,
}

/// An output as the next version has it. Some outputs cannot be converted.
pub(crate) fn converted(output: &Value, adds: u64) -> Option<Value> {
    match output.as_u64() {
        Some(n) if n % 3 == 2 => None,
        Some(n) => Some((n + adds).into()),
        None => Some(output.clone()),
    }
}

impl Versions {
    /// Saga number `index` of a run. What is different in its versions is drawn from a tape of its own.
    pub(crate) fn random(plans: &Tape, versions: &Tape, index: usize) -> Self {
        let mut body = random(plans);
        let later = if versions.chance(110) { 1 + versions.pick(2) } else { 0 };
        let mut these = Self { plans: Vec::new(), changes: Vec::new() };
        these.add(body.clone(), index);
        let (mut used, mut past) = (0, Vec::new());
        for _ in 0..later {
            let (next, changes) = next_version(&body, &mut used, &past, versions);
            past.extend(body.nodes.iter().map(|node| node.name.clone()));
            these.changes.push(changes);
            these.add(next.clone(), index);
            body = next;
        }
        these
    }

    fn add(&mut self, body: Body, index: usize) {
        let version = self.plans.len() as u32 + 1;
        let params = match version {
            1 => json!({ "saga": index }),
            _ => json!({ "saga": index, "version": version }),
        };
        let built = SagaPlan::build(&format!("Simulated{index}"), version, body, params);
        let plan = built.unwrap_or_else(|why| panic!("saga {index} cannot be built: {why}"));
        self.plans.push(Arc::new(plan));
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.plans.len()
    }

    pub(crate) fn plan(&self, version: Version) -> &Arc<SagaPlan> {
        &self.plans[version]
    }

    /// What a program starts that knows versions up to this one.
    pub(crate) fn known(&self, deployment: usize) -> &Arc<SagaPlan> {
        &self.plans[deployment.min(self.plans.len()) - 1]
    }

    /// Which version has this fingerprint.
    pub(crate) fn with_fingerprint(&self, fingerprint: &str) -> Option<Version> {
        self.plans.iter().position(|plan| plan.dag.dag().fingerprint() == fingerprint)
    }

    /// What becomes of the nodes of this version in the next one, by their names.
    pub(crate) fn changes(&self, version: Version) -> &BTreeMap<String, Fate> {
        &self.changes[version]
    }

    /// What a node of the outermost DAG was in the version before.
    pub(crate) fn was(&self, version: Version, now: &str) -> Option<(&str, &Fate)> {
        let mut changes = self.changes.get(version.checked_sub(1)?)?.iter();
        let became = |fate: &Fate| matches!(fate, Fate::Becomes { name, .. } if name == now);
        changes.find(|(_, fate)| became(fate)).map(|(old, fate)| (old.as_str(), fate))
    }

    /// Which node this is, whatever it is called in other versions.
    pub(crate) fn who(&self, version: Version, path: &str) -> String {
        let (name, within) = split(path);
        let (mut version, mut name) = (version, name);
        while let Some((was, _)) = self.was(version, name) {
            (version, name) = (version - 1, was);
        }
        format!("{name}@{version}{within}")
    }

    /// Registers the migrations of a program that knows versions up to this one.
    pub(crate) fn migrate(
        &self,
        mut builder: CoordinatorBuilder<Site>,
        deployment: usize,
    ) -> CoordinatorBuilder<Site> {
        let known = deployment.min(self.plans.len());
        for (old, changes) in self.changes.iter().enumerate().take(known - 1) {
            let (then, now) = (&self.plans[old], &self.plans[old + 1]);
            let migration = migration(now.params.clone(), changes);
            builder = builder.migrate_dags(then.dag.dag(), now.dag.dag(), migration);
        }
        builder
    }

    pub(crate) fn in_words(&self) -> String {
        let mut words = self.plans[0].in_words().trim_end().to_string();
        for (plan, changes) in self.plans.iter().skip(1).zip(&self.changes) {
            words.push_str(&format!("\nthen {changes:?}\n{}", plan.in_words().trim_end()));
        }
        words
    }
}

/// The name of the node of the outermost DAG that a path begins with, and the rest of the path.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.split_at(path.find(['/', '[', '#']).unwrap_or(path.len()))
}

fn migration(params: Value, changes: &BTreeMap<String, Fate>) -> Migration<Value, Value> {
    let mut migration = Migration::of_dags(move |_| params.clone());
    for (old, fate) in changes {
        match fate {
            Fate::Becomes { name, adds, undo_accepted, .. } => {
                if *undo_accepted {
                    migration = migration.undo_of_named_accepted(old);
                }
                let adds = *adds;
                migration = match adds {
                    Some(adds) => migration.named(old, name, move |output| {
                        // without a message on stderr
                        converted(&output, adds).unwrap_or_else(|| {
                            std::panic::resume_unwind(Box::new("it is of another time"))
                        })
                    }),
                    None if name != old => migration.named(old, name, |output| output),
                    None => migration,
                };
            }
            Fate::Dropped => migration = migration.drop_named(old, false),
            Fate::EffectKept => migration = migration.drop_named(old, true),
            Fate::Forgotten => {}
        }
    }
    migration
}
