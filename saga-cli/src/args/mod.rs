//! What can be written on the command line.

mod examples;
mod filter;
mod requests;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use filter::{FilterArgs, ListArgs, before};
pub(crate) use requests::{
    AskArgs, DecideArgs, NoteArgs, PurgeArgs, RequestArgs, ResolveArgs, RetryArgs, SignalArgs,
    TargetArgs,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or there was nothing to do
  1  the store cannot be read or written, or something else went wrong
  2  the command line makes no sense
  3  there is no such saga
  4  the saga refuses the request; nothing has changed
  5  no worker has answered yet; the request is in the store and will be carried out
  6  some requests of a batch were not carried out; of a dry run, would not be
  7  not confirmed
  8  the doctor has findings
  9  what was tried again has failed again";

/// Shows sagas, says what they wait for, and carries out what their operators decide.
///
/// It attaches to the store of the program that runs the sagas, and never runs a saga itself. Everything can be read whether
/// a worker is running or not. What changes a saga is a request: it is left in the store, and the worker carries it out. Without
/// a worker it stays there, and is carried out as soon as one runs the saga again.
///
/// Outputs of sagas are not shown unless `--outputs` is given; their parameters are only in what `export` writes.
#[derive(Parser)]
#[command(name = "saga", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The store: sqlite:PATH, file:DIRECTORY, or postgres://USER:PASSWORD@HOST/DATABASE
    ///
    /// Other processes see the command line, so a password belongs into the environment variable.
    #[arg(long, global = true, env = "SAGA_STORE", hide_env_values = true, value_name = "STORE")]
    pub(crate) store: Option<String>,
    /// What the names of the store's tables begin with, if the program that runs the sagas says so
    #[arg(long, global = true, env = "SAGA_TABLE_PREFIX", value_name = "PREFIX")]
    pub(crate) table_prefix: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List sagas, or those that need a human
    #[command(after_help = examples::ls())]
    Ls(ListArgs),
    /// Count sagas by name, version and state
    Fleet,
    /// Show everything about one saga: what it waits for, which effects remain, its nodes
    #[command(after_help = examples::SHOW)]
    Show(ShowArgs),
    /// Say in one sentence what a saga waits for
    Why(IdArgs),
    /// Print the log of a saga
    #[command(after_help = examples::LOG)]
    Log(LogArgs),
    /// Print the log of a saga, and what it does next, until it has ended
    #[command(after_help = examples::TAIL)]
    Tail(TailArgs),
    /// Draw the DAG of a saga with the states of its nodes
    #[command(after_help = examples::GRAPH)]
    Graph(GraphArgs),
    /// List what operators have asked of a saga
    Audit(IdArgs),
    /// Roll back sagas that have not ended
    #[command(after_help = examples::CANCEL)]
    Cancel(NoteArgs),
    /// Start no new node and no new undo of sagas
    Pause(RequestArgs),
    /// End a pause
    Resume(RequestArgs),
    /// Start one node or undo of a paused saga
    Step(RequestArgs),
    /// Try again what has made sagas stuck
    ///
    /// Without --node, all failed undos of a saga are tried again. With it, the undo of that node is; with --action, the node
    /// itself, if it failed after the point of no return.
    #[command(after_help = examples::RETRY)]
    Retry(RetryArgs),
    /// Record that somebody has dealt with an effect that a failed undo left behind
    #[command(after_help = examples::RESOLVE)]
    Resolve(ResolveArgs),
    /// Say how a pivot ended that is in doubt, or what an output is that cannot be read
    #[command(after_help = examples::DECIDE)]
    Decide(DecideArgs),
    /// Let parked sagas go on
    #[command(after_help = examples::UNPARK)]
    Unpark(RequestArgs),
    /// Roll back sagas that have completed
    #[command(after_help = examples::ROLLBACK)]
    Rollback(NoteArgs),
    /// Tell a saga that something has happened for which it waits, or is going to wait
    ///
    /// The event is kept in the saga's log until a node takes it. `saga why` says for which event a saga waits.
    #[command(after_help = examples::SIGNAL)]
    Signal(SignalArgs),
    /// Remove sagas that ended long ago, with their logs
    #[command(after_help = examples::PURGE)]
    Purge(PurgeArgs),
    /// Write a saga with its whole log as JSON, such as for a bug report or a test
    #[command(after_help = examples::EXPORT)]
    Export(ExportArgs),
    /// Check whether the store works, and whether somebody runs the sagas in it
    Doctor(DoctorArgs),
    /// Serve a page for operators on this computer, which shows the same as these commands
    ///
    /// It listens on 127.0.0.1 only, and only shows unless changes are allowed.
    Serve(ServeArgs),
    /// Print a script that completes commands and options in a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Args)]
pub(crate) struct IdArgs {
    /// The id of the saga
    pub(crate) id: String,
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The id of the saga
    pub(crate) id: String,
    /// Also show every attempt of every node
    #[arg(long)]
    pub(crate) timeline: bool,
}

#[derive(Args)]
pub(crate) struct LogArgs {
    /// The id of the saga
    pub(crate) id: String,
    /// Only this node, such as payment
    #[arg(long, value_name = "PATH")]
    pub(crate) node: Option<String>,
    /// Also print the outputs of nodes. They may be confidential
    #[arg(long)]
    pub(crate) outputs: bool,
}

#[derive(Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    /// How many of the entries that are there to begin with
    #[arg(long, short = 'n', value_name = "ENTRIES", default_value_t = 10)]
    pub(crate) lines: usize,
    /// End also when the saga is parked or paused, and does nothing until somebody asks it to
    #[arg(long)]
    pub(crate) until_rest: bool,
    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = crate::text::time::duration)]
    pub(crate) every: std::time::Duration,
}

#[derive(Args)]
pub(crate) struct GraphArgs {
    /// The id of the saga
    pub(crate) id: String,
    /// In which language
    #[arg(long, value_enum, default_value_t = GraphFormat::Dot)]
    pub(crate) format: GraphFormat,
    /// Without the states of the nodes
    #[arg(long)]
    pub(crate) bare: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Graphviz
    Dot,
    /// A Mermaid flowchart
    Mermaid,
    /// A picture
    Svg,
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    /// The id of the saga
    pub(crate) id: String,
    /// Write to this file, which must not exist, instead of the standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// Do not ask whether the parameters and all outputs, which an export has in it, may be shown
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// How long nothing may have happened to a saga that is due for something
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = crate::text::time::duration)]
    pub(crate) idle: std::time::Duration,
    /// How many MiB must be free on the disk of the store
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub(crate) min_free: u64,
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// The port; 0 for any that is free
    #[arg(long, default_value_t = 7300)]
    pub(crate) port: u16,
    /// Let those act who enter the token in the environment variable SAGA_WEB_TOKEN
    #[arg(long)]
    pub(crate) allow_changes: bool,
    /// Also show parameters and outputs. They may be confidential
    #[arg(long)]
    pub(crate) outputs: bool,
    /// A name under which a proxy makes the page known, such as ops.example.com
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
}
