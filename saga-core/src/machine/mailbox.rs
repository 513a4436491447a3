//! The events that waits take, and which of them goes to which wait. The mailbox of a saga is its log: an event is a request that
//! the log grants, and its place in the log is its place in the mailbox.
//!
//! - An event goes to the wait that began first, of those that wait for its type. Where none waits yet, it is kept.
//! - Of the events that a wait could take, it takes the one that came first.
//! - What ends a wait is one entry, `waited`, which names the event. So an event, a timer, and the decision to unwind compete
//!   for one place in the log, and there is no second winner.
//!
//! (The idea of messages that wait for their receiver is Hewitt's actors' mailbox; most workflow engines drop an event that
//! comes before its wait.)

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::progress::{Activity, Progress};
use super::state::{SagaState, VertexId};
use crate::log::{Payload, Timestamp, Won};
use crate::names::{EventName, EventType};
use crate::plan::{Alternative, Plan, PlanKind};
use crate::planted::{Mistake, planted};

/// The waits that have begun and not ended, and the events that no wait has taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mailbox {
    /// Nodes that wait, in the order in which they began to.
    waits: Vec<VertexId>,
    /// By type; the event that came first is the first one.
    kept: BTreeMap<EventType, VecDeque<KeptEvent>>,
    /// All events that the log has, taken or not.
    known: BTreeSet<(EventName, String)>,
    /// Events that were taken before the last migration. The entries that tell it again name them.
    taken_before: BTreeMap<u64, (EventType, Payload)>,
}

/// An event that no wait has taken yet.
#[derive(Debug, Clone, PartialEq)]
struct KeptEvent {
    /// The entry that has it.
    seq: u64,
    payload: Payload,
}

/// What the log says about a wait.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct WaitDetails {
    /// When its timers are due, in the order of its alternatives.
    pub(super) until: Vec<Timestamp>,
    /// How it ended.
    pub(super) won: Option<Waited>,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Waited {
    /// The index of the alternative that came first.
    pub alternative: u32,
    /// What the event carries, if it is one.
    pub event: Option<Payload>,
}

impl Mailbox {
    const fn empty() -> Self {
        Self {
            waits: Vec::new(),
            kept: BTreeMap::new(),
            known: BTreeSet::new(),
            taken_before: BTreeMap::new(),
        }
    }

    fn kept(&self, event: &EventType) -> Option<&VecDeque<KeptEvent>> {
        self.kept.get(event)
    }

    fn first(&self, event: &EventType) -> Option<&KeptEvent> {
        match planted(Mistake::LastEventFirst) {
            true => self.kept(event)?.back(),
            false => self.kept(event)?.front(),
        }
    }

    /// Takes the event out that this entry has.
    fn take(&mut self, event: &EventType, seq: u64) -> Option<Payload> {
        let kept = self.kept.get_mut(event)?;
        let at = kept.iter().position(|kept| kept.seq == seq)?;
        if planted(Mistake::EventGivenTwice) {
            return kept.get(at).map(|kept| kept.payload.clone());
        }
        let taken = kept.remove(at)?;
        if kept.is_empty() {
            self.kept.remove(event);
        }
        Some(taken.payload)
    }
}

static EMPTY: Mailbox = Mailbox::empty();

impl SagaState {
    fn mailbox(&self) -> &Mailbox {
        self.mailbox.as_deref().unwrap_or(&EMPTY)
    }

    fn mailbox_mut(&mut self) -> &mut Mailbox {
        self.mailbox.get_or_insert_with(|| Box::new(Mailbox::empty()))
    }

    /// What this vertex waits for, if it is a wait.
    pub(super) fn alternatives(&self, v: VertexId) -> Option<&[Alternative]> {
        match self.kind(v)? {
            PlanKind::Wait(alternatives) => Some(alternatives),
            PlanKind::Action(_)
            | PlanKind::Value
            | PlanKind::Subsaga(_)
            | PlanKind::ForEach { .. }
            | PlanKind::Choose(_)
            | PlanKind::Try { .. } => None,
        }
    }

    /// The nodes that wait, in the order in which they began to.
    pub fn waits(&self) -> &[VertexId] {
        &self.mailbox().waits
    }

    /// How a wait ended; none if it has not, or is no wait.
    pub fn waited(&self, v: VertexId) -> Option<&Waited> {
        self.vertex(v)?.details().wait.as_ref()?.won.as_ref()
    }

    /// When the timers of a wait are due that has begun, in the order of its alternatives.
    pub fn waits_until(&self, v: VertexId) -> &[Timestamp] {
        let details = self.vertex(v).and_then(|x| x.details().wait.as_deref());
        details.map_or(&[], |wait| &wait.until)
    }

    /// How many events no wait has taken yet.
    pub(super) fn kept_events(&self) -> usize {
        self.mailbox().kept.values().map(VecDeque::len).sum()
    }

    /// True if the log has this event already.
    pub(super) fn knows_event(&self, event: &EventType, id: &str) -> bool {
        let known = (event.name.clone(), id.to_string());
        self.mailbox().known.contains(&known) && !planted(Mistake::EventIdForgotten)
    }

    fn takes(&self, v: VertexId, event: &EventType) -> bool {
        let is_it = |alternative: &Alternative| match alternative {
            Alternative::Event(other) => other == event,
            Alternative::Sleep | Alternative::SleepUntil => false,
        };
        self.alternatives(v).is_some_and(|alternatives| alternatives.iter().any(is_it))
    }

    /// The wait that gets the next event of this type: the one that began first.
    fn next_taker(&self, event: &EventType) -> Option<VertexId> {
        let mut takers = self.waits().iter().copied().filter(|v| self.takes(*v, event));
        match planted(Mistake::LastWaitFirst) {
            true => takers.next_back(),
            false => takers.next(),
        }
    }

    /// True if a wait has begun that takes the next event of this type.
    pub(super) fn is_taken_at_once(&self, event: &EventType) -> bool {
        self.next_taker(event).is_some()
    }

    /// The log has a new event: kept until a wait takes it.
    pub(super) fn keep_event(
        &mut self,
        (event, id, payload): (&EventType, &str, &Payload),
        seq: u64,
        touched: &mut Vec<VertexId>,
    ) {
        let taker = self.next_taker(event);
        let mailbox = self.mailbox_mut();
        mailbox.known.insert((event.name.clone(), id.to_string()));
        if taker.is_none() && planted(Mistake::EarlyEventDropped) {
            return;
        }
        let kept = KeptEvent { seq, payload: payload.clone() };
        mailbox.kept.entry(event.clone()).or_default().push_back(kept);
        touched.extend(taker);
    }

    /// A part of the log that ends with a migration says that a wait has taken the event of this entry.
    pub(super) fn took_before(&mut self, seq: u64) {
        let mailbox = self.mailbox_mut();
        let of = mailbox.kept.iter().find(|(_, kept)| kept.iter().any(|event| event.seq == seq));
        if let Some(event) = of.map(|(event, _)| event.clone())
            && let Some(payload) = mailbox.take(&event, seq)
        {
            mailbox.taken_before.insert(seq, (event, payload));
        }
    }

    /// Whether a wait may begin with timers that are due then.
    pub(super) fn may_wait(&self, v: VertexId, until: &[Timestamp]) -> bool {
        let timers = self.alternatives(v).map(|all| all.iter().filter(|a| a.is_timer()).count());
        let idle = self
            .vertex(v)
            .is_some_and(|x| matches!(x.progress, Progress::Open(Activity::Idle { .. })));
        idle && timers == Some(until.len())
    }

    /// Whether a wait may end like this.
    pub(super) fn may_have_waited(&self, v: VertexId, won: Won) -> bool {
        if !self.vertex(v).is_some_and(|x| x.progress.is_waiting()) {
            return false;
        }
        let alternative = self.alternatives(v).and_then(|all| all.get(won.alternative as usize));
        match (alternative, won.event) {
            (Some(Alternative::Event(event)), Some(seq)) => {
                let next = self.mailbox().first(event).is_some_and(|kept| kept.seq == seq);
                let before = self.mailbox().taken_before.get(&seq);
                next || before.is_some_and(|(of, _)| of == event)
            }
            (Some(Alternative::Sleep | Alternative::SleepUntil), None) => true,
            (Some(_), _) | (None, _) => false,
        }
    }

    /// A wait begins.
    pub(super) fn begin_wait(
        &mut self,
        v: VertexId,
        until: &[Timestamp],
        touched: &mut Vec<VertexId>,
    ) {
        if let Some(x) = self.vertices.get_mut(v as usize) {
            x.progress = Progress::Open(Activity::Waiting);
            x.details_mut().wait = Some(WaitDetails { until: until.to_vec(), won: None }.into());
        }
        self.mailbox_mut().waits.push(v);
        touched.push(v);
    }

    /// A wait ends. The vertex itself is completed by the caller.
    pub(super) fn end_wait(&mut self, v: VertexId, won: Won, touched: &mut Vec<VertexId>) {
        let alternative = self.alternatives(v).and_then(|all| all.get(won.alternative as usize));
        let event = match alternative {
            Some(Alternative::Event(event)) => Some(event.clone()),
            Some(Alternative::Sleep | Alternative::SleepUntil) | None => None,
        };
        let mailbox = self.mailbox_mut();
        mailbox.waits.retain(|wait| *wait != v);
        let payload = event.zip(won.event).and_then(|(event, seq)| {
            let taken = mailbox.take(&event, seq);
            taken.or_else(|| mailbox.taken_before.get(&seq).map(|(_, payload)| payload.clone()))
        });
        if let Some(x) = self.vertices.get_mut(v as usize)
            && let Some(wait) = &mut x.details_mut().wait
        {
            wait.won = Some(Waited { alternative: won.alternative, event: payload });
        }
        // where several events are kept, another wait may be the next to take one
        let mailbox = self.mailbox();
        touched.extend(mailbox.kept.keys().filter_map(|event| self.next_taker(event)));
        self.collected.push(v);
    }

    /// The saga unwinds: all waits end at once, and there is nothing to undo about them.
    pub(super) fn end_all_waits(&mut self) {
        if planted(Mistake::WaitOutlivesUnwinding) {
            return;
        }
        let Some(mailbox) = &mut self.mailbox else { return };
        for v in std::mem::take(&mut mailbox.waits) {
            if let Some(x) = self.vertices.get_mut(v as usize) {
                x.progress = Progress::Open(Activity::Idle { doubt: false });
            }
        }
    }

    /// The scope of this node begins to unwind: the waits in it end at once, and others may be the next to take an event.
    pub(super) fn end_waits_in(&mut self, scope: VertexId, touched: &mut Vec<VertexId>) {
        let within = |v: &VertexId| self.scope_that_unwinds(*v) == Some(scope);
        let (ended, others) = self.waits().iter().copied().partition::<Vec<_>, _>(within);
        if ended.is_empty() || planted(Mistake::WaitOutlivesUnwinding) {
            return;
        }
        for v in ended {
            if let Some(x) = self.vertices.get_mut(v as usize) {
                x.progress = Progress::Open(Activity::Idle { doubt: false });
            }
        }
        self.mailbox_mut().waits = others;
        let mailbox = self.mailbox();
        touched.extend(mailbox.kept.keys().filter_map(|event| self.next_taker(event)));
    }

    /// The event that this wait takes now, and as which alternative: of those that are kept, and that no wait before it takes,
    /// the one that came first.
    pub(super) fn event_for(&self, v: VertexId) -> Option<Won> {
        let alternatives = (0..).zip(self.alternatives(v)?);
        let events = alternatives.filter_map(|(alternative, what)| match what {
            Alternative::Event(event) if self.next_taker(event) == Some(v) => {
                Some((self.mailbox().first(event)?.seq, alternative))
            }
            Alternative::Event(_) | Alternative::Sleep | Alternative::SleepUntil => None,
        });
        let first = events.min();
        first.map(|(seq, alternative)| Won { alternative, event: Some(seq) })
    }

    /// True if a wait has begun or may still begin that takes an event of this type, apart from those that the events take that
    /// are kept already.
    pub(super) fn awaits(&self, event: &EventType) -> bool {
        let kept = self.mailbox().kept(event).map_or(0, VecDeque::len);
        let mut room = 0_usize;
        for (v, x) in (0..).zip(&self.vertices) {
            let more = match self.kind(v) {
                // nothing begins any more in a scope that unwinds
                _ if self.goes_back(v) => 0,
                Some(PlanKind::Wait(_)) => {
                    usize::from(x.progress.is_open() && self.takes(v, event))
                }
                Some(
                    kind @ (PlanKind::Subsaga(_)
                    | PlanKind::ForEach { .. }
                    | PlanKind::Choose(_)
                    | PlanKind::Try { .. }),
                ) if self.is_gate(v) && x.progress.is_open() => may_take_inside(kind, event),
                // its scope may still fail, and then the `else` runs
                Some(PlanKind::Try { otherwise: Some(otherwise), .. })
                    if !self.is_gate(v)
                        && x.progress.is_open()
                        && !self.goes_without_scope(v)
                        && self.parts(v).is_some() =>
                {
                    may_take(otherwise, event)
                }
                Some(
                    PlanKind::Action(_)
                    | PlanKind::Value
                    | PlanKind::Subsaga(_)
                    | PlanKind::ForEach { .. }
                    | PlanKind::Choose(_)
                    | PlanKind::Try { .. },
                )
                | None => 0,
            };
            room = room.saturating_add(more);
            if room > kept {
                return true;
            }
        }
        planted(Mistake::SignalWithoutWait)
    }
}

/// How many events of this type the nodes can take that such a node holds; of a `for`, nobody knows yet.
fn may_take_inside(kind: &PlanKind, event: &EventType) -> usize {
    let inside = |plan: &Plan| may_take(plan, event);
    match kind {
        PlanKind::Action(_) | PlanKind::Value => 0,
        PlanKind::Wait(all) => usize::from(all.contains(&Alternative::Event(event.clone()))),
        PlanKind::Subsaga(plan) => inside(plan),
        PlanKind::ForEach { body, .. } if inside(body) > 0 => usize::MAX,
        PlanKind::ForEach { .. } => 0,
        PlanKind::Choose(arms) => arms.iter().map(|arm| inside(arm)).max().unwrap_or(0),
        PlanKind::Try { body, otherwise } => {
            inside(body).saturating_add(otherwise.as_ref().map_or(0, |plan| inside(plan)))
        }
    }
}

fn may_take(plan: &Plan, event: &EventType) -> usize {
    let each = plan.nodes().iter().map(|node| may_take_inside(&node.kind, event));
    each.fold(0_usize, usize::saturating_add)
}
