//! `cargo xtask mutants`: changes the machine or the driver in one place at a time, and looks whether a test fails.
//!
//! cargo-mutants makes the changes, in a copy of the repository. All mutants take hours, so a run looks at one of many
//! shards: which one, `--shard K/N` says. What saga-core's own tests miss in the driver is tried again with the tests of the
//! root package.

use std::fs;
use std::path::Path;

use crate::{Outcome, Xtask, cargo, runs};

/// The version that is installed if there is none.
const VERSION: &str = "27.1.0";

/// Mutants that no test can find, because they do the same as the code, each with the reason.
const EQUIVALENT: &str = "xtask/equivalent-mutants.txt";

/// What is mutated, and which tests must find it.
struct Part {
    name: &'static str,
    files: &'static str,
    /// The tests of the crate itself, which every mutant is tried with.
    first: Tests,
    /// Tests that take longer: what the first ones miss is tried again with these.
    second: Option<Tests>,
    /// The shard that is looked at if none is named: about a dozen mutants.
    shard: &'static str,
    /// The mutants that are part of every `cargo xtask ci`: each with its file, and a regular expression. They are named, and not
    /// numbered, because other code has other numbers. cargo-mutants looks at those that leave out a field whatever the
    /// expression says, so these files have none.
    sample: &'static [(&'static str, &'static str)],
}

/// Tests of one package.
struct Tests {
    package: &'static str,
    /// Arguments of cargo: features, and the test programs that are built.
    cargo: &'static [&'static str],
    /// Arguments of the programs: which of their tests are run.
    names: &'static [&'static str],
    /// In how many seconds they end, also on a busy machine. A mutant that makes them take longer counts as found.
    timeout: u32,
    /// For the tests: as many random runs as fit.
    environment: &'static [(&'static str, &'static str)],
}

const PARTS: [Part; 2] = [
    Part {
        name: "machine",
        files: "saga-core/src/machine/**",
        first: Tests {
            package: "saga-core",
            cargo: &[
                "--no-default-features",
                "--features=testing,fault-injection",
                "--lib",
                "--test=machine",
            ],
            names: &[
                "machine::",
                "cost::",
                "rules::",
                "planted::",
                "properties::every",
                "properties::a_crash",
            ],
            timeout: 180,
            environment: &[("PROPTEST_CASES", "300")],
        },
        second: None,
        shard: "0/80",
        sample: &[
            ("saga-core/src/machine/mod.rs", "replace Machine::unwritten -> .* with Vec::leak"),
            ("saga-core/src/machine/timers.rs", "replace Machine::is_going -> bool with false"),
            ("saga-core/src/machine/graph.rs", r"replace \+ with - in SagaState::open_gate"),
        ],
    },
    Part {
        name: "driver",
        files: "saga-core/src/driver/**",
        first: Tests {
            package: "saga-core",
            cargo: &[
                "--no-default-features",
                "--features=testing,fault-injection,sqlite",
                "--lib",
                "--test=simulator",
            ],
            names: &["driver::", "no_run_breaks_a_law"],
            timeout: 180,
            environment: &[("SIM_SEEDS", "600")],
        },
        second: Some(Tests {
            package: "saga-examples",
            cargo: &[
                "--test=compensation",
                "--test=coordinator",
                "--test=observability",
                "--test=operators",
                "--test=recovery",
                "--test=saga_test",
                "--test=values",
            ],
            // of those that are left out, each takes longer than all others together
            names: &["--skip=concurrent_failures"],
            timeout: 480,
            environment: &[],
        }),
        shard: "0/70",
        sample: &[
            ("saga-core/src/driver/link.rs", "replace TaskLink::creation -> .* with None"),
            ("saga-core/src/driver/values.rs", "replace Values::place_in -> .* with None"),
            ("saga-core/src/driver/call/several.rs", "replace Several<T>::get -> .* with None"),
            ("saga-core/src/driver/transaction/queue.rs", "hold -> bool with true"),
        ],
    },
];

/// Runs one shard of the mutants of each part, or of one part, and fails if a mutant lives that is not known to be equivalent.
pub(crate) fn search(xtask: &mut Xtask, options: &[&str]) -> Outcome {
    let (mut name, mut shard, mut rest) = (None, None, options);
    while let [option, value, others @ ..] = rest {
        match *option {
            "--part" if PARTS.iter().any(|part| part.name == *value) => name = Some(*value),
            "--shard" => shard = Some(*value),
            _ => break,
        }
        rest = others;
    }
    if !rest.is_empty() {
        let names = PARTS.map(|part| part.name).join("|");
        return Err(format!("usage: cargo xtask mutants [--part {names}] [--shard K/N]"));
    }
    let mut parts = PARTS.iter().filter(|part| name.is_none_or(|name| name == part.name));
    parts.try_for_each(|part| {
        let shard = shard.unwrap_or(part.shard);
        look_at(xtask, part, &["--sharding=round-robin", "--shard", shard, "--file", part.files])
    })
}

/// The few mutants of a continuous integration.
pub(crate) fn sample(xtask: &mut Xtask) -> Outcome {
    PARTS.iter().try_for_each(|part| {
        let named = part.sample.iter().flat_map(|(file, name)| ["--file", *file, "--re", *name]);
        look_at(xtask, part, &named.collect::<Vec<_>>())
    })
}

/// Tries some mutants of a part, and fails if one lives that is not known to be equivalent.
fn look_at(xtask: &mut Xtask, part: &Part, which: &[&str]) -> Outcome {
    if !runs("mutants") {
        xtask.cargo(
            "install cargo-mutants",
            &["install", "--locked", "cargo-mutants", "--version", VERSION],
        )?;
    }
    let known = fs::read_to_string(xtask.root.join(EQUIVALENT));
    let known = known.map_err(|error| format!("{EQUIVALENT}: {error}"))?;
    let found = xtask.root.join("target/mutants");
    let name = format!("mutants of the {}", part.name);
    let first = try_mutants(xtask, &name, &part.first, which, &found)?;
    let mut living = Vec::new();
    for mutant in &first.missed {
        if !is_equivalent(&known, mutant, &code_of(&xtask.root, mutant)?) {
            living.push(mutant.clone());
        }
    }
    let equivalent = first.missed.len() - living.len();
    let mut later = 0;
    if let Some(tests) = part.second.as_ref().filter(|_| !living.is_empty()) {
        let caught = try_again(xtask, part, tests, &living)?;
        later = living.len();
        living.retain(|mutant| !caught.contains(mutant));
        later -= living.len();
    }
    println!(
        "    {} caught, {later} of them by the tests of the root package; {} missed, {equivalent} of them equivalent",
        first.caught.len() + later,
        living.len() + equivalent
    );
    match living.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "no test finds these mutants; write one, or add them to {EQUIVALENT} with the reason:\n{}",
            living.join("\n")
        )),
    }
}

/// Tries mutants that live once more, with other tests. Returns those that are caught.
fn try_again(
    xtask: &mut Xtask,
    part: &Part,
    tests: &Tests,
    living: &[String],
) -> Outcome<Vec<String>> {
    let package = format!("--package={}", tests.package);
    let unchanged = [&["test", &package], tests.cargo, &["--"], tests.names].concat();
    // cargo-mutants would try the other package without a change
    xtask.cargo(&format!("tests of {} without a mutant", tests.package), &unchanged)?;
    let mut list = cargo(&["mutants", "--package=saga-core", "--list", "--file", part.files]);
    let list = list.current_dir(&xtask.root).output().map_err(|error| error.to_string())?;
    let all = String::from_utf8_lossy(&list.stdout).into_owned();
    // to cargo-mutants these have been caught, so that it leaves them out
    let others = all.lines().filter(|mutant| living.iter().all(|lives| lives != mutant));
    let others = others.map(|mutant| format!("{mutant}\n")).collect::<String>();
    let found = xtask.root.join("target/mutants/again");
    let file = found.join("mutants.out/caught.txt");
    // what earlier runs have left there counts as caught, too
    let _ = fs::remove_dir_all(&found);
    let written = file.parent().map_or(Ok(()), fs::create_dir_all);
    let written = written.and_then(|()| fs::write(&file, others));
    written.map_err(|error| format!("{}: {error}", file.display()))?;
    let (name, test) = (
        format!("the {} that live, with the tests of {}", living.len(), tests.package),
        format!("--test-package={}", tests.package),
    );
    let which = ["--iterate", "--baseline=skip", &test, "--file", part.files];
    Ok(try_mutants(xtask, &name, tests, &which, &found)?.caught)
}

/// What became of some mutants. Those that did not compile are neither.
struct Tried {
    /// A test failed, or did not end.
    caught: Vec<String>,
    missed: Vec<String>,
}

/// Has cargo-mutants try some mutants of saga-core. `found` is the directory for what it writes.
fn try_mutants(
    xtask: &mut Xtask,
    name: &str,
    tests: &Tests,
    which: &[&str],
    found: &Path,
) -> Outcome<Tried> {
    fs::create_dir_all(found).map_err(|error| format!("{}: {error}", found.display()))?;
    let mut search = cargo(&["mutants", "--package=saga-core", "--jobs=1"]);
    search.arg(format!("--timeout={}", tests.timeout)).args(which).arg("--output").arg(found);
    search.args(tests.cargo.iter().map(|argument| format!("--cargo-arg={argument}")));
    search.args(["--", "--"]).args(tests.names);
    // each run has a copy of the repository; with this, the next one has its dependencies compiled
    search.env("CARGO_TARGET_DIR", xtask.root.join("target/mutants/build"));
    search.envs(tests.environment.iter().copied());
    // it also fails if a mutant lives, of which the list of those that are known decides
    let ended = xtask.run(name, search);
    let listed = |name: &str| -> Outcome<Vec<String>> {
        let file = found.join("mutants.out").join(name);
        let lines = fs::read_to_string(&file).map_err(|error| match &ended {
            Ok(()) => format!("{}: {error}", file.display()),
            Err(why) => why.clone(),
        })?;
        Ok(lines.lines().map(str::to_string).collect())
    };
    let caught = [listed("caught.txt")?, listed("timeout.txt")?].concat();
    let missed = listed("missed.txt")?;
    if caught.is_empty() && missed.is_empty() {
        ended?;
    }
    Ok(Tried { caught, missed })
}

/// A mutant as the list of equivalent ones has it: with its file, and without line and column, which change.
fn without_place(mutant: &str) -> String {
    let mut parts = mutant.splitn(4, ':');
    let file = parts.next().unwrap_or_default();
    format!("{file}:{}", parts.nth(2).unwrap_or_default())
}

/// The line that a mutant changes.
fn code_of(root: &Path, mutant: &str) -> Outcome<String> {
    let mut parts = mutant.splitn(3, ':');
    let file = root.join(parts.next().unwrap_or_default());
    let line = parts.next().and_then(|line| line.parse::<usize>().ok());
    let source = fs::read_to_string(&file);
    let source = source.map_err(|error| format!("{}: {error}", file.display()))?;
    let line = line.and_then(|line| source.lines().nth(line.checked_sub(1)?));
    let line = line.ok_or_else(|| format!("cargo-mutants reports no line: {mutant}"))?;
    Ok(line.trim().to_string())
}

/// True if a mutant, which changes this line, is in the list of equivalent ones. There, the line stands below the mutant, because
/// a function may have several places where the same can be changed.
fn is_equivalent(known: &str, mutant: &str, code: &str) -> bool {
    let (mutant, mut listed) = (without_place(mutant), "");
    for line in known.lines() {
        match line.strip_prefix("    ") {
            Some(there) if listed == mutant && there == code => return true,
            Some(_) => {}
            None => listed = line,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_is_known_by_its_file_and_what_it_changes_and_the_line() {
        let known =
            "# why\nsaga-core/src/a.rs: replace > with >= in f\n    if a > b {\n    if c > d {\n";
        let known = |mutant, code| is_equivalent(known, mutant, code);
        assert!(known("saga-core/src/a.rs:170:9: replace > with >= in f", "if a > b {"));
        assert!(known("saga-core/src/a.rs:1:9: replace > with >= in f", "if c > d {"));
        assert!(!known("saga-core/src/a.rs:170:9: replace > with >= in f", "if x > 0 {"));
        assert!(!known("saga-core/src/a.rs:170:9: replace > with < in f", "if a > b {"));
        assert!(!known("saga-core/src/b.rs:170:9: replace > with >= in f", "if a > b {"));
    }

    #[test]
    fn every_line_in_the_list_of_equivalent_mutants_is_in_its_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let (known, mut file) = (fs::read_to_string(root.join(EQUIVALENT)).unwrap(), "");
        for line in known.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            match line.strip_prefix("    ") {
                Some(code) => {
                    let source = fs::read_to_string(root.join(file)).unwrap();
                    let is_there = source.lines().any(|line| line.trim() == code);
                    assert!(is_there, "{file} has no line `{code}`");
                }
                None => file = line.split(':').next().unwrap(),
            }
        }
    }
}
