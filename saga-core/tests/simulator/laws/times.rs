//! When calls may begin, and when they must have ended.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::{Holds, holds};
use crate::world::Call;

/// By how much a timer may be late.
const TIMER: Duration = Duration::from_millis(2);

pub(super) fn check(calls: &[Call]) -> Holds {
    let mut begun = BTreeSet::new();
    for call in calls {
        // what an injected fault repeats is a part of the call that it repeats
        let repeats = !begun.insert((call.process, &call.saga, call.token));
        if let Some(lease) = call.lease.filter(|_| !repeats) {
            let has = lease.is_some_and(|until| call.began_at < until);
            holds("lease", has, || format!("it had ended when this began: {call:?}"))?;
        }
        ends_with_its_timeout(call)?;
    }
    Ok(())
}

/// What dies ends nothing. What is suspended does it as soon as it goes on.
fn ends_with_its_timeout(call: &Call) -> Holds {
    let Some(timeout) = call.timeout.filter(|_| !call.of.is_dead()) else { return Ok(()) };
    let Some(by) = call.of.runs_from(call.began_at + timeout) else { return Ok(()) };
    let ended = call.ended_at.unwrap_or_else(Instant::now);
    let late = ended.saturating_duration_since(by);
    holds("timeout", late <= TIMER, || {
        format!("{late:?} after its timeout it is not over: {call:?}")
    })
}
