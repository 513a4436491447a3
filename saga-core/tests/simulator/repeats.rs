//! One seed is one run, byte for byte: on this thread, on another one, and in another process.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::Command;
use std::thread;

use crate::run::{Case, run};

/// How many runs are compared.
const SEEDS: u64 = 300;
/// Set in the other process.
const OTHER: &str = "SIM_PRINTS_DIGEST";

#[test]
fn a_seed_repeats_a_run_byte_for_byte() {
    let texts = (0..SEEDS).map(text).collect::<Vec<_>>();
    let other = thread::spawn(|| (0..SEEDS).rev().map(text).collect::<Vec<_>>());
    let mut again = other.join().unwrap();
    again.reverse();
    for (seed, (text, again)) in (0..).zip(texts.iter().zip(&again)) {
        let mut lines = text.lines().zip(again.lines());
        let differs = lines.find(|(line, again)| line != again);
        assert!(text == again, "seed {seed} is two runs: {differs:#?}");
    }
    let digest = digest(&texts);
    if std::env::var_os(OTHER).is_some() {
        println!("{digest}");
        return;
    }
    let exe = std::env::current_exe().unwrap();
    let name = "repeats::a_seed_repeats_a_run_byte_for_byte";
    let other = Command::new(exe).args(["--exact", name, "--nocapture"]).env(OTHER, "1").output();
    let printed = String::from_utf8(other.unwrap().stdout).unwrap();
    let same = printed.lines().any(|line| line.ends_with(&digest));
    assert!(same, "another process runs something else than {digest}: {printed}");
}

fn text(seed: u64) -> String {
    run(&Case::of_seed(seed), true).text()
}

fn digest(texts: &[String]) -> String {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    let size = texts.iter().map(String::len).sum::<usize>();
    format!("the digest of {size} bytes is {:016x}", hasher.finish())
}
