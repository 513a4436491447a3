//! Drives one saga to its end through a world of choices: which call ends next and how, when time passes,
//! when the process dies, and how much of its last append is on disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use saga_core::SagaStatus;
use saga_core::dag::{Plan, PlanKind};
use saga_core::log::{
    Entry, EntryKind, Failure, FailureKind, NodeEntry, NodePath, Payload, SagaEntry, Timestamp,
    Uuid,
};
use saga_core::machine::{
    AuthorizedCall, Config, Event, Finish, Machine, NodeState, SagaState, VertexId, Watch,
};
use saga_core::operator::Answer;

use super::law::Law;
use super::migrating::Versions;
use super::operators::{self, Asked};
use super::tape::Tape;
use super::world::{Called, Do, Obligations, Site, Un, World};

#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) plan: Arc<Plan>,
    pub(crate) config: Config,
    /// How many of 256 calls go wrong.
    pub(crate) trouble: u8,
    /// How many calls may go wrong in all.
    pub(crate) troubles: u32,
    /// How often the process may die or be drained at random.
    pub(crate) deaths: u32,
    /// How often operators may ask for something of their own accord.
    pub(crate) asks: u32,
    /// What receivers do.
    pub(crate) obligations: Obligations,
    /// How many calls may arrive a second time after they were answered.
    pub(crate) copies: u32,
    /// How many of the nodes that the saga begins with were skipped.
    pub(crate) skipped: usize,
    /// Die when the log has this length, in the middle of a batch if need be.
    pub(crate) die_at: Option<u64>,
    pub(crate) tape: Vec<u8>,
    /// How many processes may come with another version of the saga.
    pub(crate) migrations: u32,
    /// What these versions are.
    pub(crate) versions: Vec<u8>,
    /// Calls of the first of these nodes leave it in doubt as long as the second has not succeeded.
    pub(crate) needs: Option<(&'static str, &'static str)>,
}

impl Setup {
    pub(crate) fn fair(plan: Arc<Plan>) -> Self {
        let config = Config {
            max_concurrency: None,
            abandon_after: Duration::from_secs(1),
            ..Config::default()
        };
        Self {
            plan,
            config,
            trouble: 0,
            troubles: u32::MAX,
            deaths: 0,
            asks: 0,
            obligations: Obligations::ALL,
            copies: 0,
            skipped: 0,
            die_at: None,
            tape: Vec::new(),
            migrations: 0,
            versions: Vec::new(),
            needs: None,
        }
    }
}

const RUN_KEY: Uuid = Uuid::from_u128(7);

/// A call that went out.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    /// How long the durable log was.
    pub(crate) durable: u64,
    pub(crate) call: AuthorizedCall,
    pub(crate) path: String,
    pub(crate) kind: Kind,
    /// Where there were effects at that time.
    pub(crate) effects: Vec<String>,
}

/// What kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Action,
    Undo,
    Probe,
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) log: Vec<Entry>,
    pub(crate) issued: Vec<Issued>,
    pub(crate) asked: Vec<Asked>,
    pub(crate) world: World,
    pub(crate) nodes: Vec<NodeState>,
    pub(crate) status: SagaStatus,
    pub(crate) state: SagaState,
    pub(crate) versions: Versions,
}

/// What an append tells those who asked.
type Answers = Vec<(Uuid, Answer)>;

#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) vertex: VertexId,
    pub(super) site: Site,
    pub(super) kind: Kind,
    pub(super) unwinding: bool,
    pub(super) repeat: u32,
}

/// What the machine wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Choice,
    Value,
    Times,
}

enum Next {
    Answer(usize),
    Grant(usize),
    Appended,
    Complete(usize),
    Time,
}

#[derive(Debug, Clone)]
pub(super) struct Runner {
    pub(super) setup: Setup,
    pub(super) tape: Tape,
    pub(super) machine: Machine,
    pub(super) epoch: u64,
    pub(super) now: Timestamp,
    pub(super) wake: Option<Timestamp>,
    pub(super) log: Vec<Entry>,
    pub(super) pending: Option<(Vec<Entry>, Answers)>,
    pub(super) asked: Vec<Asked>,
    /// Nodes that wait for a slot, and those that were given theirs and have not begun.
    pub(super) wanting: Vec<VertexId>,
    pub(super) granted: Vec<VertexId>,
    pub(super) questions: Vec<(VertexId, Question)>,
    pub(super) flights: Vec<Flight>,
    pub(super) world: World,
    pub(super) issued: Vec<Issued>,
    pub(super) finish: Option<Finish>,
    pub(super) draining: bool,
    /// When this process told its actions that the saga unwinds.
    pub(super) told: Option<Timestamp>,
    /// When it told single actions that their scope unwinds.
    pub(super) told_of: BTreeMap<VertexId, Timestamp>,
    pub(super) dead: bool,
    /// What this process has told its machine since the last append went in.
    pub(super) fed: Vec<Event>,
    pub(super) versions: Versions,
}

pub(crate) fn run(setup: Setup) -> Ran {
    let mut runner = Runner::new(setup);
    for _ in 0..5_000 {
        if let Some(status) = runner.step() {
            return runner.ended(status);
        }
    }
    let asked = runner.asked.last();
    Law::EndsAtLast.is_broken(format!("no end in sight: {:#?} {asked:?}", runner.log));
}

impl Runner {
    /// A saga that has just been started.
    pub(super) fn new(setup: Setup) -> Self {
        let mut runner = Self {
            machine: Machine::new(setup.plan.clone(), setup.config, 1),
            tape: Tape::new(setup.tape.clone()),
            world: World::new(setup.obligations),
            versions: Versions::new(&setup.plan, setup.migrations, setup.versions.clone()),
            setup,
            epoch: 0,
            now: Timestamp(1_000_000),
            wake: None,
            log: Vec::new(),
            pending: None,
            asked: Vec::new(),
            wanting: Vec::new(),
            granted: Vec::new(),
            questions: Vec::new(),
            flights: Vec::new(),
            issued: Vec::new(),
            finish: None,
            draining: false,
            told: None,
            told_of: BTreeMap::new(),
            dead: false,
            fed: Vec::new(),
        };
        runner.skip();
        runner.start();
        runner
    }

    /// An earlier process has skipped some of the nodes. No machine of this version does that.
    fn skip(&mut self) {
        let plan = self.setup.plan.clone();
        let is_action =
            |node: &u32| matches!(plan.nodes()[*node as usize].kind, PlanKind::Action(_));
        let roots = plan.roots().iter().filter_map(|v| plan.node_of(*v)).map(|(node, _)| node);
        let roots = roots.filter(|node| is_action(node) && plan.pivot() != Some(*node));
        let skipped = roots.take(self.setup.skipped);
        let skipped = skipped.map(|node| {
            let name = plan.nodes()[node as usize].name.to_string();
            NodeEntry::Skipped.about(NodePath::from(name.as_str()), 0)
        });
        let created = EntryKind::from(SagaEntry::Created {
            run_key: RUN_KEY,
            traceparent: None,
            starts_at: None,
        });
        let kinds = [created].into_iter().chain(skipped).collect::<Vec<_>>();
        if kinds.len() > 1 {
            let entry = |(seq, kind)| Entry { seq, epoch: 1, at: self.now, kind };
            self.log = (1..).zip(kinds).map(entry).collect();
            self.epoch = 1;
        }
    }

    /// One choice of what happens next, and what follows from it. Returns how the saga ended, if this was
    /// the last step.
    pub(super) fn step(&mut self) -> Option<SagaStatus> {
        if self.dead {
            self.start();
        }
        match self.finish.take() {
            Some(Finish::Ended(status)) => match self.ask(160, operators::after_the_end) {
                Some(_) => self.start(),
                None => return Some(status),
            },
            Some(Finish::Parked { .. }) => {
                self.demand(operators::when_parked);
                self.start();
            }
            Some(Finish::Drained) => {
                Law::EndIsTrue.holds(self.draining, || "drained, and nobody asked for it".into());
                self.start();
            }
            Some(Finish::Settled) => {
                let settles = self.versions.settling.contains_key(&self.epoch);
                Law::EndIsTrue.holds(settles, || "settled, and nobody asked for it".into());
                self.versions.settled = true;
                self.start();
            }
            Some(finish) => panic!("{finish:?} after {:#?}", self.log),
            None => self.go_on(),
        }
        None
    }

    /// A process takes the saga over, and finds what was asked in the meantime.
    fn start(&mut self) {
        self.epoch += 1;
        self.dead = false;
        self.draining = false;
        (self.wake, self.told) = (None, None);
        self.told_of.clear();
        let settles = self.migrate();
        let (plan, config) = (self.setup.plan.clone(), self.setup.config);
        let first;
        (self.machine, first) = if self.log.is_empty() {
            let created = Event::Created { run_key: RUN_KEY };
            (Machine::new(plan, config, self.epoch), created)
        } else {
            let machine = Machine::recover(plan, config, self.epoch, &self.log);
            let machine = machine.unwrap_or_else(|why| Law::LogIsLegal.is_broken(why));
            (machine, Event::Recovered)
        };
        if settles {
            let since = self.now.max(self.log.last().map_or(self.now, |entry| entry.at));
            self.versions.settling.insert(self.epoch, since);
            self.machine.settle();
        }
        self.fed.clear();
        self.look_again();
        self.send_again();
        let waiting = self.asked.iter().filter(|asked| asked.answer.is_none() || asked.again);
        let mut events = [first].into_iter().chain(waiting.map(Asked::event)).collect::<Vec<_>>();
        let chance = self.tape.byte();
        if !self.log.is_empty() && chance > 127 {
            let window = std::time::Duration::from_millis(chance.into());
            events.insert(0, Event::Watch(Watch { crashes: 0, alone: true, window }));
        }
        self.feed(events);
    }

    fn go_on(&mut self) {
        if self.setup.deaths > 0 && self.tape.chance(10) {
            self.setup.deaths -= 1;
            if !self.draining && self.tape.chance(100) {
                self.draining = true;
                self.feed(vec![Event::Drain]);
            } else {
                let keep = self.pending.as_ref().map_or(0, |(batch, _)| batch.len()) + 1;
                let keep = self.tape.pick(keep);
                self.die(keep);
            }
            return;
        }
        if let Some(event) = self.ask(60, operators::anything) {
            self.feed(vec![event]);
            return;
        }
        if self.setup.asks > 0 && self.tape.chance(4) {
            self.setup.asks -= 1;
            self.feed(vec![Event::Park { reason: "it crashes".into() }]);
            return;
        }
        if self.world.has_late() && self.tape.chance(12) {
            self.world.deliver_late(&mut self.tape);
        }
        let mut options = Vec::new();
        options.extend((0..self.questions.len()).map(Next::Answer));
        options.extend(self.pending.as_ref().map(|_| Next::Appended));
        options.extend((0..self.wanting.len()).map(Next::Grant));
        options.extend((0..self.flights.len()).map(Next::Complete));
        options.extend(self.wake.map(|_| Next::Time));
        if options.is_empty() && self.machine.state().is_paused() {
            let event = self.demand(operators::when_paused);
            self.feed(vec![event]);
            return;
        }
        if options.is_empty() && self.machine.state().parked().is_none() && self.waits_for_event() {
            self.no_event_is_left();
            let event = self.demand(|state, _, _| operators::when_waiting(state));
            self.feed(vec![event]);
            return;
        }
        let hangs = || format!("hangs: {:#?}\n{:#?}", self.log, self.machine);
        Law::EndsAtLast.holds(!options.is_empty(), hangs);
        match options.remove(self.tape.pick(options.len())) {
            Next::Answer(i) => {
                let answer = self.answer(i);
                self.feed(vec![answer]);
            }
            Next::Grant(i) => {
                let vertex = self.wanting.remove(i);
                self.granted.push(vertex);
                self.feed(vec![Event::PermitGranted { vertex }]);
            }
            Next::Appended => {
                let (batch, answers) = self.pending.take().unwrap();
                self.durable(batch);
                answers.into_iter().for_each(|(id, answer)| self.answered(id, answer));
                self.fed.clear();
                self.feed(vec![Event::Appended]);
            }
            Next::Complete(i) => {
                let mut events = vec![self.complete(i)];
                // sometimes several at a time
                while !self.flights.is_empty() && self.tape.chance(80) {
                    let i = self.tape.pick(self.flights.len());
                    events.push(self.complete(i));
                }
                self.feed(events);
            }
            Next::Time => {
                let wake = self.wake.take().unwrap();
                // sometimes too early, and then the machine asks again
                if self.tape.byte() > 215 {
                    self.now.0 += u64::from(self.tape.byte());
                } else {
                    self.now = self.now.max(wake);
                }
                self.feed(vec![Event::Tick]);
            }
        }
    }

    fn answer(&mut self, i: usize) -> Event {
        let (vertex, question) = self.questions.remove(i);
        let fails = self.setup.troubles > 0 && self.tape.chance(self.setup.trouble / 8);
        self.setup.troubles -= u32::from(fails);
        let failure = || Failure::new(FailureKind::Failed, "cannot be computed");
        match question {
            Question::Value => {
                let value = if fails { Err(failure()) } else { Ok(Payload::from(&b"value"[..])) };
                return Event::Computed { vertex, value };
            }
            Question::Times => {
                let times = if fails { Err(failure()) } else { Ok(self.times(vertex)) };
                return Event::TimesKnown { vertex, times };
            }
            Question::Choice => {}
        }
        let choices = match self.machine.state().kind(vertex) {
            Some(PlanKind::Choose(arms)) => arms.len() + 1,
            _ => 4,
        };
        let choice = if fails { Err(failure()) } else { Ok(self.tape.pick(choices) as u64) };
        Event::Chosen { vertex, choice }
    }

    fn complete(&mut self, i: usize) -> Event {
        let flight = self.flights.remove(i);
        let Flight { vertex, site, kind, repeat, .. } = flight;
        match kind {
            Kind::Action => {}
            Kind::Undo => {
                (1..repeat).for_each(|_| drop(self.world.undo(&site, Un::Ok)));
                let what = self.undo_outcome();
                return Event::UndoDone { vertex, result: self.world.undo(&site, what) };
            }
            Kind::Probe => return Event::Probed { vertex, answer: self.probe_outcome(&site) },
        }
        let what = match self.lacks(&site.path) {
            true => Do::Doubt { effect: false, retryable: true },
            false => self.outcome(),
        };
        if what == Do::Ok {
            (1..repeat).for_each(|_| drop(self.world.run(&site, what)));
        }
        let result = self.world.run(&site, what);
        if self.setup.copies > 0 && self.tape.chance(40) {
            self.setup.copies -= 1;
            self.world.copy(&site, what);
        }
        Event::ActionDone { vertex, result }
    }

    /// True if this call needs what another node has not done yet. Only the first version has these names.
    fn lacks(&self, path: &str) -> bool {
        let Some((needy, needed)) = self.setup.needs else { return false };
        let has = |entry: &Entry| {
            entry.node().is_some_and(|node| *node == *needed)
                && matches!(entry.node_entry(), Some(NodeEntry::Succeeded(_)))
        };
        let is_first = self.versions.plans.len() == 1;
        is_first && path == needy && !self.log.iter().any(has)
    }

    /// True if the next call goes wrong.
    pub(super) fn goes_wrong(&mut self) -> bool {
        let wrong = self.setup.troubles > 0 && self.tape.chance(self.setup.trouble);
        self.setup.troubles -= u32::from(wrong);
        wrong
    }

    pub(super) fn outcome(&mut self) -> Do {
        if !self.goes_wrong() {
            return Do::Ok;
        }
        let retryable = self.tape.chance(128);
        match self.tape.pick(7) {
            0 => Do::Refused { retryable },
            1 => Do::Fails { retryable: false },
            2 => Do::Fails { retryable },
            3 => Do::Partial { retryable },
            4 => Do::Doubt { effect: true, retryable },
            5 => Do::Doubt { effect: false, retryable },
            _ => Do::Unstorable,
        }
    }

    /// What a call of this kind does that nobody waits for any more.
    pub(super) fn late_call(&mut self, kind: Kind) -> Called {
        match kind {
            Kind::Action => Called::Do(self.outcome()),
            Kind::Undo => Called::Undo,
            Kind::Probe => Called::Probe,
        }
    }

    fn undo_outcome(&mut self) -> Un {
        if !self.goes_wrong() {
            return Un::Ok;
        }
        Un::Fails { retryable: self.tape.chance(192), removed: self.tape.chance(128) }
    }

    pub(super) fn ended(self, status: SagaStatus) -> Ran {
        let state = self.machine.state().clone();
        Law::EndIsTrue.holds(state.status() == status, || format!("{:?}", state.status()));
        // a saga that was to be migrated before that may have a shorter log
        let same = self.versions.tried.is_empty();
        assert!(self.setup.die_at.is_none() || !same, "it was to die on the way");
        Ran {
            log: self.log,
            issued: self.issued,
            asked: self.asked,
            world: self.world,
            nodes: state.nodes(),
            status,
            state,
            versions: self.versions,
        }
    }
}
