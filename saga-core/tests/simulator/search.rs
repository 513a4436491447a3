//! Runs many seeds, until a law is broken.
//!
//! An ordinary run begins with the same seed each time, so that a failure is due to the change that is being tested, and
//! everybody can repeat it. `cargo xtask soak` covers new ground: it begins with a seed of its own, and prints it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use crate::run::{Case, run};
use crate::shrink::shrink;
use crate::trace::Counts;

/// How many seeds an ordinary run has.
const SEEDS: u64 = 20_000;

/// A law that some seed breaks.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) law: &'static str,
    pub(crate) seed: u64,
    pub(crate) what: String,
}

/// What was found by all seeds together.
pub(crate) struct Found {
    pub(crate) first: u64,
    pub(crate) seeds: u64,
    /// By seed. One, unless all were asked for.
    pub(crate) violations: Vec<Violation>,
    pub(crate) counts: Counts,
}

/// Runs these seeds, on this thread, until a law is broken.
pub(crate) fn find_violation(seeds: impl IntoIterator<Item = u64>) -> Option<Violation> {
    seeds.into_iter().find_map(|seed| run_seed(seed).0)
}

fn run_seed(seed: u64) -> (Option<Violation>, Counts) {
    let ran = run(&Case::of_seed(seed), false);
    let violation = ran.broken.map(|broken| Violation { law: broken.law, seed, what: broken.what });
    (violation, ran.counts)
}

/// Runs as many seeds as the environment says, on all cores, once for all tests of this program.
pub(crate) fn searched() -> &'static Found {
    static FOUND: OnceLock<Found> = OnceLock::new();
    FOUND.get_or_init(|| {
        if let Some(seed) = variable("SIM_SEED") {
            let (violation, counts) = run_seed(seed);
            return Found {
                first: seed,
                seeds: 1,
                violations: violation.into_iter().collect(),
                counts,
            };
        }
        search(variable("SIM_FIRST").unwrap_or(1), variable("SIM_SEEDS").unwrap_or(SEEDS))
    })
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}; set it to a number")))
}

fn search(first: u64, seeds: u64) -> Found {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let violations = Mutex::new(Vec::new());
    let all = std::env::var_os("SIM_ALL").is_some();
    let counts = Mutex::new(Counts::new());
    let work = || {
        let mut reached = Counts::new();
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= seeds {
                break;
            }
            let (found, counts) = run_seed(first.wrapping_add(number));
            for (what, times) in counts {
                *reached.entry(what).or_default() += times;
            }
            if let Some(found) = found {
                stop.fetch_or(!all, Ordering::Relaxed);
                violations.lock().unwrap().push(found);
            }
        }
        let mut counts = counts.lock().unwrap();
        for (what, times) in reached {
            *counts.entry(what).or_default() += times;
        }
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        (0..cores).for_each(|_| drop(scope.spawn(work)));
    });
    let seeds = next.into_inner().min(seeds);
    let mut violations = violations.into_inner().unwrap();
    violations.sort_by_key(|violation: &Violation| violation.seed);
    Found { first, seeds, violations, counts: counts.into_inner().unwrap() }
}

/// The report of a violation: the shortest run that was found, in words, and how to repeat it.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, seed, what } = self;
        writeln!(f, "seed {seed} breaks {law}: {what}")?;
        writeln!(f, "the shortest run that breaks it:\n")?;
        let shrunk = run(&shrink(&Case::of_seed(*seed), law), true);
        writeln!(f, "{}", shrunk.text())?;
        write!(f, "to repeat it: SIM_SEED={seed} cargo test -p saga-core --test simulator")
    }
}

#[test]
fn no_run_breaks_a_law() {
    let found = searched();
    for Violation { law, seed, what } in found.violations.iter().skip(1) {
        println!("seed {seed} breaks {law}: {what}\n");
    }
    if let Some(violation) = found.violations.first() {
        if variable("SIM_SEED").is_some() {
            println!("the whole run:\n\n{}", run(&Case::of_seed(violation.seed), true).text());
        }
        panic!("{violation}");
    }
    println!("{} runs from seed {} on: every law holds", found.seeds, found.first);
    if std::env::var_os("SIM_COUNTS").is_some() {
        println!("{:#?}", found.counts);
    }
}
