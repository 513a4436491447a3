//! What was durable when each call began, and that calls with one key are one call.

use std::collections::{BTreeMap, BTreeSet};

use saga_core::action::UndoContract;
use saga_core::log::{Entry, NodeEntry, SagaEntry};
use serde_json::Value;
use uuid::Uuid;

use super::log_view::{Book, Undo};
use super::{Case, Chapter, Holds, holds};
use crate::sagas::{Version, declared_as};
use crate::world::Call;

/// The calls without those that only repeat an attempt which is in flight, as an injected fault lets it.
pub(super) fn first_of_attempts<'a>(calls: &[&'a Call]) -> Vec<&'a Call> {
    let mut seen = BTreeSet::new();
    let first = |call: &&&Call| seen.insert((call.key, call.token, call.process));
    calls.iter().filter(first).copied().collect()
}

/// A call that began when the log was as the book says.
pub(super) fn began(case: &Case<'_>, book: &Book<'_>, known: &[Chapter<'_>], call: &Call) -> Holds {
    let log = case.log;
    let (law, what) = if call.undo { ("I5", "undo of") } else { ("I4", "call of") };
    let about = |why: &str| {
        let (path, attempt, token) = (&call.path, call.attempt, call.token);
        format!("{what} {path}, attempt {attempt}, {token:?}, at {}: {why}", call.durable)
    };
    let durable = call.token.seq <= call.durable;
    holds(law, durable, || about("the entry that authorizes it is not durable"))?;
    let Some(entry) = log.get(call.token.seq as usize - 1) else {
        return holds(law, false, || about("there is no entry that authorizes it"));
    };
    let start = if call.undo { NodeEntry::UndoStarted } else { NodeEntry::Started };
    let authorized = entry.node().is_some_and(|node| node.as_str() == call.path)
        && entry.attempt() == call.attempt
        && entry.epoch == call.token.epoch
        && entry.node_entry() == Some(&start);
    holds(law, authorized, || about(&format!("{entry:?} does not authorize it")))?;
    let chapter = known.iter().find(|chapter| chapter.version == call.version);
    let Some(Chapter { plan, outputs, .. }) = chapter else {
        return holds(law, false, || about("the saga has not come to its version"));
    };
    let expected = plan.input(&call.path, &|path: &str| outputs.get(path).cloned());
    let reads = || about(&format!("it reads {:?}, and the log says {expected:?}", call.input));
    holds("I4", call.input.is_ok() && call.input == expected, reads)?;
    // who has lost the saga may still send what it was about to send: receivers must be prepared for that
    let now = log.get(call.durable as usize - 1).map_or(0, |entry| entry.epoch);
    if call.token.epoch < now {
        return Ok(());
    }
    let version = known.last().map(|chapter| chapter.version);
    holds(law, version == Some(call.version), || about("the saga has left its version"))?;
    let i = book.dag.by_path[&call.path];
    let status = &book.status[i];
    case.has_key_of_its_generation(call, status.generation)?;
    if !call.undo {
        // what was authorized before the decision may begin after it: the decision waits for its end
        let before = log.iter().take(call.token.seq as usize);
        let decided = before.filter_map(Entry::saga_entry);
        if decided.into_iter().any(|entry| matches!(entry, SagaEntry::Unwinding { .. })) {
            let contract = book.dag.nodes[i].policy.filter(|policy| policy.transaction.is_none());
            let contract = contract.map(|policy| policy.undo);
            let repeats = status.last == (call.token.seq, true);
            let repeats = repeats && contract == Some(UndoContract::Output);
            holds("I6", repeats, || about("after the decision"))?;
        }
        let own = status.open && status.last.0 == call.token.seq;
        holds("I4", own, || about("its own `started` is not the last that is durable"))?;
        return holds("I4", book.done_before(i), || about("an ancestor's output is not durable"));
    }
    holds("I5", book.unwinding, || about("the decision is not durable"))?;
    holds("I5", status.undo == Undo::Started, || about("its `undo_started` is not durable"))?;
    holds("I5", book.descendants_settled(i), || about("what came after it is not settled"))?;
    for j in book.dag.descendants(i) {
        let path = &book.dag.nodes[j].path;
        let resolved = book.status[j].undo == Undo::Resolved;
        let kept = book.dag.nodes[j].policy.is_some_and(|p| p.undo != UndoContract::None);
        if kept && !resolved {
            let there = case.keys(call.version, path).any(|key| call.effects.contains(key));
            holds("I5", !there, || about(&format!("the effect of {path} is still there")))?;
        }
    }
    Ok(())
}

impl Case<'_> {
    /// All calls of one generation have one key, and those of another generation another one. An undo is told the last.
    fn has_key_of_its_generation(&self, call: &Call, generation: u32) -> Holds {
        let mut known = self.generations.borrow_mut();
        let key = *known.entry((call.who.clone(), generation)).or_insert(call.action_key);
        let other = known.iter().find(|((who, of), key)| {
            (who, **key) == (&call.who, call.action_key) && *of != generation
        });
        let own = key == call.action_key && other.is_none();
        holds("I7", own, || format!("generation {generation} has key {key}, {other:?}: {call:?}"))
    }

    /// What the log calls the output of an action is what its receiver answered, unless an operator decided it.
    pub(super) fn answer_is_the_receivers(
        &self,
        book: &Book<'_>,
        version: Version,
        entry: &Entry,
    ) -> Holds {
        let (Some(path), Some(NodeEntry::Succeeded(output))) = (entry.node(), entry.node_entry())
        else {
            return Ok(());
        };
        let Some(i) = book.dag.by_path.get(path.as_str()) else { return Ok(()) };
        if book.dag.nodes[*i].policy.is_none() || book.decides(*i) {
            return Ok(());
        }
        let receiver = self.receiver(version, path.as_str());
        let answer = receiver.and_then(|receiver| receiver.answer);
        let output = serde_json::from_slice::<Value>(output.as_bytes()).ok();
        holds("I7", answer.is_some() && answer == output, || {
            format!("{path}: the log says {output:?}, its receiver answered {answer:?}")
        })
    }
}

/// One key has one node, one direction and, as long as the saga has one version, one input. An undo may be without the output
/// that an earlier process had in memory only.
pub(super) fn same_key_same_input(calls: &[Call]) -> Holds {
    let (mut first, mut inputs) = (BTreeMap::<Uuid, &Call>::new(), BTreeMap::new());
    let mut outputs = BTreeMap::<Uuid, &Value>::new();
    let mut keys = BTreeMap::new();
    for call in calls {
        let before = *first.entry(call.key).or_insert(call);
        let input = *inputs.entry((call.key, call.version)).or_insert(&call.input);
        let same = (&before.saga, &before.who, before.undo, input)
            == (&call.saga, &call.who, call.undo, &call.input);
        holds("I7", same, || format!("one key, two calls: {before:?} and {call:?}"))?;
        let key = *keys.entry((&call.saga, &call.who, call.undo)).or_insert(call.key);
        let fresh = !call.undo && declared_as(call.action).fresh_key;
        let what = || format!("two keys, one call: {key} and {call:?}");
        holds("I7", fresh || key == call.key, what)?;
        if let Some(output) = &call.output {
            let before = *outputs.entry(call.key).or_insert(output);
            let what = || format!("one key, two outputs: {before} and {output}: {call:?}");
            holds("I7", before == output, what)?;
        }
    }
    Ok(())
}
