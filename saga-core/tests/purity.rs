//! The machine is pure: it imports only `std`, the log and the DAG, and names nothing that could panic on
//! purpose, wait, or read a clock.

use std::fs;
use std::path::Path;

fn sources() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/machine");
    let mut sources = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect::<Vec<_>>();
    sources.sort();
    assert!(sources.len() > 5);
    sources
}

/// Without comments: those may talk about anything.
fn code(source: &str) -> impl Iterator<Item = &str> {
    source.lines().map(|line| line.split("//").next().unwrap_or_default())
}

/// The crates that this one could use.
fn dependencies() -> Vec<String> {
    let manifest = include_str!("../Cargo.toml").lines();
    let table = manifest.skip_while(|line| *line != "[dependencies]").skip(1);
    let names = table.take_while(|line| !line.starts_with('[')).filter_map(|line| {
        let end = line.find(['.', ' ', '='])?;
        Some(line[..end].replace('-', "_"))
    });
    let names = names.collect::<Vec<_>>();
    assert!(names.contains(&"futures_util".into()) && names.len() > 10, "{names:?}");
    names
}

#[test]
fn the_machine_imports_only_std_the_log_and_the_dag() {
    let mut foreign = dependencies();
    foreign.retain(|name| name != "thiserror");
    for (file, source) in sources() {
        for line in code(&source) {
            let line = line.trim();
            if let Some((visibility, path)) = line.split_once("use ")
                && (visibility.is_empty() || visibility.starts_with("pub"))
            {
                let own = [
                    "std::",
                    "crate::log::",
                    "crate::names::",
                    "crate::plan::",
                    "crate::policy::",
                    "super::",
                ];
                let submodules = [
                    "apply::",
                    "event::",
                    "order::",
                    "report::",
                    "state::",
                    "watch::",
                    "ActionState::",
                ];
                let known = own.iter().chain(&submodules).any(|start| path.starts_with(start));
                assert!(known, "{file} imports {path}");
            }
            for word in words(line) {
                assert!(!foreign.iter().any(|name| name == word), "{file} uses {word}: {line}");
            }
            let mut rest = line;
            while let Some((_, path)) = rest.split_once("crate::") {
                let below = ["log", "names", "plan", "policy"];
                assert!(below.iter().any(|own| path.starts_with(own)), "{file}: {line}");
                rest = path;
            }
            if let Some((before, path)) = line.split_once("thiserror") {
                let derive = before.contains("#[derive(") && path.starts_with("::Error");
                assert!(derive, "{file}: {line}");
            }
        }
    }
}

#[test]
fn the_machine_cannot_panic_wait_or_read_a_clock() {
    let banned = [
        ".unwrap(",
        ".expect(",
        "panic!",
        "unreachable!",
        "todo!",
        "unimplemented!",
        "assert!",
        "assert_eq!",
        "std::fs",
        "std::net",
        "std::thread",
        "std::env",
        "std::io",
        "std::process",
        "println!",
    ];
    let banned_words =
        ["async", "await", "Instant", "SystemTime", "unsafe", "Mutex", "RwLock", "spawn"];
    for (file, source) in sources() {
        for line in code(&source) {
            for word in banned {
                assert!(!line.contains(word), "{file}: {line}");
            }
            for word in words(line) {
                assert!(!banned_words.contains(&word), "{file}: {line}");
            }
        }
    }
}

#[test]
fn no_file_of_the_machine_is_long() {
    for (file, source) in sources() {
        assert!(source.lines().count() <= 400, "{file} has {} lines", source.lines().count());
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}
