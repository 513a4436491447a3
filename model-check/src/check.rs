//! Visits all states, and reports what was found.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::bounds;
use crate::moves::Move;
use crate::setup::Setup;
use crate::state::{Broken, State};
use crate::words;

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// How many different states there are.
    pub states: usize,
    /// True if there were more states than were to be visited.
    pub cut: bool,
    /// How long it took.
    pub took: Duration,
    /// In how many states the saga has ended, by how.
    pub ends: BTreeMap<&'static str, usize>,
    /// The rule that was broken first, and how, on a shortest way.
    pub broken: Option<(Broken, Vec<String>)>,
}

impl Found {
    /// The rule that was broken.
    pub fn rule(&self) -> Option<Broken> {
        self.broken.as_ref().map(|(broken, _)| *broken)
    }

    /// The way to it, a line for each step.
    pub fn way(&self) -> String {
        let steps = self.broken.iter().flat_map(|(_, steps)| steps).enumerate();
        steps.map(|(i, step)| format!("{:3}. {step}\n", i + 1)).collect()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = if self.cut { " (cut short)" } else { "" };
        write!(f, "{} states{cut} in {:.1?}, {:?}", self.states, self.took, self.ends)?;
        if let Some((broken, _)) = &self.broken {
            write!(f, "; {broken:?}:\n{}", self.way())?;
        }
        Ok(())
    }
}

struct Checked {
    setup: Setup,
    ends: Mutex<BTreeMap<&'static str, usize>>,
}

impl Model for Checked {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        vec![State::start(&self.setup)]
    }

    fn actions(&self, state: &State, moves: &mut Vec<Move>) {
        state.moves(&self.setup, moves);
    }

    fn next_state(&self, state: &State, happens: Move) -> Option<State> {
        Some(state.after(happens, &self.setup))
    }

    /// A single property, because stateright then stops at the first state that lacks it.
    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("no rule is broken", |checked: &Self, state| {
            checked.note_end(state);
            checked.broken(state).is_none()
        })]
    }
}

impl Checked {
    /// Which rule a state breaks. No state occurs again later, so a run that never ends comes to a state after which nothing
    /// can happen.
    fn broken(&self, state: &State) -> Option<Broken> {
        if state.broken.is_some() || state.end().is_some() || state.is_parked() {
            return state.broken;
        }
        let mut moves = Vec::new();
        state.moves(&self.setup, &mut moves);
        moves.is_empty().then_some(Broken::NeverEnds)
    }

    fn note_end(&self, state: &State) {
        let end = match state.end() {
            Some(status) => status.as_str(),
            None if state.is_parked() => "parked",
            None => return,
        };
        *self.ends.lock().expect("no panic").entry(end).or_default() += 1;
    }
}

/// Visits every state that can be reached, or those until a rule is broken.
pub fn check(setup: &Setup) -> Found {
    let limit = bounds::states();
    let started = Instant::now();
    let model = Checked { setup: setup.clone(), ends: Mutex::default() };
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.target_state_count(limit).spawn_bfs().join();
    let broken = checker.discoveries().into_values().next().map(|path| {
        let steps = path.into_vec();
        let mut way =
            steps.first().map(|(state, _)| words::first(state)).into_iter().collect::<Vec<_>>();
        for pair in steps.windows(2) {
            if let [(before, Some(happens)), (after, _)] = pair {
                way.push(words::step(before, *happens, after));
            }
        }
        let last = steps.last().and_then(|(state, _)| checker.model().broken(state));
        (last.expect("the last state breaks a rule"), way)
    });
    let ends = checker.model().ends.lock().expect("no panic").clone();
    let cut = checker.state_count() >= limit;
    Found { states: checker.unique_state_count(), cut, took: started.elapsed(), ends, broken }
}
