//! Measures the compile time that the macros add: how much longer `cargo check` takes for a crate whose functions
//! are actions, together with a saga of all of them, than for the same functions without attributes.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::{Outcome, cargo, output, show};

/// The numbers of actions, and of nodes in the saga.
const SIZES: [usize; 3] = [100, 200, 400];
/// How many times each crate is checked.
const RUNS: usize = 7;

/// Generates the crates in `target`, checks them in turns, and prints the times.
pub(super) fn measure(root: &Path) -> Outcome {
    let crates = Crates { directory: root.join("target/compile-time") };
    let names = SIZES.map(|size| (size, format!("plain-{size}"), format!("saga-{size}")));
    crates.generate(root, &names).map_err(|error| format!("cannot write the crates: {error}"))?;
    println!("building the dependencies of the crates");
    for (_, plain, saga) in &names {
        crates.check(plain)?;
        crates.check(saga)?;
    }
    let clock = match cpu_of_children() {
        Some(_) => "processor time",
        None => "elapsed time",
    };
    println!(
        "checking each crate {RUNS} times, in turns, without incremental compilation ({clock})"
    );
    println!("{:>7}  {:^29}  {:^29}", "", "median", "fastest");
    println!("actions  {0:^29}  {0:^29}", "plain      saga     added");
    for (size, plain, saga) in &names {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            without.push(crates.check(plain)?);
            with.push(crates.check(saga)?);
        }
        let row = [RUNS / 2, 0].map(|rank| {
            let (without, with) = (seconds(&mut without, rank), seconds(&mut with, rank));
            format!("{without:>7.2} s {with:>7.2} s {:>7.2} s", with - without)
        });
        println!("{size:>7}  {}", row.join("  "));
    }
    Ok(())
}

/// Returns the processor time of all child processes that have exited, where the system reports it (on Linux). It
/// depends less than elapsed time on what else the machine is doing.
fn cpu_of_children() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may contain anything. After it come fields 3 to 52, of which 16 and 17 are the
    // children's time in user and in system mode, in hundredths of a second.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some(Duration::from_millis((user + system) * 10))
}

/// Returns the time with this rank; the fastest has rank 0.
fn seconds(times: &mut [Duration], rank: usize) -> f64 {
    times.sort_unstable();
    times.get(rank).copied().unwrap_or_default().as_secs_f64()
}

/// A generated workspace that uses the same versions of dependencies as this one.
struct Crates {
    directory: PathBuf,
}

impl Crates {
    fn generate(&self, root: &Path, names: &[(usize, String, String)]) -> io::Result<()> {
        let mut members = Vec::new();
        for (size, plain, saga) in names {
            self.package(plain, &functions(*size, false))?;
            self.package(saga, &(functions(*size, true) + &declaration(*size)))?;
            members.extend([plain, saga]);
        }
        let core = root.join("saga-core");
        let manifest = format!(
            "[workspace]\nmembers = {members:?}\nresolver = \"3\"\n\n[workspace.dependencies]\n\
             saga-core = {{ path = {core:?}, default-features = false, features = [\"macros\"] }}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n"
        );
        fs::write(self.directory.join("Cargo.toml"), manifest)?;
        fs::copy(root.join("Cargo.lock"), self.directory.join("Cargo.lock"))?;
        Ok(())
    }

    fn package(&self, name: &str, source: &str) -> io::Result<()> {
        let manifest = format!(
            "[package]\nname = {name:?}\nedition = \"2024\"\n\n[dependencies]\n\
             saga-core.workspace = true\nserde.workspace = true\n"
        );
        fs::create_dir_all(self.directory.join(name).join("src"))?;
        fs::write(self.directory.join(name).join("Cargo.toml"), manifest)?;
        fs::write(self.source(name), source)
    }

    fn source(&self, name: &str) -> PathBuf {
        self.directory.join(name).join("src/lib.rs")
    }

    /// Measures how long it takes to check this crate alone.
    fn check(&self, name: &str) -> Outcome<Duration> {
        let source = self.source(name);
        // Rewriting the file makes cargo check it again.
        fs::read(&source)
            .and_then(|text| fs::write(&source, text))
            .map_err(|error| format!("cannot write {}: {error}", source.display()))?;
        let mut check = cargo(&["check", "--quiet", "--offline", "--package", name]);
        check.current_dir(&self.directory).env("CARGO_INCREMENTAL", "0");
        check.env("CARGO_TARGET_DIR", self.directory.join("target"));
        let shown = show(&check);
        let (started, before) = (Instant::now(), cpu_of_children());
        output(&mut check, &shown)?;
        let cpu = before.zip(cpu_of_children()).map(|(before, after)| after.saturating_sub(before));
        Ok(cpu.unwrap_or_else(|| started.elapsed()))
    }
}

/// Generates functions with undos and outputs, as actions or as plain functions.
fn functions(size: usize, actions: bool) -> String {
    let mut source = String::from(
        "//! Generated.\n\nuse saga_core::prelude::*;\nuse serde::{Deserialize, Serialize};\n\n\
         pub struct Services;\n",
    );
    for n in 0..size {
        let attribute = match actions {
            true => format!("#[saga_action(undo = undo{n}(output), timeout = \"30s\")]\n"),
            false => String::new(),
        };
        let _ = write!(
            source,
            "
#[derive(Serialize, Deserialize)]
pub struct Output{n} {{ pub cents: u64, pub name: String }}

{attribute}pub async fn action{n}(cx: &ActionContext<Services>, name: &str, cents: u64) -> Result<Output{n}, String> {{
    let _ = cx.attempt();
    Ok(Output{n} {{ cents, name: name.to_string() }})
}}

pub async fn undo{n}(cx: &ActionContext<Services>, output: &Output{n}) -> Result<(), String> {{
    let _ = (cx.attempt(), &output.name);
    Ok(())
}}
"
        );
    }
    source
}

/// Generates a saga of all actions, each of which reads a parameter and the output of the one before.
fn declaration(size: usize) -> String {
    let mut source =
        String::from("\nsaga! {\n    pub Generated<Services>(name: String, cents: u64) {\n");
    let mut cents = "*cents".to_string();
    for n in 0..size {
        let _ = writeln!(source, "        let node{n} = action{n} {{ name, cents: {cents} }};");
        cents = format!("node{n}.cents");
    }
    source + "    }\n}\n"
}
