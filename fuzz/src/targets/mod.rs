//! What is fuzzed. An input that is refused is fine; each target says in words what became of it.

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

/// Something that takes inputs from outside.
#[derive(Debug)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// True if the lines of its inputs carry a checksum.
    pub sealed: bool,
    /// Takes an input; the outcome in words.
    pub run: fn(&[u8]) -> String,
}

/// All of them.
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

/// A runtime whose clock jumps over every wait.
fn jumping() -> tokio::runtime::Runtime {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime")
}

/// The words of a result, for either side.
fn words<T, E: std::fmt::Display>(result: Result<T, E>, ok: impl FnOnce(T) -> String) -> String {
    match result {
        Ok(value) => ok(value),
        Err(error) => error.to_string(),
    }
}
