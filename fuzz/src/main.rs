//! The command line of the fuzzer: `cargo xtask fuzz --minutes N [--seed N] [--target NAME]`. With `--seeds`, it
//! writes the seeds of the corpus instead.

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, thread};

use fuzz::{CurrentInput, Mutator, Rng, TARGETS, Target, corpus, name_of, run_one, seeds};

/// How long one input may take before it counts as a hang.
const TIME_LIMIT: Duration = Duration::from_secs(60);

struct Options {
    minutes: f64,
    seed: u64,
    target: Option<String>,
    seeds: bool,
}

fn options() -> Result<Options, String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = now.map_or(0, |now| now.as_nanos() as u64);
    let mut options = Options { minutes: 1.0, seed, target: None, seeds: false };
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("`{arg}` needs a value"));
        let number = |what: &str, value: String| format!("`{value}` is not a valid {what}");
        match arg.as_str() {
            "--minutes" => {
                let value = value()?;
                let minutes = value.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0);
                options.minutes = minutes.ok_or_else(|| number("number of minutes", value))?;
            }
            "--seed" => {
                let value = value()?;
                options.seed = value.parse().map_err(|_| number("seed", value))?;
            }
            "--target" => options.target = Some(value()?),
            "--seeds" => options.seeds = true,
            other => return Err(format!("unknown option `{other}`")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("fuzz: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    if options.seeds {
        return write_seeds();
    }
    let wanted = |target: &&Target| options.target.as_ref().is_none_or(|name| name == target.name);
    let targets = TARGETS.iter().filter(wanted).collect::<Vec<_>>();
    if targets.is_empty() {
        let known = TARGETS.iter().map(|target| target.name).collect::<Vec<_>>();
        return Err(format!("unknown target; the targets are {}", known.join(", ")));
    }
    println!("fuzz: seed {}", options.seed);
    let each = Duration::from_secs_f64(options.minutes * 60.0 / targets.len() as f64);
    let mut broken = 0;
    for target in targets {
        broken += fuzz(target, options.seed, each)?;
    }
    match broken {
        0 => Ok(()),
        n => Err(format!("{n} inputs caused a failure; they were added to the corpus")),
    }
}

/// Fuzzes one target for a while, and returns how many inputs caused a failure.
fn fuzz(target: &'static Target, seed: u64, time: Duration) -> Result<usize, String> {
    let mut rng = Rng::new(seed);
    let current = CurrentInput::new();
    println!("fuzz: target {}; its current input is in {}", target.name, current.path().display());
    let (directory, files) = corpus(target).map_err(|e| e.to_string())?;
    let mut inputs = files.into_iter().map(|(_, input)| input).collect::<Vec<_>>();
    let (mut outcomes, mut broken, mut cases) = (HashSet::new(), HashSet::new(), 0u64);
    let started = Instant::now();
    while started.elapsed() < time {
        let (input, other) = (rng.pick(&inputs).cloned(), rng.pick(&inputs).cloned());
        let (input, other) = (input.unwrap_or_default(), other.unwrap_or_default());
        let input = Mutator::new(&mut rng, target.sealed).mutate(&input, &other);
        current.set(&input).map_err(|e| e.to_string())?;
        cases += 1;
        match within(target, input.clone())? {
            Ok(outcome) => {
                if outcomes.insert(kind_of(&outcome)) && input.len() < 64_000 {
                    inputs.push(input);
                }
            }
            Err(why) => {
                let place = why.lines().next().unwrap_or_default().to_string();
                if broken.insert(place) {
                    let file = directory.join(name_of(&input));
                    fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
                    fs::write(&file, &input).map_err(|e| e.to_string())?;
                    eprintln!("fuzz: {} makes {} fail: {why}", file.display(), target.name);
                }
            }
        }
    }
    println!(
        "fuzz: target {}: {cases} inputs, {} kinds of outcomes, {} failures",
        target.name,
        outcomes.len(),
        broken.len()
    );
    Ok(broken.len())
}

/// Reduces an outcome to its kind: without quoted text and without numbers.
fn kind_of(outcome: &str) -> String {
    let unquoted = outcome.split(['"', '`', '\'']).step_by(2).collect::<String>();
    unquoted.chars().filter(|c| !c.is_numeric()).take(200).collect()
}

/// Runs an input on a thread of its own, with a stack as small as those of a runtime's threads.
fn within(target: &'static Target, input: Vec<u8>) -> Result<Result<String, String>, String> {
    let (done, is_done) = std::sync::mpsc::channel();
    let thread = thread::Builder::new().name("input".into()).stack_size(2 << 20);
    let spawned = thread.spawn(move || done.send(run_one(target, &input)));
    let spawned = spawned.map_err(|e| e.to_string())?;
    let outcome = is_done
        .recv_timeout(TIME_LIMIT)
        .map_err(|_| format!("{} hangs on its current input", target.name))?;
    let _ = spawned.join();
    Ok(outcome)
}

fn write_seeds() -> Result<(), String> {
    for (target, inputs) in seeds()? {
        let (directory, _) = corpus(target).map_err(|e| e.to_string())?;
        fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
        for (name, input) in inputs {
            let file = directory.join(format!("seed-{name}"));
            fs::write(&file, input).map_err(|e| format!("{}: {e}", file.display()))?;
        }
    }
    Ok(())
}
