//! The targets of the fuzzer. A target may refuse an input; it returns the outcome as text.

mod dag;
mod entry;
mod file;
mod id;
mod log;
mod request;
mod state;
mod stored;

pub(crate) use dag::registry;
pub(crate) use file::{SAGA, seal, write_saga};
pub(crate) use log::{KindJson, PlanJson, example};

/// A part of the library that reads untrusted input.
#[derive(Debug)]
pub struct Target {
    /// Its name, which is also the name of its corpus.
    pub name: &'static str,
    /// True if the lines of its inputs have a checksum.
    pub sealed: bool,
    /// Runs the target on an input, and returns the outcome.
    pub run: fn(&[u8]) -> String,
}

/// All targets.
pub static TARGETS: [Target; 8] = [
    Target { name: "entry", sealed: false, run: entry::run },
    Target { name: "log", sealed: false, run: log::run },
    Target { name: "dag", sealed: false, run: dag::run },
    Target { name: "stored", sealed: false, run: stored::run },
    Target { name: "file", sealed: true, run: file::run },
    Target { name: "id", sealed: false, run: id::run },
    Target { name: "request", sealed: false, run: request::run },
    Target { name: "state", sealed: false, run: state::run },
];

/// Creates a runtime whose paused clock skips every wait.
fn paused_runtime() -> tokio::runtime::Runtime {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime")
}

/// Turns a result into an outcome.
fn outcome<T, E: std::fmt::Display>(result: Result<T, E>, ok: impl FnOnce(T) -> String) -> String {
    match result {
        Ok(value) => ok(value),
        Err(error) => error.to_string(),
    }
}
