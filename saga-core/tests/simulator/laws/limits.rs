//! How many calls were in flight at the same time.

use std::collections::BTreeSet;

use super::{Ended, Holds, holds};
use crate::sagas::Settings;
use crate::world::Call;

pub(super) fn check(settings: &Settings, calls: &[Call], sagas: &[Ended<'_>]) -> Holds {
    for (i, call) in calls.iter().enumerate() {
        // who is dead makes no more calls, so that only calls of the same process can be beside this one
        let beside = || {
            let earlier = calls[..i].iter().filter(|other| other.process == call.process);
            earlier.filter(|other| other.ended.is_none_or(|ended| ended > call.began))
        };
        let within = |limit: Option<usize>, beside: usize, what: &str| {
            let fits = limit.is_none_or(|limit| beside < limit);
            holds("limits", fits, || {
                format!("{what} of {limit:?}: {} calls with {call:?}", beside + 1)
            })
        };
        let of_saga = || beside().filter(|other| other.saga == call.saga);
        within(settings.max_concurrency, of_saga().count(), "max_concurrency")?;
        within(settings.max_calls, beside().count(), "max_calls")?;
        if let Some((action, limit)) = settings.max_calls_of
            && action == call.action
        {
            let others = beside().filter(|other| other.action == action).count();
            within(Some(limit), others, "max_calls_of")?;
        }
        if let Some((action, limit)) = settings.max_calls_of_everywhere
            && action == call.action
        {
            within(Some(limit), call.beside_everywhere, "max_calls_of_everywhere")?;
        }
        if call.undo {
            continue;
        }
        let Some(saga) = sagas.iter().find(|saga| saga.id == call.saga) else { continue };
        for (holder, at_once) in saga.versions.plan(call.version).instances_around(&call.path) {
            let instance =
                |path: &str| path.strip_prefix(&holder)?.split(']').next().map(str::to_string);
            let forward = of_saga().filter(|other| !other.undo);
            let mut instances = forward.filter_map(|c| instance(&c.path)).collect::<BTreeSet<_>>();
            instances.extend(instance(&call.path));
            let fits = instances.len() <= at_once as usize;
            holds("limits", fits, || format!("{holder}..]: {instances:?}, at most {at_once}"))?;
        }
    }
    Ok(())
}
