//! `ls` and `fleet`: which sagas there are.

use saga_core::SagaId;
use saga_core::operator::{NeedsHumanCursor, NeedsHumanFilter, SagaSummary};
use serde::Serialize;

use super::reader;
use crate::args::{Global, ListArgs};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text;
use crate::text::time::now;

/// A page of a list.
#[derive(Serialize)]
struct Page<T> {
    sagas: Vec<T>,
    /// Where the next page begins, for `--after`; null if this is the last one.
    next: Option<String>,
}

pub(super) async fn ls(global: &Global, output: &Output, args: ListArgs) -> Result<Exit, Failure> {
    let operator = reader(global).await?;
    if args.needs_human {
        let mut filter = NeedsHumanFilter { limit: args.limit, ..NeedsHumanFilter::default() };
        filter.idle = args.filter.idle.unwrap_or(filter.idle);
        filter.saga = args.filter.saga.clone();
        filter.after = args.after::<NeedsHumanCursor>()?;
        let page = operator.needs_human(filter).await?;
        let next = page.next.map(|next| next.to_string());
        let page = Page { sagas: page.sagas, next };
        output.show(&page, |page| {
            text::list::needs_human(&page.sagas, now()) + &text::list::more(page.next.as_deref())
        })?;
        return Ok(Exit::Done);
    }
    let mut filter = args.filter.filter(args.limit.saturating_add(1));
    filter.after = args.after::<SagaId>()?;
    // one more than is shown tells whether there is a next page
    let mut sagas: Vec<SagaSummary> = operator.list(filter).await?;
    let more = sagas.len() > args.limit;
    sagas.truncate(args.limit);
    let next = sagas.last().filter(|_| more).map(|last| last.id.to_string());
    output.show(&Page { sagas, next }, |page| {
        text::list::sagas(&page.sagas, now()) + &text::list::more(page.next.as_deref())
    })?;
    Ok(Exit::Done)
}

pub(super) async fn fleet(global: &Global, output: &Output) -> Result<Exit, Failure> {
    let fleet = reader(global).await?.fleet().await?;
    output.show(&fleet, text::fleet::fleet)?;
    Ok(Exit::Done)
}
