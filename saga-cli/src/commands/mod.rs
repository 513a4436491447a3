//! One function for each command.

mod batch;
mod doctor;
mod export;
mod graph;
mod list;
mod log;
mod purge;
mod request;
mod saga;
mod serve;

use std::time::Duration;

use clap::CommandFactory;
use saga_core::operator::Operator;

pub(crate) use batch::{AllAsked, Asked, Foreseen};
pub(crate) use log::Line;

use crate::args::{Cli, Command, Global};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::store::Access;

/// Runs the command, and returns how the program ends.
pub(crate) async fn run(cli: Cli, output: &Output) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    let global = &global;
    match command {
        Command::Ls(args) => list::ls(global, output, args).await,
        Command::Fleet => list::fleet(global, output).await,
        Command::Show(args) => saga::show(global, output, args).await,
        Command::Why(args) => saga::why(global, output, &args.id).await,
        Command::Audit(args) => saga::audit(global, output, &args.id).await,
        Command::Log(args) => log::log(global, output, args).await,
        Command::Tail(args) => log::tail(global, output, args).await,
        Command::Graph(args) => graph::graph(global, output, args).await,
        Command::Cancel(args) => request::cancel(global, output, args).await,
        Command::Pause(args) => request::pause(global, output, args).await,
        Command::Resume(args) => request::resume(global, output, args).await,
        Command::Step(args) => request::step(global, output, args).await,
        Command::Retry(args) => request::retry(global, output, args).await,
        Command::Resolve(args) => request::resolve(global, output, args).await,
        Command::Decide(args) => request::decide(global, output, args).await,
        Command::Unpark(args) => request::unpark(global, output, args).await,
        Command::Rollback(args) => request::rollback(global, output, args).await,
        Command::Signal(args) => request::signal(global, output, args).await,
        Command::Purge(args) => purge::purge(global, output, args).await,
        Command::Export(args) => export::export(global, output, args).await,
        Command::Doctor(args) => doctor::doctor(global, output, args).await,
        Command::Serve(args) => serve::serve(global, output, args).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "saga", &mut script);
            output.print(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Done)
        }
    }
}

/// An operator that only reads, so that its name is recorded nowhere.
async fn reader(global: &Global) -> Result<Operator, Failure> {
    Ok(global.open(Access::Attach).await?.operator("saga", Duration::ZERO))
}
