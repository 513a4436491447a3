//! What operators can ask of a saga, one file for each command.
//!
//! A request goes through the machine like this:
//!
//! 1. It is *checked*: by [`Rules::check`], which the log alone decides, and by [`Rules::check_now`], which
//!    knows what this process has under way. One that fails leaves nothing in the log and is answered at once.
//! 2. It is *granted*: the log has it as `requested`. Some commands are done with that ([`Rules::grant`]): a
//!    step, and everything that is only tried again.
//! 3. Any other is *open* until the entry is written that does what it asks for ([`Rules::follow_up`]): in the
//!    same turn, after a crash in the first turn of the next process, or, for a cancel, once the pivot has
//!    ended.
//! 4. It is *answered* by that entry ([`Rules::is_answered_by`]), with the append that carries it.
//!
//! To add a command: its variant and word in [`Command`], a file here, its line in [`with_rules`], and the
//! method of [`Operator`](crate::operator::Operator).

mod cancel;
mod decide;
mod inject;
mod pause;
mod resolve;
mod resume;
mod retry;
mod retry_all;
mod retry_undo;
mod rollback;
mod signal;
mod step;
mod unpark;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Machine;
use super::state::{SagaState, VertexId};
use crate::log::{Answer, Command, NodeEntry, NodePath, Refusal, SagaEntry, Uuid};
use crate::planted::{Mistake, planted};
pub(super) use inject::Faults;

/// A request of an operator to this saga.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OperatorRequest {
    pub(super) id: Uuid,
    pub(super) by: String,
    pub(super) command: Command,
}

/// What operators and tests have asked of a saga, as its log says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    /// Requests that have not had their effect yet.
    open: Vec<OperatorRequest>,
    /// What became of the others.
    answers: BTreeMap<Uuid, Answer>,
    /// What tests have put into nodes, which need not exist yet.
    faults: BTreeMap<NodePath, Faults>,
}

impl Asked {
    const fn nothing() -> Self {
        Self { open: Vec::new(), answers: BTreeMap::new(), faults: BTreeMap::new() }
    }
}

static NOTHING: Asked = Asked::nothing();

impl SagaState {
    fn asked(&self) -> &Asked {
        self.asked.as_deref().unwrap_or(&NOTHING)
    }

    fn asked_mut(&mut self) -> &mut Asked {
        self.asked.get_or_insert_with(|| Box::new(Asked::nothing()))
    }
}

/// The requests that this process deals with.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests {
    /// Those that have not been checked yet.
    unchecked: VecDeque<OperatorRequest>,
    /// Those that are in the log and have not been answered.
    unanswered: BTreeSet<Uuid>,
    /// Answers of this turn that follow from no entry in the log.
    answers: Vec<(Uuid, Answer)>,
}

impl Requests {
    /// The requests that are open in this state; none if there are none.
    pub(super) fn open_in(state: &SagaState) -> Option<Box<Self>> {
        let open = &state.asked().open;
        if open.is_empty() {
            return None;
        }
        let unanswered = open.iter().map(|request| request.id).collect();
        Some(Box::new(Self { unanswered, ..Self::default() }))
    }
}

/// What the machine knows about one command.
trait Rules {
    /// Whether the command can be granted in this state; if not, the error is the answer to it.
    fn check(&self, state: &SagaState) -> Result<(), Answer>;

    /// The same for reasons that are not in the log: what this process has under way, or that nobody would know
    /// that the request waits for them.
    fn check_now(&self, _machine: &Machine) -> Result<(), Answer> {
        Ok(())
    }

    /// True if the command may make vertices ready that come before those that wait for a permit.
    fn reorders(&self) -> bool {
        false
    }

    /// Changes the state when the command is granted, and tells whether the request is open after that.
    fn grant(&self, _state: &mut SagaState, _touched: &mut Vec<VertexId>) -> Granted {
        Granted::Open
    }

    /// The entry that carries out an open request; none while the request is held.
    fn follow_up(&self, _machine: &Machine, _request: &OperatorRequest) -> Option<FollowUp> {
        None
    }

    /// True if this entry, which has just been applied to the state, does what the command asks for.
    fn is_answered_by(&self, _state: &SagaState, _written: Written<'_>) -> bool {
        false
    }
}

/// What remains of a request when it is in the log.
enum Granted {
    /// It is done.
    Done,
    /// It is open: an entry of its own follows.
    Open,
}

/// What follows from an open request.
struct FollowUp {
    /// An entry about a node that has to come first.
    first: Option<(VertexId, NodeEntry)>,
    /// The entry that does what it asks for.
    entry: Next,
    /// True if the saga does not stay parked.
    unparks: bool,
}

enum Next {
    Saga(SagaEntry),
    Node(VertexId, NodeEntry),
    /// None: the node that the request names does not exist.
    Gone,
}

impl FollowUp {
    fn saga(entry: SagaEntry) -> Option<Self> {
        Some(Self { first: None, entry: Next::Saga(entry), unparks: false })
    }

    fn node(v: Option<VertexId>, entry: NodeEntry) -> Option<Self> {
        let entry = v.map_or(Next::Gone, |v| Next::Node(v, entry));
        Some(Self { first: None, entry, unparks: false })
    }

    fn after(self, first: Option<(VertexId, NodeEntry)>) -> Self {
        Self { first, ..self }
    }

    fn unparking(self, unparks: bool) -> Self {
        Self { unparks, ..self }
    }
}

/// An entry that has just been applied.
#[derive(Clone, Copy)]
pub(super) enum Written<'a> {
    Saga(&'a SagaEntry),
    Node(&'a NodeEntry),
}

/// Calls `then` with the rules of a command.
fn with_rules<T>(command: &Command, then: impl FnOnce(&dyn Rules) -> T) -> T {
    match command {
        Command::Cancel { reason } => then(&cancel::Cancel { reason }),
        Command::Pause => then(&pause::Pause),
        Command::Resume => then(&resume::Resume),
        Command::Step => then(&step::StepOnce),
        Command::RetryUndo { node } => then(&retry_undo::RetryUndo { node }),
        Command::RetryAll => then(&retry_all::RetryAll),
        Command::Resolve { node, note } => then(&resolve::Resolve { node, note }),
        Command::Rollback { reason } => then(&rollback::Rollback { reason }),
        Command::Retry { node } => then(&retry::RetryNode { node }),
        Command::Decide { node, decision, note } => then(&decide::Decide { node, decision, note }),
        Command::Unpark => then(&unpark::Unpark),
        Command::Signal { event, event_id, payload } => {
            then(&signal::Signal { event, event_id, payload })
        }
        Command::Inject { node, fault } => then(&inject::Inject { node, fault: *fault }),
    }
}

impl SagaState {
    /// Whether a request can be granted in this state; if not, the error is the answer to it.
    pub(super) fn check(&self, command: &Command) -> Result<(), Answer> {
        with_rules(command, |rules| rules.check(self))
    }

    /// The log grants a request.
    pub(super) fn grant(
        &mut self,
        id: Uuid,
        by: &str,
        command: &Command,
        touched: &mut Vec<VertexId>,
    ) {
        match with_rules(command, |rules| rules.grant(self, touched)) {
            Granted::Done => {
                self.asked_mut().answers.insert(id, Answer::Done);
            }
            Granted::Open => {
                let (by, command) = (by.to_string(), command.clone());
                self.asked_mut().open.push(OperatorRequest { id, by, command });
            }
        }
    }

    pub(super) fn refuse(&mut self, id: Uuid, why: &Refusal) {
        let asked = self.asked_mut();
        asked.open.retain(|request| request.id != id);
        asked.answers.insert(id, Answer::Refused(why.clone()));
    }

    /// A request that had its effect before the saga was migrated.
    pub(super) fn remember_done(&mut self, id: Uuid) {
        self.asked_mut().answers.insert(id, Answer::Done);
    }

    /// True if a request waits for the end of the pivot.
    pub(super) fn holds_requests(&self) -> bool {
        !self.asked().open.is_empty()
    }

    /// Answers the open requests that this entry carries out.
    pub(super) fn answer_open(&mut self, written: Written<'_>) {
        if self.asked().open.is_empty() {
            return;
        }
        let (answered, open) =
            std::mem::take(&mut self.asked_mut().open).into_iter().partition::<Vec<_>, _>(
                |request| with_rules(&request.command, |rules| rules.is_answered_by(self, written)),
            );
        let asked = self.asked_mut();
        asked.open = open;
        asked.answers.extend(answered.into_iter().map(|request| (request.id, Answer::Done)));
    }

    /// True if the request is in the log and has not had its effect yet, as a cancel that waits for the pivot.
    /// It is answered when it has had its effect, so there is no need to ask again.
    pub fn is_held(&self, id: Uuid) -> bool {
        self.asked().open.iter().any(|request| request.id == id)
    }

    pub(super) fn is_known(&self, id: Uuid) -> bool {
        let answered = self.asked().answers.contains_key(&id);
        answered && !planted(Mistake::GrantedAgain) || self.is_held(id)
    }

    /// The node that a command names.
    fn named(&self, node: &NodePath) -> Result<VertexId, Answer> {
        let unknown = || Answer::Refused(Refusal::NoSuchNode { node: node.clone() });
        self.resolve(node.as_str()).ok_or_else(unknown)
    }

    /// Whether the saga can unwind: it cannot after its pivot.
    fn can_unwind(&self) -> Result<(), Answer> {
        match self.pivot() {
            Some(pivot) if self.past_pivot() => {
                Err(Answer::Refused(Refusal::PastPivot { pivot: self.path(pivot) }))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses the command if the saga has ended.
    fn has_not_ended(&self) -> Result<(), Answer> {
        match self.ended {
            Some(status) => Err(Answer::Refused(Refusal::AlreadyEnded { status })),
            None => Ok(()),
        }
    }

    fn nothing_to_do(&self) -> Result<(), Answer> {
        Err(Answer::NothingToDo { status: self.status() })
    }
}

impl Machine {
    /// Takes a request in, which is checked later in this turn.
    pub(super) fn hear(&mut self, request: OperatorRequest) {
        self.requests.get_or_insert_default().unchecked.push_back(request);
    }

    /// Checks the next request, and grants or answers it. False if there is none.
    pub(super) fn hear_next(&mut self) -> bool {
        let is_broken = self.is_broken();
        let Some(requests) = &mut self.requests else { return false };
        let Some(OperatorRequest { id, by, command }) = requests.unchecked.pop_front() else {
            return false;
        };
        if requests.unanswered.contains(&id) || is_broken {
            return true; // it has been granted before, and will be answered
        }
        if let Some(answer) = self.state.asked().answers.get(&id)
            && !planted(Mistake::GrantedAgain)
        {
            requests.answers.push((id, answer.clone()));
            return true;
        }
        let checked = with_rules(&command, |rules| {
            rules.check(&self.state)?;
            rules.check_now(self)?;
            Ok(rules.reorders())
        });
        match checked {
            Err(answer) => self.requests.get_or_insert_default().answers.push((id, answer)),
            Ok(reorders) => {
                self.requests.get_or_insert_default().unanswered.insert(id);
                if reorders {
                    self.line_up_again();
                }
                self.write(SagaEntry::Requested { id, by, command: command.into() });
                self.follow_up();
            }
        }
        true
    }

    /// Carries out the open requests, except those that must wait for the pivot.
    pub(super) fn follow_up(&mut self) {
        let open = &self.state.asked().open;
        if open.is_empty() {
            return;
        }
        for request in open.clone() {
            if !self.state.is_held(request.id) {
                continue; // the entry of an earlier request has carried it out
            }
            let next = with_rules(&request.command, |rules| rules.follow_up(self, &request));
            let Some(FollowUp { first, entry, unparks }) = next else { continue };
            if let (Next::Node(v, _), true) = (&entry, unparks) {
                // the node must not start again instead
                self.forget(*v);
            }
            if unparks && self.state.parked.is_some() {
                self.write(SagaEntry::Unparked);
            }
            if let Some((v, first)) = first {
                self.forget(v);
                self.write_about(v, first);
            }
            match entry {
                Next::Saga(entry) if self.state.allows_saga_entry(&entry) => self.write(entry),
                Next::Node(v, entry) if self.state.allows_node_entry(v, &entry) => {
                    self.write_about(v, entry);
                }
                Next::Saga(_) | Next::Node(..) | Next::Gone => {
                    let command = request.command.name();
                    let why = format!("{command} does not apply to the saga any more");
                    let why = Refusal::Invalid { why }.into();
                    self.write(SagaEntry::Refused { id: request.id, why });
                }
            }
        }
    }

    /// The requests that are answered by this turn, and by its append if there is one.
    pub(super) fn take_answers(&mut self) -> Vec<(Uuid, Answer)> {
        let Some(requests) = &mut self.requests else { return Vec::new() };
        let mut answers = std::mem::take(&mut requests.answers);
        let known = &self.state.asked().answers;
        requests.unanswered.retain(|id| match known.get(id) {
            Some(_) if planted(Mistake::AnswerLost) => false,
            Some(answer) => {
                answers.push((*id, answer.clone()));
                planted(Mistake::AnsweredTwice)
            }
            None => true,
        });
        answers
    }

    /// Refuses commands that may not be granted while a call of the saga is in flight.
    fn has_no_calls(&self) -> Result<(), Answer> {
        match self.under_way.calls() {
            0 => Ok(()),
            calls => Err(Answer::Refused(Refusal::InFlight { calls })),
        }
    }
}
