//! The generated workspace, and the commands that are measured in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io};

use super::super::{Outcome, cargo, output, show};
use super::generate::{Edit, Kind, edited, program};

/// Programs of more than this many functions are measured once.
const LARGE: usize = 100;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// `cargo check` from nothing, without its dependencies.
    Check,
    /// `cargo check` after one edit in the body of one function.
    Edit(Edit),
    /// `cargo build --release`, without its dependencies.
    Build,
    /// The lines of LLVM IR that rustc hands to the optimizer.
    Lines,
    /// The size of the program, stripped.
    Size,
}

/// A number of microseconds, lines or bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Measured(pub(super) u64);

impl Measured {
    /// The difference to a smaller value.
    pub(super) fn since(self, constant: Self) -> Self {
        Self(self.0.saturating_sub(constant.0))
    }
}

impl Task {
    pub(super) const ALL: [Self; 6] = [
        Self::Check,
        Self::Edit(Edit::Line),
        Self::Edit(Edit::Expression),
        Self::Lines,
        Self::Build,
        Self::Size,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Check => "cargo check, without incremental compilation",
            Self::Edit(Edit::Line) => {
                "cargo check after one line was added to the body of one function"
            }
            Self::Edit(Edit::Expression) => {
                "cargo check after one line was changed in the body of one function"
            }
            Self::Build => "cargo build --release",
            Self::Lines => "lines of LLVM IR before optimization",
            Self::Size => "size of the stripped program",
        }
    }

    /// How many times it is measured for a program of this size; the smallest value counts.
    pub(super) fn runs(self, size: usize) -> usize {
        match self {
            Self::Lines | Self::Size => 1,
            _ if size > LARGE => 1,
            Self::Check | Self::Edit(_) => 5,
            Self::Build => 2,
        }
    }

    pub(super) fn show(self, value: Measured) -> String {
        match self {
            Self::Check | Self::Edit(_) | Self::Build => format!("{:.2} s", value.0 as f64 / 1e6),
            Self::Lines => value.0.to_string(),
            Self::Size => format!("{} KB", value.0 / 1000),
        }
    }
}

/// The clock that the times are of.
pub(super) fn clock() -> &'static str {
    match cpu_of_children() {
        Some(_) => "processor time",
        None => "elapsed time",
    }
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

/// A generated workspace that uses the same versions of dependencies as this one.
pub(super) struct Crates {
    directory: PathBuf,
}

impl Crates {
    pub(super) fn generate(root: &Path, sizes: &[usize]) -> io::Result<Self> {
        let crates = Self { directory: root.join("target/compile-time") };
        let mut members = Vec::new();
        for &size in sizes {
            for kind in [Kind::Plain, Kind::Saga] {
                crates.package(kind, size)?;
                members.push(kind.package(size));
            }
        }
        let core = root.join("saga-core");
        let manifest = format!(
            "[workspace]\nmembers = {members:?}\nresolver = \"3\"\n\n[workspace.dependencies]\n\
             saga-core = {{ path = {core:?}, default-features = false, features = [\"macros\"] }}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\nserde_json = \"1\"\n\
             tokio = {{ version = \"1\", features = [\"macros\", \"rt\"] }}\n\n\
             [profile.release]\nstrip = true\n"
        );
        fs::write(crates.directory.join("Cargo.toml"), manifest)?;
        fs::copy(root.join("Cargo.lock"), crates.directory.join("Cargo.lock"))?;
        Ok(crates)
    }

    fn package(&self, kind: Kind, size: usize) -> io::Result<()> {
        let name = kind.package(size);
        let manifest = format!(
            "[package]\nname = {name:?}\nedition = \"2024\"\n\n[dependencies]\n\
             saga-core.workspace = true\nserde.workspace = true\nserde_json.workspace = true\n\
             tokio.workspace = true\n"
        );
        fs::create_dir_all(self.directory.join(&name).join("src"))?;
        fs::write(self.directory.join(&name).join("Cargo.toml"), manifest)?;
        fs::write(self.source(kind, size), program(kind, size))
    }

    fn source(&self, kind: Kind, size: usize) -> PathBuf {
        self.directory.join(kind.package(size)).join("src/main.rs")
    }

    fn output(&self, path: &str) -> PathBuf {
        self.directory.join("target").join(path)
    }

    /// Compiles everything once, so that afterwards only the programs themselves are compiled again.
    pub(super) fn build_dependencies(&self, sizes: &[usize]) -> Outcome {
        let smallest = sizes.first().copied().unwrap_or(1);
        for task in Task::ALL {
            self.run(task, Kind::Plain, smallest)?;
            self.run(task, Kind::Saga, smallest)?;
        }
        Ok(())
    }

    /// Measures one program.
    pub(super) fn run(&self, task: Task, kind: Kind, size: usize) -> Outcome<Measured> {
        let name = kind.package(size);
        let package = ["--quiet", "--offline", "--package", &name];
        match task {
            Task::Check => {
                let check = self.cargo(&[&["check"], &package[..]].concat(), false);
                self.write(kind, size, &program(kind, size))?;
                timed(check)
            }
            Task::Edit(edit) => {
                let program = program(kind, size);
                let check = || self.cargo(&[&["check"], &package[..]].concat(), true);
                self.write(kind, size, &program)?;
                timed(check())?;
                self.write(kind, size, &edited(&program, size, edit))?;
                timed(check())
            }
            Task::Build => {
                let build = self.cargo(&[&["build", "--release"], &package[..]].concat(), false);
                self.write(kind, size, &program(kind, size))?;
                timed(build)
            }
            Task::Lines => {
                let build = ["rustc", "--profile", "release", "--target-dir"];
                let target = self.output("lines").display().to_string();
                let emit = ["--", "--emit=llvm-ir", "-Ccodegen-units=1", "-Cno-prepopulate-passes"];
                let build = [&build[..], &[target.as_str()], &package[..], &emit].concat();
                self.write(kind, size, &program(kind, size))?;
                timed(self.cargo(&build, false))?;
                self.lines(&name)
            }
            Task::Size => {
                let program = self.output("release").join(&name);
                let size = fs::metadata(&program).map(|metadata| metadata.len());
                size.map(Measured).map_err(|error| unreadable(&program, &error))
            }
        }
    }

    /// Writes the source of a program, which makes cargo compile it again.
    fn write(&self, kind: Kind, size: usize, program: &str) -> Outcome {
        let source = self.source(kind, size);
        fs::write(&source, program)
            .map_err(|error| format!("cannot write {}: {error}", source.display()))
    }

    fn cargo(&self, args: &[&str], incremental: bool) -> Command {
        let mut command = cargo(args);
        command.current_dir(&self.directory);
        command.env("CARGO_INCREMENTAL", if incremental { "1" } else { "0" });
        // A directory of its own, so that nothing else of the program is there to be reused.
        let target = if incremental { "target/incremental" } else { "target" };
        command.env("CARGO_TARGET_DIR", self.directory.join(target));
        command
    }

    /// Counts the lines of the functions in the LLVM IR of this program.
    fn lines(&self, name: &str) -> Outcome<Measured> {
        let directory = self.output("lines/release/deps");
        let files = fs::read_dir(&directory).map_err(|error| unreadable(&directory, &error))?;
        let start = format!("{}-", name.replace('-', "_"));
        let mut newest = None;
        for file in files.flatten() {
            let (path, name) = (file.path(), file.file_name());
            if name.to_string_lossy().starts_with(&start)
                && path.extension().is_some_and(|extension| extension == "ll")
            {
                let time = file.metadata().and_then(|metadata| metadata.modified());
                let time = time.map_err(|error| unreadable(&path, &error))?;
                newest = newest.max(Some((time, path)));
            }
        }
        let (_, path) = newest.ok_or_else(|| format!("rustc wrote no LLVM IR of {name}"))?;
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        let mut inside = false;
        let lines = text.lines().filter(|line| {
            inside = line.starts_with("define ") || inside && *line != "}";
            inside
        });
        Ok(Measured(lines.count() as u64))
    }
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

/// Runs a command and returns the time that it took.
fn timed(mut command: Command) -> Outcome<Measured> {
    let shown = show(&command);
    let (started, before) = (Instant::now(), cpu_of_children());
    output(&mut command, &shown)?;
    let cpu = before.zip(cpu_of_children()).map(|(before, after)| after.saturating_sub(before));
    let time = cpu.unwrap_or_else(|| started.elapsed());
    Ok(Measured(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)))
}
