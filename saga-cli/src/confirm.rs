//! Asks before something is done that cannot be undone.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::failure::{Exit, Failure};

/// True if there is somebody to ask.
pub(crate) fn is_somebody_there() -> bool {
    io::stdin().is_terminal()
}

/// Asks whether to do something, unless that was answered on the command line.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let (mut stderr, stdin) = (io::stderr().lock(), io::stdin());
    if !is_somebody_there() {
        let why = format!(
            "{question} Nobody is there to confirm it; say so with --yes, or look with --dry-run"
        );
        return Err(Failure::new(Exit::NotConfirmed, why));
    }
    let mut answer = String::new();
    let read = write!(stderr, "{question} [y/N] ")
        .and_then(|()| stderr.flush())
        .and_then(|()| stdin.lock().read_line(&mut answer));
    match read {
        Ok(_) if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) => Ok(()),
        _ => Err(Failure::new(Exit::NotConfirmed, "nothing was done")),
    }
}
