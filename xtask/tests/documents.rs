//! What the documents of the repository say about its files is true: the code map of ARCHITECTURE.md lists every
//! module, and every path and link in the documents leads somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The sources whose every file is in the code map.
const MAPPED: [&str; 11] = [
    "saga-core/src",
    "saga-cli/src",
    "saga-macros/src",
    "saga-order/src",
    "saga-web/src",
    "ui-tests/src",
    "ide-tests/src",
    "fuzz/src",
    "model-check/src",
    "xtask/src",
    "benches/src",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Rust files below a directory, as paths from the root of the repository.
fn rust_files(directory: &Path, files: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(path.strip_prefix(root()).unwrap().to_str().unwrap().to_string());
        }
    }
}

/// What stands between backticks outside of code blocks, line by line.
fn quoted(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut in_block = false;
    let lines = text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !in_block && !fence
    });
    lines.flat_map(|line| line.split('`').skip(1).step_by(2).map(move |word| (line, word)))
}

/// The first cells of the tables below a heading that names a directory of sources.
fn code_map() -> Vec<String> {
    let text = read(&root().join("ARCHITECTURE.md"));
    let (mut directory, mut listed) = (None, Vec::new());
    for line in text.lines() {
        let word = line.split('`').nth(1).unwrap_or_default();
        if line.starts_with('#') {
            let sources = MAPPED.iter().any(|mapped| word.starts_with(&format!("{mapped}/")));
            directory = sources.then_some(word);
        } else if line.starts_with("| `")
            && let Some(directory) = directory
        {
            listed.push(format!("{directory}{word}"));
        }
    }
    listed
}

#[test]
fn the_code_map_lists_every_module_once() {
    let mut files = BTreeSet::new();
    for directory in MAPPED {
        rust_files(&root().join(directory), &mut files);
    }
    assert!(files.len() > 200, "{} files", files.len());
    let listed = code_map();
    let map = listed.iter().cloned().collect::<BTreeSet<_>>();
    let missing = files.difference(&map).collect::<Vec<_>>();
    let gone = map.difference(&files).collect::<Vec<_>>();
    assert!(missing.is_empty(), "add a line to ARCHITECTURE.md for each of {missing:#?}");
    assert!(gone.is_empty(), "ARCHITECTURE.md lists files that do not exist: {gone:#?}");
    assert_eq!(listed.len(), map.len(), "ARCHITECTURE.md lists a file twice");
}

fn documents() -> Vec<PathBuf> {
    let markdown = |directory: PathBuf| {
        let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "md"))
    };
    let documents = markdown(root()).chain(markdown(root().join("docs"))).collect::<Vec<_>>();
    assert!(documents.len() > 6, "{documents:?}");
    documents
}

/// True for what can only be a path of this repository.
fn is_path(word: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let Some((first, _)) = word.split_once('/') else { return false };
    !first.is_empty()
        && word.chars().all(known)
        && !word.contains("..")
        && root().join(first).is_dir()
}

#[test]
fn every_path_in_the_documents_exists() {
    for document in documents() {
        // what a past version looked like is not corrected
        if document.ends_with("CHANGELOG.md") {
            continue;
        }
        for (line, word) in quoted(&read(&document)) {
            let there = !is_path(word) || root().join(word).exists();
            assert!(there, "{} names {word}: {line}", document.display());
        }
    }
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    for document in documents() {
        let text = read(&document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.chars().any(char::is_whitespace) {
                continue;
            }
            let (file, anchor) = link.split_once('#').map_or((link, None), |(f, a)| (f, Some(a)));
            let target = match file {
                "" => document.clone(),
                file => document.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{} links to {link}", document.display());
            if let Some(anchor) = anchor.filter(|_| file.is_empty() || file.ends_with(".md")) {
                let known = anchors(&read(&target)).any(|known| known == anchor);
                assert!(known, "{} links to {link}", document.display());
            }
        }
    }
}

/// The anchors of headings, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// The quoted words of a list in Rust.
fn rust_list<'a>(source: &'a str, start: &str) -> Vec<&'a str> {
    let list = source.split(start).nth(1).and_then(|rest| rest.split("];").next()).unwrap();
    list.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .collect()
}

#[test]
fn the_drawing_of_the_modules_is_the_list_that_is_tested() {
    let layers = read(&root().join("saga-core/tests/layers.rs"));
    let tested = rust_list(&layers, "const LAYERS");
    let text = read(&root().join("ARCHITECTURE.md"));
    let section = text.split("## The order of the modules").nth(1).unwrap();
    let drawing = section.split("```").nth(1).unwrap();
    // the lowest module comes last in the drawing, and first in the list
    let drawn = drawing.split_whitespace().filter(|word| tested.contains(word)).rev();
    assert_eq!(drawn.collect::<Vec<_>>(), tested);
}
