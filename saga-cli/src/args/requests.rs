//! What is asked of sagas, and of which.

use std::time::Duration;

use clap::Args;

use super::filter::{FilterArgs, limit};
use crate::text::time::duration;

/// Which sagas are asked: those with these ids, or those that meet all conditions.
#[derive(Args, Clone)]
pub(crate) struct TargetArgs {
    /// The ids of sagas; instead of conditions
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// How many sagas at most; if more meet the conditions, the first ones by id are asked
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = limit(), help_heading = "Which sagas")]
    pub(crate) limit: usize,
}

/// How something is asked.
#[derive(Args, Clone)]
pub(crate) struct AskArgs {
    /// Your name, for the saga's log [default: $USER]. A dry run needs none
    #[arg(long, env = "SAGA_BY", value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// How long to wait for the answer of a worker. The request stays in the store if there is none
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) wait: Duration,
    /// Show what would be written and done, and ask nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args)]
pub(crate) struct RequestArgs {
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

#[derive(Args)]
pub(crate) struct NoteArgs {
    /// Why, for the saga's log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

#[derive(Args)]
pub(crate) struct RetryArgs {
    /// Only the undo of this node, such as payment
    #[arg(long, value_name = "PATH")]
    pub(crate) node: Option<String>,
    /// The action of the node, not its undo
    #[arg(long, requires = "node")]
    pub(crate) action: bool,
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

#[derive(Args)]
pub(crate) struct ResolveArgs {
    /// Which node, such as payment
    #[arg(long, value_name = "PATH")]
    pub(crate) node: String,
    /// What was done about its effect, for the saga's log
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: String,
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("decision").required(true))]
pub(crate) struct DecideArgs {
    /// The id of the saga
    pub(crate) id: String,
    /// Which node, such as payment
    #[arg(long, value_name = "PATH")]
    pub(crate) node: String,
    /// Its effect is there, and this is its output, as JSON
    #[arg(long, value_name = "JSON", group = "decision")]
    pub(crate) succeeded: Option<String>,
    /// Its effect is not there
    #[arg(long, group = "decision")]
    pub(crate) failed: bool,
    /// How you know, for the saga's log
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: String,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

#[derive(Args)]
pub(crate) struct SignalArgs {
    /// The id of the saga
    pub(crate) id: String,
    /// The name of the event, such as Approved
    pub(crate) event: String,
    /// What is known about it, as JSON
    #[arg(long, value_name = "JSON", default_value = "null")]
    pub(crate) payload: String,
    /// What tells this event from others with its name, such as the id that a webhook came with: sent again, it is a duplicate
    /// [default: a new one]
    #[arg(long, value_name = "EVENT_ID")]
    pub(crate) event_id: Option<String>,
    /// The revision of the event's type, if it declares one
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) rev: u32,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

#[derive(Args)]
pub(crate) struct PurgeArgs {
    /// Only sagas that ended longer ago than this, such as 30d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) ended_before: Duration,
    /// Also stuck sagas, and what their logs say about the effects that remain
    #[arg(long)]
    pub(crate) stuck: bool,
    /// How many sagas at most
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000, value_parser = limit())]
    pub(crate) limit: usize,
    /// Show how many sagas would be removed, and remove none
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub(crate) yes: bool,
}
