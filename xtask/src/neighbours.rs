//! Builds programs that use `saga-core` together with other crates that link SQLite. A program can link only one
//! SQLite, so cargo must find a rusqlite that suits all of them; the `Cargo.lock` of each program records which
//! one that is.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::{Outcome, Xtask};

/// The directory of these programs. Each is a workspace of its own.
const DIRECTORY: &str = "tests/neighbours";

/// The programs that are also run: those with the oldest rusqlite and with the newest sqlx. The others only have
/// to compile, which takes half the time.
const RUN: [&str; 2] = ["sqlx-0.8", "sqlx-0.9"];

impl Xtask {
    /// Builds all of them and runs some.
    pub(super) fn neighbours(&mut self) -> Outcome {
        let names =
            self.neighbour_names().map_err(|error| format!("cannot read {DIRECTORY}: {error}"))?;
        if let Some(missing) = RUN.iter().find(|name| !names.iter().any(|found| found == *name)) {
            return Err(format!("{DIRECTORY}/{missing} is missing"));
        }
        for name in names {
            let subcommand = if RUN.contains(&name.as_str()) { "run" } else { "check" };
            let manifest = format!("{DIRECTORY}/{name}/Cargo.toml");
            let target = ["--target-dir", "target/neighbours"];
            let args = [&[subcommand, "--manifest-path", &manifest], &target[..]].concat();
            self.cargo(&format!("together with {name}"), &args)?;
        }
        Ok(())
    }

    fn neighbour_names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(DIRECTORY))? {
            let path: PathBuf = entry?.path();
            if path.join("Cargo.toml").is_file() {
                names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}
