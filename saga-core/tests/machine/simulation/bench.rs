//! A bench for one machine: every append is durable at once, and calls end as the test says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use saga_core::dag::Plan;
use saga_core::log::{Entry, Failure, FailureKind, Payload, Timestamp, Uuid};
use saga_core::machine::{
    ActionResult, AuthorizedCall, Config, Due, Effect, Event, Finish, Machine, NodeState,
};
use saga_core::operator::{Answer, Command};
use saga_core::{ActionState, Probe, SagaStatus};

pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) plan: Arc<Plan>,
    pub(crate) config: Config,
    pub(crate) log: Vec<Entry>,
    pub(crate) now: Timestamp,
    pub(crate) finish: Option<Finish>,
    pub(crate) appends: usize,
    pub(crate) wake: Option<Timestamp>,
    /// Other effects, in words.
    pub(crate) said: Vec<String>,
    /// The answer to each request.
    pub(crate) answers: HashMap<Uuid, Answer>,
    /// Which nodes wait for a slot, in the order in which they asked.
    pub(crate) wanting: Vec<String>,
    requests: u128,
    calls: Vec<(String, AuthorizedCall)>,
    /// What a gate is told; 0 where nothing is said.
    choices: HashMap<String, u64>,
    /// When the timers of a wait are due.
    times: HashMap<String, Vec<Due>>,
    epoch: u64,
}

/// What the machine makes of these events.
pub(crate) fn step_all(
    machine: &mut Machine,
    now: Timestamp,
    events: impl IntoIterator<Item = Event>,
) -> Vec<Effect> {
    let mut effects = Vec::new();
    machine.step_all(now, events, &mut effects);
    effects
}

pub(crate) fn failure(retryable: bool) -> Failure {
    Failure { retryable, ..Failure::new(FailureKind::Failed, "broken") }
}

impl Bench {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self::with(plan, None, &[])
    }

    pub(crate) fn with(plan: Arc<Plan>, max: Option<usize>, choices: &[(&str, u64)]) -> Self {
        let config = Config {
            max_concurrency: max,
            abandon_after: Duration::from_secs(30),
            ..Config::default()
        };
        Self::configured(plan, config, choices)
    }

    pub(crate) fn configured(plan: Arc<Plan>, config: Config, choices: &[(&str, u64)]) -> Self {
        let mut bench = Self::off(plan, config, choices);
        bench.feed([Event::Created { run_key: Uuid::from_u128(1) }]);
        bench
    }

    pub(crate) fn off(plan: Arc<Plan>, config: Config, choices: &[(&str, u64)]) -> Self {
        Self {
            machine: Machine::new(plan.clone(), config, 1),
            plan,
            config,
            log: Vec::new(),
            now: Timestamp(1000),
            finish: None,
            appends: 0,
            wake: None,
            said: Vec::new(),
            answers: HashMap::new(),
            wanting: Vec::new(),
            requests: 0,
            calls: Vec::new(),
            choices: choices.iter().map(|(path, n)| (path.to_string(), *n)).collect(),
            times: HashMap::new(),
            epoch: 1,
        }
    }

    /// A saga whose waits have these times.
    pub(crate) fn waiting(plan: Arc<Plan>, times: &[(&str, &[Due])]) -> Self {
        let mut bench = Self::off(plan, Config::default(), &[]);
        let times = times.iter().map(|(path, times)| (path.to_string(), times.to_vec()));
        bench.times = times.collect();
        bench.feed([Event::Created { run_key: Uuid::from_u128(1) }]);
        bench
    }

    /// A saga with this log.
    pub(crate) fn recovered(plan: Arc<Plan>, log: &[Entry]) -> Self {
        let mut bench = Self::off(plan, Config::default(), &[]);
        bench.log = log.to_vec();
        bench.now = log.last().unwrap().at;
        bench.crash(log.len());
        bench
    }

    /// The process dies with this much of its log on disk, and another one takes over.
    pub(crate) fn crash(&mut self, keep: usize) {
        self.log.truncate(keep);
        self.recover();
        self.feed([Event::Recovered]);
    }

    pub(crate) fn recover(&mut self) {
        self.epoch += 1;
        self.machine =
            Machine::recover(self.plan.clone(), self.config, self.epoch, &self.log).unwrap();
        (self.finish, self.wake, self.appends) = (None, None, 0);
        self.calls.clear();
        self.said.clear();
        self.wanting.clear();
    }

    /// It dies now, and these are waiting for the one that takes over.
    pub(crate) fn taken_over(&mut self, events: impl IntoIterator<Item = Event>) {
        self.recover();
        self.feed([Event::Recovered].into_iter().chain(events));
    }

    /// The saga is taken over for this request.
    pub(crate) fn claimed_for(&mut self, command: Command) -> Answer {
        let (id, event) = self.request(command);
        self.taken_over([event]);
        self.answers.get(&id).cloned().expect("an answer")
    }

    pub(crate) fn request(&mut self, command: Command) -> (Uuid, Event) {
        self.requests += 1;
        let id = Uuid::from_u128(1000 + self.requests);
        (id, Event::Operator { id, by: "me".into(), command })
    }

    /// An operator asks; returns the answer, if it does not have to wait for it.
    pub(crate) fn asks(&mut self, command: Command) -> Option<Answer> {
        let (id, event) = self.request(command);
        self.feed([event]);
        self.answers.get(&id).cloned()
    }

    /// The node is given the slot that it waits for.
    pub(crate) fn grants(&mut self, node: &str) {
        let i = self.wanting.iter().position(|n| n == node).expect("wants no slot");
        self.wanting.remove(i);
        let vertex = self.machine.state().resolve(node).unwrap();
        self.feed([Event::PermitGranted { vertex }]);
    }

    /// It dies now.
    pub(crate) fn crash_now(&mut self) {
        self.crash(self.log.len());
    }

    pub(crate) fn feed(&mut self, events: impl IntoIterator<Item = Event>) {
        let mut effects = step_all(&mut self.machine, self.now, events);
        let mut events = Vec::new();
        loop {
            for effect in effects {
                match effect {
                    Effect::Append { entries: batch, answers } => {
                        self.appends += 1;
                        for (id, answer) in answers {
                            self.answered(id, answer);
                        }
                        self.log.extend(batch);
                        events.push(Event::Appended);
                    }
                    Effect::RunAction(call) => {
                        let verb = if call.unwinding { "redo" } else { "do" };
                        self.calls.push((format!("{verb} {}", self.path(call.vertex)), call));
                    }
                    Effect::RunUndo(call) => {
                        self.calls.push((format!("undo {}", self.path(call.vertex)), call));
                    }
                    Effect::Probe(call) => {
                        self.calls.push((format!("ask {}", self.path(call.vertex)), call));
                    }
                    Effect::Choose(vertex) => {
                        let path = self.path(vertex);
                        let choice = self.choices.get(&path).copied().unwrap_or(0);
                        self.said.push(format!("choose {path}"));
                        events.push(Event::Chosen { vertex, choice: Ok(choice) });
                    }
                    Effect::Compute(vertex) => {
                        let value = Ok(Payload::from(&b"value"[..]));
                        events.push(Event::Computed { vertex, value });
                    }
                    Effect::Times(vertex) => {
                        let path = self.path(vertex);
                        let times = self.times.get(&path).cloned().ok_or_else(|| failure(false));
                        events.push(Event::TimesKnown { vertex, times });
                    }
                    Effect::Answer(id, answer) => self.answered(id, answer),
                    Effect::RequestPermit(vertex) => self.wanting.push(self.path(vertex)),
                    Effect::ReleasePermit(vertex) => {
                        let path = self.path(vertex);
                        self.wanting.retain(|node| *node != path);
                        self.said.push(format!("free {path}"));
                    }
                    Effect::SignalCancelOf(vertex) => {
                        let path = self.path(vertex);
                        self.said.push(format!("cancel {path}"));
                    }
                    Effect::SignalCancel => self.said.push("cancel".into()),
                    Effect::DropCall(vertex) => {
                        self.calls.retain(|(_, call)| call.vertex != vertex);
                        self.said.push(format!("drop {}", self.path(vertex)));
                    }
                    Effect::Overdue => self.said.push("overdue".into()),
                    Effect::WakeAt(at) => self.wake = Some(at),
                    Effect::Finish(finish) => self.finish = Some(finish),
                }
            }
            if events.is_empty() {
                return;
            }
            effects = step_all(&mut self.machine, self.now, std::mem::take(&mut events));
        }
    }

    fn answered(&mut self, id: Uuid, answer: Answer) {
        assert_eq!(self.answers.insert(id, answer), None, "answered twice");
    }

    fn path(&self, v: u32) -> String {
        self.machine.state().path(v).to_string()
    }

    /// The calls under way, `do a`, `redo a` or `undo a`, in the order in which they went out.
    pub(crate) fn calls(&self) -> Vec<&str> {
        self.calls.iter().map(|(call, _)| call.as_str()).collect()
    }

    pub(crate) fn call(&self, call: &str) -> AuthorizedCall {
        self.calls.iter().find(|(name, _)| name == call).unwrap_or_else(|| self.no(call)).1
    }

    fn no(&self, call: &str) -> ! {
        panic!("no `{call}` among {:?}; {:#?}", self.calls(), self.log)
    }

    fn take(&mut self, call: &str) -> u32 {
        let Some(i) = self.calls.iter().position(|(name, _)| name == call) else { self.no(call) };
        self.calls.remove(i).1.vertex
    }

    /// These calls end well, one after the other.
    pub(crate) fn ok(&mut self, calls: &[&str]) {
        for call in calls {
            let vertex = self.take(call);
            if call.starts_with("undo") {
                self.feed([Event::UndoDone { vertex, result: Ok(()) }]);
            } else {
                let result = ActionResult::Ok(Payload::from(call.as_bytes()));
                self.feed([Event::ActionDone { vertex, result }]);
            }
        }
    }

    /// The answer of an action that was asked whether it took effect.
    pub(crate) fn answers(&mut self, call: &str, answer: Probe<&str>) {
        let vertex = self.take(call);
        let answer = answer.map(|output| Payload::from(output.as_bytes()));
        self.feed([Event::Probed { vertex, answer }]);
    }

    pub(crate) fn fails(&mut self, call: &str) {
        self.ends(call, ActionResult::Failed(failure(false)));
    }

    pub(crate) fn fails_for_now(&mut self, call: &str) {
        self.ends(call, ActionResult::Failed(failure(true)));
    }

    pub(crate) fn in_doubt(&mut self, call: &str) {
        self.ends(call, ActionResult::InDoubt(failure(true)));
    }

    pub(crate) fn unstorable(&mut self, call: &str) {
        let why = Failure::new(FailureKind::SerializeFailed, "too large");
        self.ends(call, ActionResult::Unstorable(why));
    }

    pub(crate) fn ends(&mut self, call: &str, result: ActionResult) {
        let vertex = self.take(call);
        self.feed([Event::ActionDone { vertex, result }]);
    }

    pub(crate) fn undo_fails(&mut self, call: &str, retryable: bool) {
        let vertex = self.take(call);
        self.feed([Event::UndoDone { vertex, result: Err(failure(retryable)) }]);
    }

    /// Time passes until the machine wants to be woken.
    pub(crate) fn wait(&mut self) {
        self.now = self.wake.take().expect("something to wait for");
        self.feed([Event::Tick]);
    }

    pub(crate) fn status(&self) -> SagaStatus {
        self.machine.status()
    }

    pub(crate) fn node(&self, path: &str) -> NodeState {
        let state = self.machine.state();
        state.node(state.resolve(path).unwrap()).unwrap()
    }

    pub(crate) fn state(&self, path: &str) -> ActionState {
        self.node(path).state
    }

    /// Asserts that the saga has ended, and how.
    #[track_caller]
    pub(crate) fn ended(&self, status: SagaStatus) {
        assert_eq!(self.finish, Some(Finish::Ended(status)), "{:#?}", self.log);
        assert_eq!(self.calls(), [""; 0]);
    }

    /// The log in words.
    pub(crate) fn words(&self) -> Vec<String> {
        let word = |e: &Entry| match e.node() {
            Some(node) => format!("{node} {}", e.kind.name()),
            None => e.kind.name().to_string(),
        };
        self.log.iter().map(word).collect()
    }
}
