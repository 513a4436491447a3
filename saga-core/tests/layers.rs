//! The order of the modules of this crate: every path from one module to another points down the list of
//! [`LAYERS`]. And the lowest rule of all: the machine is pure.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules at the root of the crate, from the bottom up. A module may name itself and those above it in this
/// list, which are below it in the house.
const LAYERS: [&str; 34] = [
    // vocabulary
    "crash_points",
    "planted",
    "ambient",
    "causes",
    "panics",
    "names",
    "limits",
    "policy",
    "probe",
    "plan",
    // what is stored, and where
    "log",
    "json",
    "clock",
    "store",
    "error",
    "value",
    // what a saga does next
    "machine",
    // what users write
    "context",
    "action",
    "dag",
    "typed",
    "builtin",
    // what runs it
    "driver",
    "coordinator",
    "executor",
    // beside it
    "render",
    "barrier",
    "testing",
    // what the macros name
    "__private",
    "bounds",
    // the front page of the crate, which only re-exports
    "operator",
    "events",
    "prelude",
    "simulation",
];

/// A file of `src`: the modules that lead to it, and its text without comments, strings and tests.
struct Source {
    file: PathBuf,
    module: Vec<String>,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    find(&root, &mut files);
    files.sort();
    assert!(files.len() > 100, "{} files", files.len());
    let source = |file: PathBuf| {
        let path = file.strip_prefix(&root).unwrap().with_extension("");
        let mut module: Vec<String> =
            path.iter().map(|name| name.to_str().unwrap().to_string()).collect();
        if ["mod", "lib"].contains(&module.last().unwrap().as_str()) {
            module.pop();
        }
        let code = without_tests(&without_comments(&fs::read_to_string(&file).unwrap()));
        Source { file, module, code }
    };
    files.into_iter().map(source).collect()
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The same text, line by line, with spaces in the place of comments and of what stands in strings.
fn without_comments(source: &str) -> String {
    let (mut code, mut rest) = (String::new(), source);
    while let Some(next) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") {
            3
        } else if next == '"' {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |(end, _)| end + 1)
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        code.extend(rest[..length].chars().map(|c| if c == '\n' { c } else { ' ' }));
        rest = &rest[length..];
    }
    code
}

/// Tests stand at the end of a file, and may name whatever they test with.
fn without_tests(code: &str) -> String {
    let end = code.find("#[cfg(test)]\nmod ").filter(|at| !code[*at..].contains("mod tests;"));
    code[..end.unwrap_or(code.len())].to_string()
}

/// The paths that begin with `crate` or `super`, each with its line. What stands in braces is written out.
fn paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            for path in written_out(&code[at..]) {
                found.push((line, path));
            }
        }
    }
    found
}

/// `crate::{a, b::{c, d}}` is `crate::a`, `crate::b::c` and `crate::b::d`.
fn written_out(code: &str) -> Vec<Vec<String>> {
    let mut path = Vec::new();
    let mut rest = code;
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 {
            path.push(rest[..end].to_string());
        }
        rest = &rest[end..];
        if let Some(more) = rest.strip_prefix("::") {
            rest = more;
        } else if let (Some(group), true) = (rest.strip_prefix('{'), end == 0) {
            let tails = parts(group).flat_map(written_out);
            return tails.map(|tail| path.iter().cloned().chain(tail).collect()).collect();
        } else {
            return vec![path];
        }
    }
}

/// What stands between the commas of a group, up to the brace that closes it.
fn parts(group: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            '}' => {
                parts.push(&group[start..at]);
                break;
            }
            _ => {}
        }
    }
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty())
}

/// The module at the crate's root that a path leads to, seen from a module; none for an item of the root itself.
fn root_module(path: &[String], from: &[String]) -> Option<String> {
    let supers = path.iter().take_while(|part| *part == "super").count();
    let mut absolute = match path.first().map(String::as_str) {
        Some("crate") => Vec::new(),
        _ => from[..from.len().saturating_sub(supers)].to_vec(),
    };
    absolute.extend(path.iter().skip(supers.max(1)).cloned());
    absolute.into_iter().next()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == module)
}

/// The arrows up in this file.
fn arrows_up(source: &Source) -> Vec<String> {
    let Some(own) = source.module.first() else { return Vec::new() };
    let Some(here) = layer(own) else {
        return vec![format!("{}: `{own}` has no layer", source.file.display())];
    };
    let mut wrong = Vec::new();
    for (line, path) in paths(&source.code) {
        let at = format!("{}:{line}: {}", source.file.display(), path.join("::"));
        match root_module(&path, &source.module) {
            Some(module) => match layer(&module) {
                Some(there) if there <= here => {}
                Some(_) => wrong.push(format!("{at}: `{own}` is below `{module}`")),
                None => wrong.push(format!("{at}: name the module that `{module}` stands in")),
            },
            None => wrong.push(format!("{at}: this is the root of the crate")),
        }
    }
    wrong
}

#[test]
fn every_arrow_points_down() {
    let wrong = sources().iter().flat_map(arrows_up).collect::<Vec<_>>();
    assert!(wrong.is_empty(), "arrows up:\n{}", wrong.join("\n"));
}

#[test]
fn every_layer_is_there() {
    let sources = sources();
    let root = sources.iter().find(|source| source.module.is_empty()).unwrap();
    for layer in LAYERS {
        let declared = root.code.contains(&format!("mod {layer};"));
        assert!(declared || root.code.contains(&format!("mod {layer} {{")), "{layer}");
    }
}

#[test]
fn an_arrow_up_is_found_however_it_is_written() {
    let found = |module: &[&str], code: &str| {
        let module = module.iter().map(ToString::to_string).collect();
        let code = without_tests(&without_comments(code));
        arrows_up(&Source { file: PathBuf::from("x.rs"), module, code }).len()
    };
    assert_eq!(found(&["dag"], "use crate::driver::Driver;"), 1);
    assert_eq!(found(&["dag"], "use crate::{names, driver::{Driver, Control}, log};"), 2);
    assert_eq!(found(&["dag", "node"], "use super::super::typed::Saga;"), 1);
    assert_eq!(found(&["dag"], "fn run(driver: &crate::driver::Driver) {}"), 1);
    assert_eq!(found(&["dag"], "#[error(transparent)] E(#[from] crate::Error)"), 1);
    assert_eq!(found(&["dag"], "pub(in crate::dag) fn f() { super::names::new() }"), 0);
    assert_eq!(found(&["dag", "node"], "use super::super::names::NodeName; use super::Dag;"), 0);
    assert_eq!(found(&["dag"], "/// See [`crate::driver`].\nlet s = \"crate::driver\";"), 0);
    assert_eq!(found(&["dag"], "#[cfg(test)]\nmod tests { use crate::driver::Driver; }"), 0);
}

fn machine() -> Vec<Source> {
    let mut sources = sources();
    sources.retain(|source| source.module.first().is_some_and(|module| module == "machine"));
    assert!(sources.len() > 5);
    sources
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
fn the_machine_names_only_std_the_log_and_the_plan() {
    let mut foreign = dependencies();
    foreign.retain(|name| name != "thiserror");
    for Source { file, module, code } in machine() {
        let file = file.display();
        for (line, path) in paths(&code) {
            // what is planted is a constant in every build but those of our own tests
            let own = ["machine", "log", "names", "plan", "planted", "policy", "probe"];
            let to = root_module(&path, &module).unwrap_or_default();
            assert!(own.contains(&to.as_str()), "{file}:{line}: {}", path.join("::"));
        }
        for line in code.lines() {
            for word in words(line) {
                assert!(!foreign.iter().any(|name| name == word), "{file} uses {word}: {line}");
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
    for Source { file, code, .. } in machine() {
        let file = file.display();
        for line in code.lines() {
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
fn no_file_is_long() {
    for Source { file, .. } in sources() {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", file.display());
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}
