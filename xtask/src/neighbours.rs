//! Programs that use `saga-core` beside other crates that link SQLite. There can be only one SQLite in a
//! program, so cargo must find a rusqlite that fits them all; each of these programs has a `Cargo.lock`
//! that says which it is.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::{Outcome, Xtask};

/// Where they are: a directory each, which is a workspace of its own.
const DIRECTORY: &str = "tests/neighbours";

/// Those that are also run: with the oldest rusqlite, and with the sqlx of today. The others need only
/// compile, which takes half the time.
const RUN: [&str; 2] = ["sqlx-0.8", "sqlx-0.9"];

impl Xtask {
    /// Builds all of them, and runs some.
    pub(super) fn neighbours(&mut self) -> Outcome {
        let names =
            self.neighbour_names().map_err(|error| format!("cannot read {DIRECTORY}: {error}"))?;
        if let Some(missing) = RUN.iter().find(|name| !names.iter().any(|found| found == *name)) {
            return Err(format!("there is no {DIRECTORY}/{missing}"));
        }
        for name in names {
            let does = if RUN.contains(&name.as_str()) { "run" } else { "check" };
            let manifest = format!("{DIRECTORY}/{name}/Cargo.toml");
            let target = ["--target-dir", "target/neighbours"];
            let args = [&[does, "--manifest-path", &manifest], &target[..]].concat();
            self.cargo(&format!("beside {name}"), &args)?;
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
