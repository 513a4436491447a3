//! `purge`: removes sagas that ended long ago.

use saga_core::SagaStatus;
use saga_core::operator::{ListedState, Operator, SagaFilter};
use saga_core::store::{CurrentWorker, Purge};
use serde::Serialize;

use super::batch::progress;
use super::reader;
use crate::args::{Global, PurgeArgs, before};
use crate::confirm::confirm;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::store::Access;
use crate::text;
use crate::text::time::now;

/// How many sagas are removed by one write, so that none takes long.
const CHUNK: usize = 500;

#[derive(Serialize)]
struct Removed {
    dry_run: bool,
    /// How many sagas were removed, or would be.
    sagas: u64,
    /// How many stay because a request to them has no answer yet; of a dry run, it is not known.
    asked: Option<u64>,
    /// True if it is refused because a worker has the store open, which is the only one that may purge it.
    in_use: bool,
}

pub(super) async fn purge(
    global: &Global,
    output: &Output,
    args: PurgeArgs,
) -> Result<Exit, Failure> {
    let ended_before = before(now(), args.ended_before);
    let mut states = vec![ListedState::Completed, ListedState::RolledBack];
    let mut statuses = vec![SagaStatus::Completed, SagaStatus::RolledBack];
    if args.stuck {
        states.push(ListedState::Stuck);
        statuses.push(SagaStatus::Stuck);
    }
    let filter = SagaFilter { states, updated_before: Some(ended_before), ..SagaFilter::default() };
    let found = count(&reader(global).await?, filter.clone(), args.limit).await?;
    // a store with one worker at a time is purged by that one
    let in_use = match global.open(Access::Attach).await?.store().current_worker().await? {
        CurrentWorker::Present(_) => true,
        CurrentWorker::Absent | CurrentWorker::Unknown => false,
    };
    if args.dry_run || found == 0 {
        let asked = (found == 0).then_some(0);
        let removed = Removed { dry_run: args.dry_run, sagas: found as u64, asked, in_use };
        output.show(&removed, |removed| match (removed.sagas, removed.in_use) {
            (0, _) => "no saga ended so long ago\n".to_string(),
            (sagas, in_use) => {
                let refused = "; but it would be refused now, since a worker has the store open: let that worker do it with \
                               `Coordinator::purge`, or purge when it has stopped";
                format!(
                    "{} would be removed, except those with a request that has no answer yet: this is a dry run{}\n",
                    text::list::count(sagas),
                    if in_use { refused } else { "" }
                )
            }
        })?;
        return Ok(Exit::Done);
    }
    confirm(&format!("Remove {} with their logs?", text::list::count(found as u64)), args.yes)?;
    let opened = global.open(Access::Work).await?;
    let store = opened.store();
    let bar = progress(found);
    let (mut sagas, limit) = (0_u64, args.limit as u64);
    while sagas < limit {
        let left = usize::try_from(limit.saturating_sub(sagas)).unwrap_or(usize::MAX);
        let limit = CHUNK.min(left);
        let removed =
            store.purge(Purge { ended_before, statuses: statuses.clone(), limit }).await?;
        if removed == 0 {
            break;
        }
        sagas = sagas.saturating_add(removed);
        bar.set_position(sagas);
    }
    bar.finish_and_clear();
    store.close().await?;
    // what was found and is still there has a request: a purge leaves out nothing else
    let asked = count(&reader(global).await?, filter, args.limit).await?;
    let asked = if sagas < limit { asked as u64 } else { 0 };
    let removed = Removed { dry_run: false, sagas, asked: Some(asked), in_use: false };
    output.show(&removed, |removed| {
        let gone = format!("removed {}\n", text::list::count(removed.sagas));
        match removed.asked {
            None | Some(0) => gone,
            Some(1) => gone + "1 saga stays: a request to it has no answer yet\n",
            Some(n) => gone + &format!("{n} sagas stay: requests to them have no answer yet\n"),
        }
    })?;
    Ok(Exit::Done)
}

/// How many sagas match, up to a limit.
async fn count(
    operator: &Operator,
    mut filter: SagaFilter,
    limit: usize,
) -> Result<usize, Failure> {
    let mut found = 0_usize;
    filter.limit = CHUNK;
    loop {
        let page = operator.list(filter.clone()).await?;
        found = found.saturating_add(page.len());
        filter.after = page.last().map(|saga| saga.id.clone());
        if page.len() < CHUNK || found >= limit {
            return Ok(found.min(limit));
        }
    }
}
