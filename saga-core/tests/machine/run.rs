//! One saga, driven to its end through a world of choices: which call ends next and how, when time passes,
//! when the process dies and how much of its last append is on disk.

use std::sync::Arc;
use std::time::Duration;

use saga_core::UndoKind;
use saga_core::dag::{Plan, PlanKind};
use saga_core::log::{
    Answer, Command, Entry, EntryKind, Failure, FailureKind, Payload, SagaStatus, Timestamp, Uuid,
};
use saga_core::machine::{
    Call, Config, Effect, Event, Finish, Machine, NodeState, State, VertexId,
};

use super::operators::{self, Asked};
use super::tape::Tape;
use super::world::{Do, Fate, Un, World};

#[derive(Debug, Clone)]
pub struct Setup {
    pub plan: Arc<Plan>,
    pub config: Config,
    /// How many of 256 calls go wrong.
    pub trouble: u8,
    /// How often the process may die or be drained at random.
    pub deaths: u32,
    /// How often operators may ask for something of their own accord.
    pub asks: u32,
    /// Die when the log has this length, in the middle of a batch if need be.
    pub die_at: Option<u64>,
    pub tape: Vec<u8>,
}

impl Setup {
    pub fn fair(plan: Arc<Plan>) -> Self {
        let config = Config {
            max_concurrency: None,
            abandon_after: Duration::from_secs(1),
            ..Config::default()
        };
        Self { plan, config, trouble: 0, deaths: 0, asks: 0, die_at: None, tape: Vec::new() }
    }
}

/// A call that went out.
#[derive(Debug)]
pub struct Issued {
    /// How long the durable log was.
    pub durable: u64,
    pub call: Call,
    pub path: String,
    pub undo: bool,
    /// Where there were effects at that time.
    pub effects: Vec<String>,
}

#[derive(Debug)]
pub struct Ran {
    pub log: Vec<Entry>,
    pub issued: Vec<Issued>,
    pub asked: Vec<Asked>,
    pub world: World,
    pub nodes: Vec<NodeState>,
    pub status: SagaStatus,
    pub state: State,
    pub appends: usize,
    pub work: u64,
}

#[derive(Debug, Clone)]
struct Flight {
    vertex: VertexId,
    path: String,
    kind: UndoKind,
    undo: bool,
    repeat: u32,
}

enum Next {
    Answer(usize),
    Grant(usize),
    Appended,
    Complete(usize),
    Time,
}

struct Runner {
    setup: Setup,
    tape: Tape,
    machine: Machine,
    epoch: u64,
    now: Timestamp,
    wake: Option<Timestamp>,
    log: Vec<Entry>,
    pending: Option<(Vec<Entry>, Vec<(Uuid, Answer)>)>,
    asked: Vec<Asked>,
    /// Nodes that wait for a slot, and those that were given theirs and have not begun.
    wanting: Vec<VertexId>,
    granted: Vec<VertexId>,
    questions: Vec<(VertexId, bool)>,
    flights: Vec<Flight>,
    world: World,
    issued: Vec<Issued>,
    finish: Option<Finish>,
    draining: bool,
    dead: bool,
    appends: usize,
}

pub fn run(setup: Setup) -> Ran {
    let mut r = Runner {
        machine: Machine::new(setup.plan.clone(), setup.config, 1),
        tape: Tape::new(setup.tape.clone()),
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
        world: World::default(),
        issued: Vec::new(),
        finish: None,
        draining: false,
        dead: false,
        appends: 0,
    };
    r.start();
    for _ in 0..100_000 {
        if r.dead {
            r.start();
        }
        match r.finish.take() {
            Some(Finish::Ended(status)) => match r.ask(160, operators::after_the_end) {
                Some(_) => r.start(),
                None => return r.ended(status),
            },
            Some(Finish::Parked { .. }) => {
                r.demand(operators::when_parked);
                r.start();
            }
            Some(Finish::Drained) => {
                assert!(r.draining);
                r.start();
            }
            Some(finish) => panic!("{finish:?} after {:#?}", r.log),
            None => r.go_on(),
        }
    }
    panic!("no end in sight: {:#?}", r.log);
}

impl Runner {
    /// Something that operators ask of their own accord.
    fn ask(
        &mut self,
        share: u8,
        what: fn(&State, &World, &mut Tape) -> Option<Command>,
    ) -> Option<Event> {
        if self.setup.asks == 0 || !self.tape.chance(share) {
            return None;
        }
        self.setup.asks -= 1;
        let command = what(self.machine.state(), &self.world, &mut self.tape)?;
        if let Command::Decide { node, .. } = &command
            && self.flights.iter().any(|f| node == f.path.as_str())
        {
            return None; // nobody can find out what is still to happen
        }
        Some(self.request(command))
    }

    /// Something that operators must ask, or the saga would never end.
    fn demand(&mut self, what: fn(&State, &mut World, &mut Tape) -> Command) -> Event {
        let command = what(self.machine.state(), &mut self.world, &mut self.tape);
        self.request(command)
    }

    fn request(&mut self, command: Command) -> Event {
        if let Command::Decide { .. } = command {
            // whoever decides has waited for what was on its way
            while self.world.deliver_late(&mut self.tape) {}
        }
        let asked = Asked::new(self.asked.len(), command);
        let event = asked.event();
        self.asked.push(asked);
        event
    }

    fn answered(&mut self, id: Uuid, answer: Answer) {
        let asked = self.asked.iter_mut().find(|asked| asked.id == id).expect("somebody asked");
        let before = asked.answer.replace(answer);
        assert_eq!(before, None, "{asked:?} is answered twice");
    }

    /// A process takes the saga over, and finds what was asked in the meantime.
    fn start(&mut self) {
        self.epoch += 1;
        self.dead = false;
        self.draining = false;
        self.wake = None;
        let (plan, config) = (self.setup.plan.clone(), self.setup.config);
        let first;
        (self.machine, first) = if self.log.is_empty() {
            let birth = Uuid::from_u128(7);
            (Machine::new(plan, config, self.epoch), Event::Created { birth })
        } else {
            let machine = Machine::recover(plan, config, self.epoch, &self.log).unwrap();
            (machine, Event::Recovered)
        };
        self.look_again();
        let waiting = self.asked.iter().filter(|asked| asked.answer.is_none());
        self.feed([first].into_iter().chain(waiting.map(Asked::event)).collect());
    }

    /// What somebody found out about a pivot may be out of date when it is not in the log yet.
    fn look_again(&mut self) {
        for i in 0..self.asked.len() {
            let Asked { id, command, answer } = &self.asked[i];
            let logged =
                |e: &Entry| matches!(&e.kind, EntryKind::Requested { id: i, .. } if i == id);
            if let (Command::Decide { node, .. }, None) = (command, answer)
                && !self.log.iter().any(logged)
            {
                let node = node.clone();
                while self.world.deliver_late(&mut self.tape) {}
                self.asked[i].command = operators::decide(node, &self.world);
            }
        }
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
        if self.tape.chance(12) {
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
        assert!(!options.is_empty(), "hangs: {:#?}\n{:#?}", self.log, self.machine);
        match options.remove(self.tape.pick(options.len())) {
            Next::Answer(i) => {
                let answer = self.answer(i);
                self.feed(vec![answer]);
            }
            Next::Grant(i) => {
                let vertex = self.wanting.remove(i);
                self.granted.push(vertex);
                self.feed(vec![Event::SlotGranted { vertex }]);
            }
            Next::Appended => {
                let (batch, answers) = self.pending.take().unwrap();
                self.log.extend(batch);
                answers.into_iter().for_each(|(id, answer)| self.answered(id, answer));
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
                let wake = self.wake.unwrap();
                if self.tape.chance(40) {
                    self.now.0 += u64::from(self.tape.byte());
                } else {
                    self.now = self.now.max(wake);
                    self.wake = None;
                }
                self.feed(vec![Event::Tick]);
            }
        }
    }

    fn answer(&mut self, i: usize) -> Event {
        let (vertex, choose) = self.questions.remove(i);
        let fails = self.tape.chance(self.setup.trouble / 8);
        let failure = || Failure::new(FailureKind::Failed, "cannot be computed");
        if !choose {
            let value = if fails { Err(failure()) } else { Ok(Payload::from(&b"value"[..])) };
            return Event::Computed { vertex, value };
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
        let Flight { vertex, path, kind, undo, repeat } = flight;
        if undo {
            (1..repeat).for_each(|_| drop(self.world.undo(&path, kind, Un::Ok)));
            let what = self.undo_outcome();
            return Event::UndoDone { vertex, result: self.world.undo(&path, kind, what) };
        }
        let what = self.outcome();
        if what == Do::Ok {
            (1..repeat).for_each(|_| drop(self.world.run(&path, kind, what)));
        }
        Event::ActionDone { vertex, result: self.world.run(&path, kind, what) }
    }

    fn outcome(&mut self) -> Do {
        if !self.tape.chance(self.setup.trouble) {
            return Do::Ok;
        }
        let byte = self.tape.byte();
        let retryable = byte & 0x80 != 0;
        match byte % 7 {
            0 => Do::Fails { retryable: false },
            1 => Do::Fails { retryable },
            2 => Do::Partial { retryable },
            3 | 4 => Do::Doubt { effect: true, retryable },
            5 => Do::Doubt { effect: false, retryable },
            _ => Do::Unstorable,
        }
    }

    fn undo_outcome(&mut self) -> Un {
        if !self.tape.chance(self.setup.trouble) {
            return Un::Ok;
        }
        let byte = self.tape.byte();
        Un::Fails { retryable: byte & 3 != 0, removed: byte & 0x40 != 0 }
    }

    /// The process is gone; `keep` entries of its last append are on disk.
    fn die(&mut self, keep: usize) {
        let (batch, answers) = self.pending.take().unwrap_or_default();
        if self.tape.chance(80) {
            // it lives to see that the append failed
            let effects = self.machine.step(self.now, Event::AppendFailed);
            assert_eq!(effects.last(), Some(&Effect::Finish(Finish::Failed)));
            // and perhaps calls that have ended, if it had not come to look at their ends
            let drops = |f: &Flight| effects.contains(&Effect::DropCall(f.vertex));
            assert!(self.flights.iter().all(drops), "goes on: {effects:?}");
            assert_eq!(self.machine.step(self.now, Event::Appended), []);
        }
        if keep >= batch.len() {
            // a request is answered in the transaction of the append
            answers.into_iter().for_each(|(id, answer)| self.answered(id, answer));
        }
        self.log.extend(batch.into_iter().take(keep));
        self.questions.clear();
        self.wanting.clear();
        self.granted.clear();
        self.finish = None;
        for flight in std::mem::take(&mut self.flights) {
            self.orphan(flight);
        }
        self.now.0 += u64::from(self.tape.byte());
        self.dead = true;
    }

    fn orphan(&mut self, flight: Flight) {
        let what = if flight.undo { None } else { Some(self.outcome()) };
        let fate = [Fate::Delivered, Fate::Lost, Fate::Late][self.tape.pick(3)];
        self.world.orphan(&flight.path, flight.kind, what, fate);
    }

    fn feed(&mut self, events: Vec<Event>) {
        for effect in self.machine.step_all(self.now, events) {
            self.follow(effect);
            if self.dead {
                return;
            }
        }
        let idle = self.flights.is_empty() && self.pending.is_none() && self.questions.is_empty();
        let waits = !self.wanting.is_empty() || self.machine.state().is_paused();
        if idle && self.finish.is_none() && !waits {
            assert!(self.machine.wake_at().is_some() && self.wake.is_some(), "{:#?}", self.machine);
        }
    }

    fn follow(&mut self, effect: Effect) {
        match effect {
            Effect::Append { entries: batch, answers } => self.append(batch, answers),
            Effect::Answer(id, answer) => self.answered(id, answer),
            Effect::WantSlot(vertex) => {
                assert!(self.setup.config.slots && !self.draining);
                assert!(!self.wanting.contains(&vertex) && !self.granted.contains(&vertex));
                self.wanting.push(vertex);
            }
            Effect::FreeSlot(vertex) => self.free(vertex),
            Effect::RunAction(call) => self.issue(call, false),
            Effect::RunUndo(call) => self.issue(call, true),
            Effect::Choose(vertex) => self.questions.push((vertex, true)),
            Effect::Compute(vertex) => self.questions.push((vertex, false)),
            Effect::SignalCancel => assert!(self.unwinding_since().is_some()),
            Effect::DropCall(vertex) => {
                let since = self.unwinding_since().expect("only when it unwinds");
                assert!(self.now >= since.after(self.setup.config.abandon_after));
                let i = self.flights.iter().position(|f| f.vertex == vertex && !f.undo);
                let flight = self.flights.remove(i.expect("only what is in flight"));
                self.orphan(flight);
            }
            Effect::WakeAt(at) => {
                self.wake = Some(at);
            }
            Effect::Finish(finish) => {
                assert!(self.pending.is_none() && self.flights.is_empty());
                assert!(self.wanting.is_empty() && self.granted.is_empty());
                assert_eq!(self.machine.step(self.now, Event::Tick), []);
                self.finish = Some(finish);
            }
        }
    }

    fn free(&mut self, vertex: VertexId) {
        let before = self.wanting.len() + self.granted.len();
        self.wanting.retain(|v| *v != vertex);
        self.granted.retain(|v| *v != vertex);
        assert_eq!(self.wanting.len() + self.granted.len() + 1, before, "no slot to free");
    }

    fn unwinding_since(&self) -> Option<Timestamp> {
        let entry = self.log.iter().rfind(|e| matches!(e.kind, EntryKind::Unwinding(_)));
        entry.map(|entry| entry.at)
    }

    fn append(&mut self, batch: Vec<Entry>, answers: Vec<(Uuid, Answer)>) {
        assert!(self.pending.is_none());
        self.appends += 1;
        let starts = |e: &Entry| matches!(e.kind, EntryKind::Started | EntryKind::UndoStarted);
        assert!(!self.draining || !batch.iter().any(starts), "starts while it drains: {batch:#?}");
        let all = self.log.iter().chain(&batch).cloned().collect::<Vec<_>>();
        let folded = State::fold(self.setup.plan.clone(), &all).unwrap();
        assert!(
            folded == *self.machine.state(),
            "the live state is another than the log's: {all:#?}"
        );
        let durable = self.log.len() as u64;
        let keep = self.setup.die_at.map(|at| at.saturating_sub(durable));
        self.pending = Some((batch, answers));
        if let Some(keep) = keep
            && keep <= all.len() as u64 - durable
        {
            self.setup.die_at = None;
            self.die(keep as usize);
        }
    }

    fn issue(&mut self, call: Call, undo: bool) {
        let state = self.machine.state();
        let path = state.path(call.vertex).to_string();
        let Some(PlanKind::Action(policy)) = state.kind(call.vertex) else {
            panic!("{path} is not an action")
        };
        let kind = policy.undo;
        if undo && kind == UndoKind::Output {
            let stored = self.log.iter().any(|e| {
                e.node.as_ref().is_some_and(|n| n.as_str() == path)
                    && matches!(e.kind, EntryKind::Succeeded(_))
            });
            assert!(stored || self.machine.output_is_kept(call.vertex), "{path}: no output");
        }
        // whoever resolved a node took care of its effect
        let resolved = |path: &str| {
            state.resolve(path).and_then(|v| state.node(v)).is_some_and(|n| n.resolved)
        };
        let left = self.world.receivers.keys().filter(|path| self.world.left(path));
        let effects = left.filter(|path| !resolved(path)).cloned().collect();
        let durable = self.log.len() as u64;
        if self.setup.config.slots {
            let i = self.granted.iter().position(|v| *v == call.vertex);
            self.granted.remove(i.expect("a slot for the call"));
        }
        let repeat = call.repeat;
        assert!(repeat > 0);
        self.flights.push(Flight { vertex: call.vertex, path: path.clone(), kind, undo, repeat });
        self.issued.push(Issued { durable, call, path, undo, effects });
        let max = self.setup.config.max_concurrency.unwrap_or(usize::MAX);
        assert!(self.flights.len() <= max, "more than {max} calls in flight");
    }

    fn ended(self, status: SagaStatus) -> Ran {
        let state = self.machine.state().clone();
        assert_eq!(state.status(), status);
        Ran {
            log: self.log,
            issued: self.issued,
            asked: self.asked,
            world: self.world,
            nodes: state.nodes(),
            status,
            state,
            appends: self.appends,
            work: self.machine.work(),
        }
    }
}
