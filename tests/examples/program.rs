//! Builds the examples and finds their executables.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// An example's program, built from the sources as they are now, beside this test's own program.
pub(crate) fn program(example: &str) -> PathBuf {
    static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    // target/debug/deps/crash-0123456789abcdef
    let this = std::env::current_exe().unwrap();
    let profile = this.parent().unwrap().parent().unwrap().to_path_buf();
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if !built.contains(example) {
        let name = match profile.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", example]);
        if cfg!(feature = "postgres") {
            cargo.args(["--features", "postgres"]);
        }
        cargo.args(["--profile", name, "--target-dir"]).arg(profile.parent().unwrap());
        let done = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
        assert!(done.success(), "{cargo:?} failed");
        built.insert(example.to_string());
    }
    profile.join("examples").join(format!("{example}{}", std::env::consts::EXE_SUFFIX))
}
