//! A disk that can lose power, and that can fail.
//!
//! `recorder.c` is loaded into a process and records everything that it does to its files, in order. From that journal
//! `replay` makes the directory as a power failure at any moment would leave it. So one run of a process is a thousand
//! power failures, and each can be repeated by its number and seed.

pub(crate) mod journal;
pub(crate) mod replay;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use journal::Record;

use crate::child::child;
use crate::life::Home;
use crate::places::Place;

/// A directory whose files are recorded, and what belongs to it.
pub(crate) struct Recorded {
    /// What the records are about.
    pub(crate) root: PathBuf,
    pub(crate) home: Home,
    journal: PathBuf,
    /// The number of each file that was there before.
    pub(crate) before: replay::Image,
}

/// The recorder, compiled by the compiler that links Rust programs.
fn recorder() -> &'static Path {
    static RECORDER: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let compile = || {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join("recorder.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crashes/disk/recorder.c");
        let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut cc = Command::new(cc);
        cc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
        let output = cc.arg(&library).arg(source).arg("-ldl").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (directory, library)
    };
    &RECORDER.get_or_init(compile).1
}

impl Recorded {
    /// `root` has the files that were there before; `said` is outside of it.
    pub(crate) fn at(root: &Path, name: &str, said: &Path) -> Self {
        let home = Home { place: root.join(name).display().to_string(), said: said.to_path_buf() };
        let before = replay::Image::of(root);
        Self { root: root.to_path_buf(), home, journal: said.with_extension("journal"), before }
    }

    /// Runs a life in a process whose disk fails as `fail` says.
    pub(crate) fn live<P: Place>(&self, life: &str, fail: Option<&str>) -> Output {
        let mut child = child::<P>(&self.home, life);
        child.env("LD_PRELOAD", recorder()).env("RECORDER_ROOT", &self.root);
        child.env("RECORDER_SAID", &self.home.said).env("RECORDER_JOURNAL", &self.journal);
        if let Some(fail) = fail {
            child.env("RECORDER_FAIL", fail);
        }
        child.output().unwrap()
    }

    pub(crate) fn journal(&self) -> Vec<Record> {
        journal::read(&std::fs::read(&self.journal).unwrap())
    }
}
