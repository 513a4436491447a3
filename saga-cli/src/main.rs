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
            if exit == Exit::Usage && wants_json() {
                return Output::new(true).failure(&Failure::usage(in_short(&error))).into();
            }
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

/// True if JSON was asked for on a command line that cannot be read otherwise.
fn wants_json() -> bool {
    let words = std::env::args_os().skip(1).take_while(|word| word != "--");
    words.into_iter().any(|word| word == "--json")
}

/// What is wrong with a command line, without how it is written.
fn in_short(error: &clap::Error) -> String {
    let text = error.to_string();
    let what = text.split("\n\nUsage:").next().unwrap_or(&text);
    let what = what.split("\n\nFor more information").next().unwrap_or(what);
    let what = what.strip_prefix("error: ").unwrap_or(what);
    what.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn run(cli: Cli, output: &Output) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(format!("no runtime: {error}")))?;
    runtime.block_on(commands::run(cli, output))
}
