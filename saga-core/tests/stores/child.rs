//! Tests that run again as a process of their own.

/// This program again, as a process that runs nothing but one test: `module` is `module_path!()`.
pub(crate) fn again(module: &str, test: &str) -> std::process::Command {
    // a module's path begins with the name of the program, and the path of a test does not
    let path = match module.split_once("::") {
        Some((_program, module)) => format!("{module}::{test}"),
        None => test.to_string(),
    };
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", &path, "--nocapture"]);
    child
}

/// Runs the test again where no file may grow beyond 300 kB, and finds out how many entries of a saga it
/// says were acknowledged.
#[cfg(unix)]
pub(crate) fn acknowledged_until_full(module: &str, test: &str, store: &std::path::Path) -> usize {
    let again = again(module, test);
    // without the signal a write beyond the limit is an error like any other
    let child = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 600; exec \"$0\" \"$@\""])
        .arg(again.get_program())
        .args(again.get_args())
        .env(FULL, store)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{output}{}", String::from_utf8_lossy(&child.stderr));
    let acknowledged = output.split_once("acknowledged=").and_then(|(_, rest)| rest.lines().next());
    acknowledged.and_then(|number| number.trim().parse().ok()).unwrap()
}

/// Where its store is, set in a child whose files may not grow.
#[cfg(unix)]
pub(crate) const FULL: &str = "SAGA_TEST_SMALL_FILES";
