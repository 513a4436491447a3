//! `saga`: the command line for those who operate sagas.
//!
//! It has no logic of its own: what is shown and what is asked comes from `saga_core::operator`, and the rules are those of the
//! worker that carries a request out.
//!
//! | module | contents |
//! |---|---|
//! | `args` | what can be written on the command line |
//! | `store` | opens the store, for reading and for requests |
//! | `commands` | one function for each command |
//! | `text` | facts as text |
//! | `output`, `failure` | where results go, and how the program ends |
//! | `confirm` | asks before something is done that cannot be undone |

#![warn(clippy::wildcard_enum_match_arm)]

mod args;
mod commands;
mod confirm;
mod failure;
mod output;
mod store;
mod text;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::failure::{Exit, Failure};
use crate::output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // there is nowhere to report that the terminal is gone
            let _ = error.print();
            return exit.into();
        }
    };
    let output = Output::new(cli.global.json);
    match run(cli, &output) {
        Ok(exit) => exit.into(),
        Err(failure) => output.failure(&failure).into(),
    }
}

fn run(cli: Cli, output: &Output) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(format!("no runtime: {error}")))?;
    runtime.block_on(commands::run(cli, output))
}
