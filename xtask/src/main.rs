//! The repository's own commands: `cargo xtask test`, `cargo xtask install`, `cargo xtask ci`, `cargo xtask neighbours`,
//! `cargo xtask fuzz`, `cargo xtask soak`, `cargo xtask mutants` and `cargo xtask compile-time`.
//!
//! It depends on `std` only, so that the first command a newcomer runs compiles in a second.

mod compile_time;
mod install;
mod mutants;
mod neighbours;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs};

const USAGE: &str = "\
usage: cargo xtask <command>

  test   install what the tests need, then run all tests of the workspace and all examples in the
         docs
  install
         install what the tests need: parts of the Rust toolchain, PostgreSQL, PgBouncer and Chromium
  ci     check formatting, lints, docs, each feature alone and the number of dependencies; then
         run `neighbours`, seven of the `mutants` and `test`
  neighbours
         build programs that use `saga-core` together with sqlx, diesel, SeaORM and older versions
         of rusqlite, and run some of them; the first run downloads and compiles these crates
  fuzz   search for inputs that cause a panic or a hang; options: `--minutes N` (default 1), and
         `--seed N` and `--target NAME` to repeat a search
  soak   run an order service under load and kill it 400 times, which takes a few minutes; set
         `SHOP_ORDERS`, `SHOP_KILLS` and `SHOP_SEED` in the environment to change the run. Then
         simulate 200 000 runs, from a seed that is printed; `SIM_SEEDS` and `SIM_FIRST` change that
  mutants
         change the machine and the driver in one place at a time, and look whether a test fails;
         `--shard K/N` looks at other places, `--part machine` or `--part driver` at one of the
         two. Installs cargo-mutants if need be
  compile-time
         measure what a saga adds to `cargo check`, to a release build and to the size of the
         program, beside the same functions awaited in plain Rust; `--quick` measures 100 functions
         only, and otherwise it is up to 1 000
  help   print this text";

/// The environment variable with the URL of a PostgreSQL that tests use instead of starting one.
const SERVER: &str = "SAGA_TEST_POSTGRES_URL";

/// The largest allowed number of crates that `saga-core` depends on with its default features.
const MAX_DEPENDENCIES: usize = 60;

fn main() -> ExitCode {
    let args = env::args().skip(1).collect::<Vec<_>>();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test"] => Xtask::new().and_then(|mut xtask| xtask.test()),
        ["install"] => Xtask::new().and_then(|mut xtask| xtask.install_all()),
        ["ci"] => Xtask::new().and_then(|mut xtask| xtask.ci()),
        ["fuzz", options @ ..] => Xtask::new().and_then(|mut xtask| xtask.fuzz(options)),
        ["soak"] => Xtask::new().and_then(|mut xtask| xtask.soak()),
        ["mutants", options @ ..] => {
            Xtask::new().and_then(|mut xtask| mutants::search(&mut xtask, options))
        }
        ["neighbours"] => Xtask::new().and_then(|mut xtask| xtask.neighbours()),
        ["compile-time", options @ ..] if matches!(options, [] | ["--quick"]) => {
            Xtask::new().and_then(|xtask| compile_time::measure(&xtask.root, !options.is_empty()))
        }
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        [] => return usage("no command was given"),
        ["compile-time", ..] => return usage("the only option of `compile-time` is `--quick`"),
        [command @ ("test" | "install" | "ci" | "neighbours" | "soak"), ..] => {
            return usage(&format!("`{command}` takes no arguments"));
        }
        [unknown, ..] => return usage(&format!("unknown command `{unknown}`")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\nxtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("xtask: {problem}\n\n{USAGE}");
    ExitCode::from(2)
}

/// The result of a command; the error is a message for the user.
type Outcome<T = ()> = Result<T, String>;

struct Xtask {
    /// The root directory of the repository.
    root: PathBuf,
    started: Instant,
    /// The number of steps so far.
    steps: usize,
    /// True for `ci`: removes the environment variables that would overwrite expected outputs.
    strict: bool,
}

impl Xtask {
    fn new() -> Outcome<Self> {
        // Set by `cargo run`, which may run a binary that was built in another checkout.
        let package = env::var_os("CARGO_MANIFEST_DIR").ok_or("run it as `cargo xtask`")?;
        let root =
            Path::new(&package).parent().ok_or("the xtask package has no parent directory")?;
        Ok(Self { root: root.to_path_buf(), started: Instant::now(), steps: 0, strict: false })
    }

    /// Installs what the tests need.
    fn install_all(&mut self) -> Outcome {
        // Compile errors quote the standard library, and differ if its sources are not installed.
        let sources = sysroot()?.join("lib/rustlib/src");
        self.component("rust-src", sources.is_dir())?;
        self.rust_analyzer()?;
        self.postgres()?;
        self.chromium()
    }

    /// Installs what the tests need and runs them.
    fn test(&mut self) -> Outcome {
        self.install_all()?;
        let screenshots = self.root.join("target/screenshots");
        println!("    how the page for operators looks is kept in {}", screenshots.display());
        // `--all-targets` without benchmarks.
        let targets = ["--lib", "--bins", "--tests", "--examples"];
        let all = ["test", "--workspace", "--all-features"];
        self.cargo("tests", &[&all[..], &targets].concat())?;
        self.cargo("examples in the docs", &[&all[..], &["--doc"]].concat())?;
        let seconds = self.started.elapsed().as_secs_f64();
        println!("\nxtask: all {} steps passed in {seconds:.1} s", self.steps);
        Ok(())
    }

    /// Installs rust-analyzer for the tests in `ide-tests`. If it cannot be installed, those tests are skipped
    /// and say so; under continuous integration that is an error.
    fn rust_analyzer(&mut self) -> Outcome {
        // If it is not installed, rustup provides a program of that name that fails.
        let mut version = Command::new("rust-analyzer");
        let there = version.arg("--version").output().is_ok_and(|output| output.status.success());
        match self.component("rust-analyzer", there) {
            Err(error) if env::var_os("CI").is_none_or(|ci| ci != "true") => {
                println!(
                    "    the tests in `ide-tests` are skipped, because they need rust-analyzer: {error}"
                );
                Ok(())
            }
            result => result,
        }
    }

    /// Installs PostgreSQL, whose server the tests start by themselves, and PgBouncer. With a server in the environment,
    /// most tests need nothing else.
    fn postgres(&mut self) -> Outcome {
        let server = ("postgresql", throwaway_postgres::find_programs());
        for (package, found) in [server, ("pgbouncer", throwaway_postgres::find_pgbouncer())] {
            let Err(missing) = found else { continue };
            if env::var_os(SERVER).is_some() {
                println!(
                    "    {SERVER} is set, so that nothing is installed; only the tests that need more than a server fail: \
                     {missing}"
                );
                continue;
            }
            if !install::may_install() {
                return Err(format!(
                    "{missing}, or set {SERVER} to the URL of a server where databases may be created"
                ));
            }
            self.install(package)?;
        }
        if env::var_os(SERVER).is_none() {
            throwaway_postgres::find_programs()?;
            throwaway_postgres::find_pgbouncer()?;
        }
        Ok(())
    }

    /// Runs everything that a change must pass.
    fn ci(&mut self) -> Outcome {
        self.strict = true;
        self.component("rustfmt", runs("fmt"))?;
        self.component("clippy", runs("clippy"))?;
        self.cargo("format", &["fmt", "--all", "--check"])?;
        let all = ["clippy", "--workspace", "--all-targets", "--all-features"];
        self.cargo("lints", &[&all[..], &["--", "-D", "warnings"]].concat())?;
        let mut docs = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
        docs.env("RUSTDOCFLAGS", "-D warnings");
        self.run("docs", docs)?;
        self.features()?;
        self.dependencies()?;
        self.neighbours()?;
        mutants::sample(self)?;
        self.test()
    }

    /// Runs the fuzzer for a while. Inputs that cause a failure are added to the corpus.
    fn fuzz(&mut self, options: &[&str]) -> Outcome {
        // Optimized, but with overflow checks and debug assertions, as in tests.
        let run = ["run", "--profile", "fuzz", "--package", "fuzz", "--"];
        self.cargo("fuzz", &[&run[..], options].concat())
    }

    /// Runs the shop test with many more orders and kills.
    fn soak(&mut self) -> Outcome {
        let mut soak = cargo(&["test", "--test", "shop", "--", "--nocapture"]);
        for (name, default) in [("SHOP_ORDERS", "4000"), ("SHOP_KILLS", "400")] {
            if env::var_os(name).is_none() {
                soak.env(name, default);
            }
        }
        self.run("soak: the order service", soak)?;
        let simulator = [
            "test",
            "-p",
            "saga-core",
            "--test",
            "simulator",
            "no_run_breaks_a_law",
            "--",
            "--nocapture",
        ];
        let mut simulator = cargo(&simulator);
        // a run of its own each time; it is printed, and repeats the same runs
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let first = (now.as_secs() * 1_000_000).to_string();
        for (name, default) in [("SIM_SEEDS", "200000"), ("SIM_FIRST", &first)] {
            if env::var_os(name).is_none() {
                println!("    {name}={default}");
                simulator.env(name, default);
            }
        }
        self.run("soak: the simulator", simulator)
    }

    /// Lints `saga-core` without features, and with each of its features alone; and `saga-cli` without PostgreSQL.
    fn features(&mut self) -> Outcome {
        let manifest = self.root.join("saga-core/Cargo.toml");
        let text = fs::read_to_string(&manifest)
            .map_err(|error| format!("cannot read {}: {error}", manifest.display()))?;
        let alone = ["clippy", "-p", "saga-core", "--no-default-features"];
        let deny = ["--", "-D", "warnings"];
        self.cargo("no features", &[&alone[..], &deny].concat())?;
        for feature in features(&text) {
            let args = [&alone[..], &["--features", feature], &deny].concat();
            self.cargo(&format!("feature `{feature}` alone"), &args)?;
        }
        let cli = ["clippy", "-p", "saga-cli", "--no-default-features"];
        self.cargo("saga-cli without PostgreSQL", &[&cli[..], &deny].concat())?;
        Ok(())
    }

    /// Counts the crates that a user of `saga-core` compiles with it.
    fn dependencies(&mut self) -> Outcome {
        let step = self.begin("number of dependencies");
        let mut tree = cargo(&["tree", "-p", "saga-core", "-e", "normal", "--prefix", "none"]);
        let shown = show(&tree);
        let tree = output(tree.current_dir(&self.root), &shown)?;
        let count = crates(&tree).len();
        println!("    saga-core depends on {count} crates; at most {MAX_DEPENDENCIES} are allowed");
        if count > MAX_DEPENDENCIES {
            return Err(format!(
                "step `{}` failed: saga-core depends on {count} crates, but at most {MAX_DEPENDENCIES} \
                 are allowed; `{shown}` lists them",
                step.name
            ));
        }
        self.end(&step);
        Ok(())
    }

    /// Installs a component of the toolchain, if it is missing.
    fn component(&mut self, name: &str, there: bool) -> Outcome {
        if there {
            return Ok(());
        }
        let mut rustup = Command::new("rustup");
        rustup.args(["component", "add", name]);
        self.run(&format!("install {name}"), rustup)
    }

    fn cargo(&mut self, name: &str, args: &[&str]) -> Outcome {
        self.run(name, cargo(args))
    }

    /// Runs one step: a program that must succeed.
    fn run(&mut self, name: &str, mut command: Command) -> Outcome {
        let step = self.begin(name);
        let shown = show(&command);
        println!("    {shown}");
        command.current_dir(&self.root);
        if self.strict {
            for rewrites in ["TRYBUILD", "SAGA_BLESS", "VALUES_UPDATE", "OPERATING_UPDATE"] {
                command.env_remove(rewrites);
            }
            command.env("INSTA_UPDATE", "no");
        }
        let status = command
            .status()
            .map_err(|error| format!("step `{name}`: cannot run `{shown}`: {error}"))?;
        if !status.success() {
            return Err(format!("step `{name}` failed ({status}); to run it alone: {shown}"));
        }
        self.end(&step);
        Ok(())
    }

    fn begin(&mut self, name: &str) -> Step {
        self.steps += 1;
        println!("\n==> {}. {name}", self.steps);
        Step { name: name.to_owned(), started: Instant::now() }
    }

    fn end(&self, step: &Step) {
        println!("    {}: ok, {:.1} s", step.name, step.started.elapsed().as_secs_f64());
    }
}

struct Step {
    name: String,
    started: Instant,
}

/// The `cargo` that runs this program, so that every step uses the same toolchain.
fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

/// Returns true if cargo has this subcommand.
fn runs(subcommand: &str) -> bool {
    cargo(&[subcommand, "--version"]).output().is_ok_and(|output| output.status.success())
}

/// Returns the directory of the toolchain.
fn sysroot() -> Outcome<PathBuf> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let path = output(Command::new(rustc).args(["--print", "sysroot"]), "rustc --print sysroot")?;
    Ok(PathBuf::from(path.trim()))
}

/// Runs a program that must succeed, and returns its output.
fn output(command: &mut Command, shown: &str) -> Outcome<String> {
    let output = command.output().map_err(|error| format!("cannot run `{shown}`: {error}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{shown}` failed ({}):\n{stderr}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Formats the command as one would type it.
fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        let value = value.unwrap_or_default().display();
        words.push(format!("{}=\"{value}\"", name.display()));
    }
    words.push(program.display().to_string());
    words.extend(command.get_args().map(|arg| arg.display().to_string()));
    words.join(" ")
}

/// Returns the names in the `[features]` table of a manifest, except `default`.
fn features(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim()))
        .filter(|name| *name != "default")
}

/// Returns the crates in the output of `cargo tree --prefix none`, each once and without the first, which is the
/// package itself.
fn crates(tree: &str) -> BTreeSet<(&str, &str)> {
    let named = |line| {
        let mut words = str::split_whitespace(line);
        Some((words.next()?, words.next()?))
    };
    tree.lines().skip(1).filter_map(named).collect()
}
