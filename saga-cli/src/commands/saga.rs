//! `show`, `why` and `audit`: what is known about one saga.

use super::reader;
use crate::args::{Global, ShowArgs};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text;
use crate::text::escape::brief;

pub(super) async fn show(
    global: &Global,
    output: &Output,
    args: ShowArgs,
) -> Result<Exit, Failure> {
    let facts = reader(global).await?.inspect(&args.id).await?;
    output.show(&facts, |facts| {
        let timeline = if args.timeline { text::saga::timeline(facts) } else { String::new() };
        text::saga::facts(facts) + &timeline
    })?;
    Ok(Exit::Done)
}

pub(super) async fn why(global: &Global, output: &Output, id: &str) -> Result<Exit, Failure> {
    let why = reader(global).await?.why(id).await?;
    output.show(&why, |why| brief(&why.sentence) + "\n")?;
    Ok(Exit::Done)
}

pub(super) async fn audit(global: &Global, output: &Output, id: &str) -> Result<Exit, Failure> {
    let records = reader(global).await?.audit(id).await?;
    output.show(&records, |records| text::saga::audit(records))?;
    Ok(Exit::Done)
}
