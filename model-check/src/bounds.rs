//! How much is searched.

use std::env;

use crate::setup::Budget;

/// How many states are generated at most, unless `MODEL_CHECK_STATES` says otherwise; a state is generated once for each way that
/// leads to it. A search that comes to this is not complete.
pub fn states() -> usize {
    let states = env::var("MODEL_CHECK_STATES").ok();
    states.map_or(5_000_000, |n| n.parse().unwrap_or_else(|_| panic!("no number: {n}")))
}

/// A budget with one more fault of each kind that `MODEL_CHECK_MORE` lists, such as `crashes,timeouts`, if it has any of them.
pub fn faults(budget: Budget) -> Budget {
    let listed = env::var("MODEL_CHECK_MORE").unwrap_or_default();
    let more = |kind: &str, n: u8| n + u8::from(n > 0 && listed.split(',').any(|k| k == kind));
    let Budget { crashes, timeouts, refusals, duplicates, lost_replies, cancels, ticks, drift } =
        budget;
    Budget {
        crashes: more("crashes", crashes),
        timeouts: more("timeouts", timeouts),
        refusals: more("refusals", refusals),
        duplicates: more("duplicates", duplicates),
        lost_replies: more("lost_replies", lost_replies),
        cancels: more("cancels", cancels),
        ticks: more("ticks", ticks),
        drift: more("drift", drift),
    }
}
