//! Every run of a saga, not only random ones: all orders in which calls can end, all outcomes, a crash after each
//! entry, late deliveries and what operators ask, within the budgets of a [`Setup`].
//!
//! A state is everything that what follows depends on, the durable log included: two ways into one state
//! have the same log, so laws that are read off the log need checking only once.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use saga_core::SagaStatus;

use super::laws;
use super::run::{Runner, Setup};
use super::tape::Tape;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    /// How often the saga ended in which way.
    pub(crate) ends: BTreeMap<SagaStatus, usize>,
    /// True if there were more states than the limit.
    pub(crate) cut: bool,
}

/// Runs the saga in every way, and checks the laws at each end. At most `limit` states are visited.
pub(crate) fn explore(setup: Setup, limit: usize) -> Explored {
    let config = setup.config;
    let mut explored = Explored::default();
    let mut seen = HashSet::new();
    let mut open = vec![(Runner::new(setup), Vec::new())];
    while let Some((runner, steps)) = open.pop() {
        let mut script = Some(Vec::new());
        while let Some(choices) = script {
            let mut next = runner.clone();
            next.tape = Tape::script(choices);
            let mut way = Way { steps: steps.clone() };
            let ended = next.step();
            way.steps.push(next.tape.choices().iter().map(|(choice, _)| *choice).collect());
            script = next.tape.next_script();
            if let Some(status) = ended {
                *explored.ends.entry(status).or_default() += 1;
                laws::check(&config, &mut next.ended(status));
            } else if seen.insert(digest(&next)) {
                open.push((next, way.into_steps()));
            }
        }
        explored.states += 1;
        if explored.states >= limit {
            explored.cut = !open.is_empty();
            break;
        }
    }
    explored
}

/// The choices that led here, step by step: printed if a law does not hold.
struct Way {
    steps: Vec<Vec<usize>>,
}

impl Way {
    fn into_steps(mut self) -> Vec<Vec<usize>> {
        std::mem::take(&mut self.steps)
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the choices that led here: {:?}", self.steps);
        }
    }
}

fn digest(r: &Runner) -> u64 {
    let budgets = (r.setup.troubles, r.setup.deaths, r.setup.asks, r.epoch, r.dead, r.draining);
    // the machine is a function of its log and of what it was told since
    let told = (&r.log, &r.pending, &r.fed, &r.finish, r.now, r.wake);
    let outside = (&r.flights, &r.world, &r.questions, &r.wanting, &r.granted, &r.asked);
    let mut hasher = DefaultHasher::new();
    format!("{budgets:?}{told:?}{outside:?}").hash(&mut hasher);
    hasher.finish()
}
