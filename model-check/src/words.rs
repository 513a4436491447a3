//! What happens, in words.

use saga_core::log::Entry;

use crate::moves::Move;
use crate::setup::name;
use crate::state::{Call, Phase, Run, State, Way};

/// The name of a worker.
fn worker(worker: usize) -> &'static str {
    if worker == 0 { "A" } else { "B" }
}

/// One step: what happened, and what the workers do about it.
pub(crate) fn step(before: &State, happens: Move, after: &State) -> String {
    let mut words = vec![moved(before, happens, after)];
    for w in 0..2 {
        if let Some(entries) = asks(after, w)
            && asks(before, w) != Some(entries)
        {
            words.push(format!(
                "{} asks the store to append: {}",
                worker(w),
                entries_in_words(entries)
            ));
        }
        let began = after.calls.iter().filter(|call| {
            call.worker == w && !before.calls.iter().any(|c| (c.token, c.worker) == (call.token, w))
        });
        words.extend(began.map(|call| format!("{} sends {}", worker(w), called(after, call))));
    }
    words.join("; ")
}

/// The first state.
pub(crate) fn first(state: &State) -> String {
    let entries = asks(state, 0).map(entries_in_words).unwrap_or_default();
    format!("A creates the saga; the store writes: {entries}")
}

fn asks(state: &State, worker: usize) -> Option<&[Entry]> {
    let Run::Running(run) = &state.workers[worker].run else { return None };
    Some(&run.pending.as_ref()?.written.append.entries)
}

fn entries_in_words(entries: &[Entry]) -> String {
    let word = |entry: &Entry| {
        let kind = entry.kind.name();
        match entry.node() {
            Some(node) if entry.attempt() > 0 => format!("`{kind}` {node} #{}", entry.attempt()),
            Some(node) => format!("`{kind}` {node}"),
            None => format!("`{kind}`"),
        }
    };
    entries.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// A call by its attempt, which the entry that authorizes it says.
fn called(state: &State, call: &Call) -> String {
    let entry = state.log.iter().find(|entry| entry.seq == call.token.1);
    let attempt = entry.map_or(0, Entry::attempt);
    let what = if call.undo { "undo" } else { "call" };
    format!("{what} #{attempt} of `{}`", name(call.node))
}

fn moved(before: &State, happens: Move, after: &State) -> String {
    let phase = |state: &State, w: usize| match &state.workers[w].run {
        Run::Running(run) => run.pending.as_ref().map(|pending| pending.phase),
        Run::Nothing | Run::Again | Run::Claimed { .. } => None,
    };
    match happens {
        Move::Write(w) => match phase(after, w) {
            Some(Phase::Refused) => format!("the store refuses the append of {}", worker(w)),
            _ => format!("the store writes the append of {}", worker(w)),
        },
        Move::Hear(w) => match phase(before, w) {
            Some(Phase::Refused) => {
                format!("{} hears that its append was refused, and stops", worker(w))
            }
            _ => format!("{} hears that its append is durable", worker(w)),
        },
        Move::TryAgain(w) => {
            format!("the reply to {} is lost; it tries the append again", worker(w))
        }
        Move::GiveUp(w) => format!("the reply to {} is lost", worker(w)),
        Move::StrayWrite(_) => match after.log_hash == before.log_hash {
            true => {
                "an append that nobody waits for reaches the store, which refuses it".to_string()
            }
            false => {
                "an append that nobody waits for reaches the store, which writes it".to_string()
            }
        },
        Move::Read(i) => {
            format!(
                "{} arrives, and its receiver reads what it knows",
                late(before, &before.calls[i])
            )
        }
        Move::Arrive(i) | Move::ArriveRefused(i) => arrived(before, i, after),
        Move::Duplicate(i) => {
            format!("{} is repeated on its way", called(before, &before.calls[i]))
        }
        Move::TimeOut(i) => {
            let call = &before.calls[i];
            format!("{} gives up waiting for {}", worker(call.worker), called(before, call))
        }
        Move::Cancel(w) => format!("an operator cancels the saga at {}", worker(w)),
        Move::Crash(w) => format!("the process {} dies", worker(w)),
        Move::Start(w) => format!(
            "the process {} starts, and claims the saga (epoch {})",
            worker(w),
            after.record.epoch
        ),
        Move::Claim(w) => {
            let alive = before.owner().is_some_and(|owner| before.is_leased(owner));
            let lease = if alive { "has not ended" } else { "has ended" };
            let epoch = after.record.epoch;
            format!("{} claims the saga, whose owner's lease {lease} (epoch {epoch})", worker(w))
        }
        Move::Retake(w) => match after.workers[w].run {
            Run::Claimed { epoch } => format!("{} takes the saga again (epoch {epoch})", worker(w)),
            Run::Nothing | Run::Again | Run::Running(_) => {
                format!("{} finds that the saga belongs to another worker, or is over", worker(w))
            }
        },
        Move::Load(w) => format!("{} loads the log", worker(w)),
        Move::Renew(w) => format!("the store renews the lease of {}", worker(w)),
        Move::HearRenewal(w) => format!("{} hears that its lease was renewed", worker(w)),
        Move::NoticeEnd(w) => format!("{} notices that its lease has ended, and stops", worker(w)),
        Move::Tick => "time passes".to_string(),
        Move::Drift(w) => format!("time passes, but not by the clock of {}", worker(w)),
    }
}

fn late(state: &State, call: &Call) -> String {
    let late = if call.is_awaited { "" } else { ", late," };
    format!("{}{late}", called(state, call))
}

fn arrived(before: &State, i: usize, after: &State) -> String {
    let call = &before.calls[i];
    let (was, is) = (&before.receivers[call.node], &after.receivers[call.node]);
    let effect = match is.effects - was.effects {
        0 if is.has_refused && !was.has_refused => "is refused".to_string(),
        0 if call.undo => "finds nothing to remove".to_string(),
        0 => "has no effect".to_string(),
        n if n > 0 => format!("takes effect (effects of `{}`: {})", name(call.node), is.effects),
        _ => format!("removes an effect (effects of `{}`: {})", name(call.node), is.effects),
    };
    let arrives = match call.way {
        Way::Reading(_) => "is carried out by what was read:",
        Way::Sent => "arrives and",
    };
    format!("{} {arrives} {effect}", late(before, call))
}
