//! What outlives the old version beside the log: the names of idempotency keys, and effects that nobody undoes any more.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fate, Mapping, Told, split};
use crate::log::{EarlierAttempts, Entry, EntryKind, KeptKey, Migrated, NodePath, SagaEntry};
use crate::machine::state::{Need, SagaState, VertexId};
use crate::planted::{Mistake, planted};

impl SagaState {
    /// The entry that begins the saga's life under the new version.
    pub(super) fn migrated(
        &self,
        log: &[Entry],
        told: &[Told<'_>],
        carried: &BTreeMap<u32, u32>,
        to: &Mapping<'_>,
    ) -> Migrated {
        let (from, version, left) = to.versions;
        let (used, (kept, kept_keys)) = (used_keys(log), self.kept(told, to.fates));
        let keys = (0..).zip(to.plan.nodes()).filter_map(|(new, node)| {
            let name = node.name.as_str();
            let key = match carried.get(&new) {
                Some(_) if planted(Mistake::RenamedKeyNotKept) => name.to_string(),
                Some(old) => {
                    let old = &self.outermost_plan()?.nodes().get(*old as usize)?.name;
                    let kept = self.keys().and_then(|keys| keys.get(old));
                    kept.map_or_else(|| old.to_string(), Clone::clone)
                }
                // no name of a node contains this
                None if used.contains(name) && !planted(Mistake::OldKeyReused) => {
                    format!("{name}##{}", self.next_seq)
                }
                None => name.to_string(),
            };
            (key != name).then(|| (node.name.clone(), key))
        });
        Migrated {
            from,
            to: version,
            left: left.to_string(),
            keys: keys.collect(),
            retold: 0,
            earlier: self.earlier(carried, to),
            steps: self.steps,
            kept,
            kept_keys,
        }
    }

    /// The attempts that are not told again, by the new paths of their nodes.
    fn earlier(
        &self,
        carried: &BTreeMap<u32, u32>,
        to: &Mapping<'_>,
    ) -> BTreeMap<NodePath, EarlierAttempts> {
        let names = carried.iter().filter_map(|(new, old)| {
            let old = &self.outermost_plan()?.nodes().get(*old as usize)?.name;
            Some((old.as_str(), to.plan.nodes().get(*new as usize)?.name.as_str()))
        });
        let names = names.collect::<BTreeMap<_, _>>();
        let earlier =
            (0..).zip(&self.vertices).filter(|(_, x)| x.attempts > 1 || x.details().tries_from > 0);
        let earlier = earlier.filter_map(|(v, x)| {
            let path = self.path(v);
            // of those that are told as they were, only those are left out that had been left out before
            let before = self.is_left_behind(v).then(|| {
                self.migrated.as_ref().and_then(|migrated| migrated.earlier.get(&path).copied())
            });
            let (name, within) = split(path.as_str());
            let path = NodePath::from(format!("{}{within}", names.get(name)?));
            let (attempts, uncounted) = (x.attempts.saturating_sub(1), x.details().tries_from);
            let lost = planted(Mistake::GenerationLostByMigration);
            let generation = if lost { 0 } else { x.details().generation };
            let all = EarlierAttempts { attempts, uncounted, generation };
            Some((path, before.unwrap_or(Some(all))?))
        });
        earlier.collect()
    }

    /// The nodes whose effects remain, and those of earlier migrations, with what their keys are made of.
    fn kept(&self, told: &[Told<'_>], fates: &[Fate]) -> (Vec<NodePath>, Vec<KeptKey>) {
        let before = self.kept_effects().iter().cloned().zip(self.kept_keys());
        let mut kept = before.collect::<Vec<_>>();
        for ((old, told), fate) in (0..).zip(told).zip(fates) {
            let is_kept = *fate == Fate::EffectKept && !planted(Mistake::KeptEffectNotListed);
            if !is_kept || told.entries.is_empty() {
                continue;
            }
            let of_node = |v: &VertexId| {
                let path = self.path(*v);
                split(path.as_str()).0 == split(self.path(old).as_str()).0
            };
            let has_effect = |v: &VertexId| self.need(*v) != Need::Nothing;
            let vertices = (0..self.len()).filter(has_effect).filter(of_node);
            kept.extend(vertices.map(|v| {
                let path = self.path(v);
                let (name, within) = split(path.as_str());
                let key =
                    self.keys().and_then(|keys| keys.iter().find(|(n, _)| n.as_str() == name));
                let name = format!("{}{within}", key.map_or(name, |(_, key)| key.as_str()));
                (path, KeptKey { name, generation: self.generation(v) })
            }));
        }
        kept.into_iter().unzip()
    }
}

/// The names under which nodes have made idempotency keys so far.
fn used_keys(log: &[Entry]) -> BTreeSet<&str> {
    let (mut used, mut keys) = (BTreeSet::new(), None);
    for entry in log {
        match &entry.kind {
            EntryKind::Saga(SagaEntry::Migrated(migrated)) => keys = Some(&migrated.keys),
            EntryKind::Saga(_) => {}
            EntryKind::Node { node, .. } => {
                let (name, _) = split(node.as_str());
                let key = keys.and_then(|keys| keys.iter().find(|(node, _)| node.as_str() == name));
                used.insert(key.map_or(name, |(_, key)| key.as_str()));
            }
        }
    }
    used
}
