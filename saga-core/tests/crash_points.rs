//! The table of crash points and the calls in the source agree.
#![cfg(feature = "fault-injection")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use saga_core::crash_points::ALL;

/// The names in the calls of `crash_point`, each with the files that have one.
fn called() -> BTreeMap<String, Vec<PathBuf>> {
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut called = BTreeMap::<String, Vec<PathBuf>>::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let source = fs::read_to_string(&path).unwrap_or_default();
            for rest in source.split("crash_point(\"").skip(1) {
                let name = rest.split('"').next().unwrap();
                called.entry(name.to_string()).or_default().push(path.clone());
            }
        }
    }
    called
}

#[test]
fn every_crash_point_is_in_the_table_and_in_one_place_of_the_source() {
    let called = called();
    for (name, files) in &called {
        assert!(ALL.contains(&name.as_str()), "{name} in {files:?} is not in `ALL`");
        assert_eq!(
            files.len(),
            1,
            "{name} is in several places, so a test reaches only one: {files:?}"
        );
    }
    for name in ALL {
        assert!(called.contains_key(*name), "{name} is in `ALL`, and nothing calls it");
    }
    assert!(ALL.is_sorted(), "`ALL` is in alphabetical order");
}

#[test]
fn the_name_of_a_crash_point_says_the_part_the_operation_and_the_moment() {
    for name in ALL {
        let words = name.split('.').collect::<Vec<_>>();
        assert_eq!(words.len(), 3, "{name}");
        let plain = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(words.iter().all(plain), "{name}");
        assert!(["driver", "file", "postgres", "sqlite", "store"].contains(&words[0]), "{name}");
    }
}
