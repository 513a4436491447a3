//! `log` and `tail`: what a saga did, and what it does.

use std::time::Duration;

use saga_core::SagaId;
use saga_core::log::{Entry, NodeEntry, Payload};
use saga_core::operator::SagaView;
use saga_core::store::SagaRecord;
use serde::Serialize;
use serde_json::Value;

use super::reader;
use crate::args::{Global, LogArgs, TailArgs};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::store::Access;
use crate::text;

/// An entry without what may be confidential.
#[derive(Serialize)]
pub(crate) struct Line {
    pub(crate) seq: u64,
    /// Which ownership of the saga wrote it.
    pub(crate) epoch: u64,
    /// In UTC.
    pub(crate) at: String,
    pub(crate) kind: &'static str,
    pub(crate) node: Option<String>,
    pub(crate) attempt: Option<u32>,
    pub(crate) message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Value>,
}

#[derive(Serialize)]
struct Lines {
    saga: String,
    entries: Vec<Line>,
    /// What is wrong with the rest of the log, if it is corrupt.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Line {
    fn of(entry: &Entry, outputs: bool) -> Self {
        let output = entry.node_entry().filter(|_| outputs).and_then(output);
        Self {
            seq: entry.seq,
            epoch: entry.epoch,
            at: entry.at.to_string(),
            kind: entry.kind.name(),
            node: entry.node().map(ToString::to_string),
            attempt: Some(entry.attempt()).filter(|attempt| *attempt > 0),
            message: entry.kind.message().filter(|message| !message.is_empty()),
            // one that a codec has encoded is no JSON
            output: output.map(|bytes| {
                let text = || Value::String(String::from_utf8_lossy(bytes.as_bytes()).into());
                serde_json::from_slice(bytes.as_bytes()).unwrap_or_else(|_| text())
            }),
        }
    }
}

/// The output that an entry carries.
fn output(entry: &NodeEntry) -> Option<&Payload> {
    if let NodeEntry::Succeeded(output) = entry { Some(output) } else { None }
}

/// The entries that were asked for.
fn lines(view: &SagaView, args: &LogArgs) -> Vec<Line> {
    let lines = view.log.entries().iter().map(|entry| Line::of(entry, args.outputs));
    lines.filter(|line| args.node.is_none() || line.node == args.node).collect()
}

/// Refuses a node that the saga does not have. One that is inside another may come into being later.
fn check_node(view: &SagaView, args: &LogArgs, later: bool) -> Result<(), Failure> {
    let Some(node) = &args.node else { return Ok(()) };
    let mut entries = view.log.entries().iter();
    let is_there = view.nodes.iter().any(|one| one.node.as_str() == node)
        || entries.any(|entry| entry.node().is_some_and(|one| one.as_str() == node));
    // an instance of `for` has a number, and whoever chooses has arms
    let outer = node.split(['/', '[', '#']).next().unwrap_or_default();
    let may_come =
        later && outer != node && view.nodes.iter().any(|one| one.node.as_str() == outer);
    if is_there || may_come || view.nodes.is_empty() {
        return Ok(());
    }
    let names = view.nodes.iter().take(10).map(|one| format!("`{}`", one.node));
    let mut names = names.collect::<Vec<_>>().join(", ");
    if view.nodes.len() > 10 {
        names += ", ..";
    }
    let why = format!("saga {} has no node `{node}`; it has {names}", args.id);
    Err(Failure::usage(why))
}

pub(super) async fn log(global: &Global, output: &Output, args: LogArgs) -> Result<Exit, Failure> {
    let (view, problem) = reader(global).await?.view_readable(&args.id).await?;
    if problem.is_none() {
        check_node(&view, &args, false)?;
    }
    let entries = lines(&view, &args);
    let log = Lines { saga: args.id, entries, problem };
    output.show(&log, |log| text::log::lines(&log.entries))?;
    match log.problem {
        None => Ok(Exit::Done),
        Some(why) => Err(Failure::error(format!("saga {}: {why}", log.saga))),
    }
}

/// What a saga waits for that does nothing until somebody asks it to.
fn rests(record: &SagaRecord) -> Option<&'static str> {
    match (record.parked_reason.is_some(), record.paused) {
        (true, true | false) => Some("it is parked until somebody decides or unparks it"),
        (false, true) => Some("it is paused until somebody resumes it"),
        (false, false) => None,
    }
}

pub(super) async fn tail(
    global: &Global,
    output: &Output,
    args: TailArgs,
) -> Result<Exit, Failure> {
    let opened = global.open(Access::Attach).await?;
    let operator = opened.operator("saga", Duration::ZERO);
    let (mut seen, mut position) = (None, None);
    loop {
        // cheaper than the log, which is the same as long as this is
        if let Ok(id) = args.log.id.parse::<SagaId>() {
            let now = opened.store().positions(vec![id]).await?;
            if now.first().is_some_and(|now| now.is_some() && *now == position) {
                tokio::time::sleep(args.every).await;
                continue;
            }
            position = now.first().copied().flatten();
        }
        let view = operator.view(&args.log.id).await?;
        if seen.is_none() {
            check_node(&view, &args.log, true)?;
        }
        let mut news = lines(&view, &args.log);
        match seen {
            None => drop(news.drain(..news.len().saturating_sub(args.lines))),
            Some(seen) => news.retain(|line| line.seq > seen),
        }
        for line in &news {
            output.line(line, text::log::line)?;
        }
        seen = view.log.entries().last().map(|entry| entry.seq);
        if view.record.status.is_ended() {
            return Ok(Exit::Done);
        }
        if let Some(waits) = rests(&view.record) {
            if args.until_rest {
                return Ok(Exit::Done);
            }
            output.note(&format!("{waits}; Ctrl-C ends this"));
        }
        tokio::time::sleep(args.every).await;
    }
}
