//! Waits: events and timers that compete for the end of a wait, and what becomes of the events that nobody took.

use saga_core::dag::Alternative::{self, Sleep, SleepUntil};
use saga_core::machine::Due;

use super::*;
use crate::simulation::operators::signal_of;
use crate::simulation::plans::{event, for_event, wait};

const HOUR: Duration = Duration::from_secs(3600);

/// A wait between two actions.
fn between(alternatives: &[Alternative]) -> Arc<Plan> {
    chain(vec![action("a", Output), wait("w", alternatives), action("z", Output)])
}

fn accepted(saga: &mut Bench, name: &str, id: &str) {
    assert_eq!(saga.asks(signal_of(name, id)), DONE);
}

fn no_wait(name: &str) -> Option<Answer> {
    refused(Refusal::NoSuchWait { event: event(name) })
}

/// What a wait has taken, as text.
fn taken(saga: &Bench, node: &str) -> Option<String> {
    let state = saga.machine.state();
    let waited = state.waited(state.resolve(node).unwrap())?;
    waited.event.as_ref().map(|event| String::from_utf8(event.as_bytes().to_vec()).unwrap())
}

#[test]
fn an_event_ends_a_wait_in_the_append_that_records_it() {
    let mut saga = Bench::new(between(&[for_event("A")]));
    saga.ok(&["do a"]);
    assert_eq!(saga.words().last().unwrap(), "w waiting");
    assert_eq!((saga.calls(), saga.state("w")), (vec![], InFlight));
    assert!(saga.machine.only_waits() && saga.wake.is_none());
    let appends = saga.appends;
    accepted(&mut saga, "A", "e1");
    assert_eq!(saga.words()[4..], ["requested", "w waited", "z started"]);
    assert_eq!((saga.appends, taken(&saga, "w")), (appends + 1, Some("A e1".into())));
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn an_event_that_comes_early_is_kept_and_taken_when_the_wait_begins() {
    let mut saga = Bench::new(between(&[for_event("A")]));
    accepted(&mut saga, "A", "e1");
    saga.crash_now();
    saga.ok(&["do a"]);
    let words = saga.words();
    assert_eq!(words[words.len() - 3..], ["w waiting", "w waited", "z started"]);
    assert_eq!(taken(&saga, "w"), Some("A e1".into()));
}

#[test]
fn an_event_with_a_known_id_is_a_duplicate_for_the_life_of_the_saga() {
    let mut saga = Bench::new(between(&[for_event("A")]));
    accepted(&mut saga, "A", "e1");
    assert_eq!(saga.asks(signal_of("A", "e1")), Some(Answer::Duplicate));
    saga.ok(&["do a", "do z"]);
    saga.ended(ENDED_WELL);
    assert_eq!(saga.claimed_for(signal_of("A", "e1")), Answer::Duplicate);
    let ended = Refusal::AlreadyEnded { status: ENDED_WELL };
    assert_eq!(saga.claimed_for(signal_of("A", "e2")), Answer::Refused(ended));
}

#[test]
fn an_event_that_no_wait_can_take_any_more_is_refused() {
    let nodes =
        vec![wait("v", &[for_event("A")]), action("a", Output), wait("w", &[for_event("A")])];
    let mut saga = Bench::new(chain(nodes));
    assert_eq!(saga.asks(signal_of("B", "e1")), no_wait("B"));
    // one for the wait that has begun, and one for the wait that is still to come
    accepted(&mut saga, "A", "e1");
    accepted(&mut saga, "A", "e2");
    assert_eq!(saga.asks(signal_of("A", "e3")), no_wait("A"));
    saga.ok(&["do a"]);
    saga.ended(ENDED_WELL);
    assert_eq!((taken(&saga, "v"), taken(&saga, "w")), (Some("A e1".into()), Some("A e2".into())));
}

#[test]
fn a_for_that_has_not_begun_may_take_any_number_of_events_and_a_choice_those_of_its_arms() {
    let body = || inline(PlanKind::Wait(vec![for_event("A")]));
    let nodes = vec![action("a", Output), node("each", each(body()))];
    let config = Config { max_kept_events: 2, ..Config::default() };
    let mut saga = Bench::configured(chain(nodes), config, &[("each", 2)]);
    accepted(&mut saga, "A", "e1");
    accepted(&mut saga, "A", "e2");
    assert_eq!(saga.asks(signal_of("A", "e3")), refused(Refusal::MailboxFull { kept: 2 }));
    saga.ok(&["do a"]);
    saga.ended(ENDED_WELL);
    assert_eq!(taken(&saga, "each[1]"), Some("A e2".into()));

    let arms = PlanKind::Choose(vec![body(), inline(PlanKind::Value)]);
    let mut saga =
        Bench::with(chain(vec![action("a", Output), node("either", arms)]), None, &[("either", 1)]);
    accepted(&mut saga, "A", "e1");
    assert_eq!(saga.asks(signal_of("A", "e2")), no_wait("A"));
    // the other arm runs: the event is in the log, and nobody takes it
    saga.ok(&["do a"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn of_several_waits_the_one_that_began_first_gets_the_event() {
    let nodes = vec![
        action("a", Output),
        wait("late", &[for_event("A")]),
        wait("early", &[for_event("A")]),
    ];
    let mut saga = Bench::new(plan(nodes, &[(0, 1)]));
    saga.ok(&["do a"]);
    accepted(&mut saga, "A", "e1");
    assert_eq!((taken(&saga, "early"), taken(&saga, "late")), (Some("A e1".into()), None));
    accepted(&mut saga, "A", "e2");
    saga.ended(ENDED_WELL);
}

#[test]
fn a_timer_fires_at_the_time_that_the_log_says_also_after_a_crash() {
    let mut saga = Bench::waiting(between(&[Sleep]), &[("w", &[Due::After(HOUR)])]);
    saga.ok(&["do a"]);
    let until = saga.now.after(HOUR);
    assert_eq!(saga.wake, Some(until));
    saga.now = saga.now.after(HOUR / 2);
    saga.crash_now();
    assert_eq!(saga.wake, Some(until));
    assert!(saga.machine.only_waits());
    saga.wait();
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_length_does_not_grow_when_the_clock_is_set_back_and_a_point_in_time_moves_with_it() {
    let begins = |what: Alternative, due: Due| {
        let mut saga = Bench::waiting(between(&[what]), &[("w", &[due])]);
        saga.now = Timestamp(10 * 3_600_000);
        saga.ok(&["do a"]);
        saga.now = Timestamp(9 * 3_600_000);
        saga.feed([Event::ClockSet { millis: -3_600_000 }, Event::Tick]);
        saga.wake.unwrap()
    };
    assert_eq!(begins(Sleep, Due::After(HOUR)), Timestamp(10 * 3_600_000));
    let at = Timestamp(11 * 3_600_000);
    assert_eq!(begins(SleepUntil, Due::At(at)), at);
}

#[test]
fn of_two_timers_that_are_due_the_one_wins_whose_time_came_first() {
    let times = [Due::After(2 * HOUR), Due::After(HOUR)];
    let mut saga = Bench::waiting(between(&[Sleep, Sleep]), &[("w", &times)]);
    saga.ok(&["do a"]);
    saga.now = saga.now.after(3 * HOUR);
    saga.feed([Event::Tick]);
    let state = saga.machine.state();
    assert_eq!(state.waited(state.resolve("w").unwrap()).unwrap().alternative, 1);
}

#[test]
fn an_event_and_a_timer_compete_for_one_place_in_the_log() {
    let begun = || {
        let alternatives = [for_event("A"), Sleep];
        let mut saga = Bench::waiting(between(&alternatives), &[("w", &[Due::After(HOUR)])]);
        saga.ok(&["do a"]);
        saga
    };
    // the time is up, and nobody has noticed when the event comes
    let mut saga = begun();
    saga.now = saga.now.after(2 * HOUR);
    assert_eq!(saga.asks(signal_of("A", "e1")), no_wait("A"));
    assert_eq!(taken(&saga, "w"), None);
    // the event comes first
    let mut saga = begun();
    accepted(&mut saga, "A", "e1");
    saga.now = saga.now.after(2 * HOUR);
    saga.feed([Event::Tick]);
    assert_eq!(taken(&saga, "w"), Some("A e1".into()));
    assert_eq!(saga.calls(), ["do z"]);
}

#[test]
fn a_timer_that_came_due_during_a_pause_fires_when_the_saga_resumes_and_an_event_does_not_wait() {
    let alternatives = [for_event("A"), Sleep];
    let paused = || {
        let mut saga = Bench::waiting(between(&alternatives), &[("w", &[Due::After(HOUR)])]);
        saga.ok(&["do a"]);
        assert_eq!(saga.asks(Command::Pause), DONE);
        saga.now = saga.now.after(2 * HOUR);
        saga.feed([Event::Tick]);
        assert_eq!(saga.state("w"), InFlight);
        saga
    };
    let mut saga = paused();
    saga.crash_now();
    assert_eq!((saga.state("w"), saga.wake), (InFlight, None));
    assert_eq!(saga.asks(Command::Resume), DONE);
    assert_eq!((taken(&saga, "w"), saga.calls()), (None, vec!["do z"]));
    let mut saga = paused();
    accepted(&mut saga, "A", "e1");
    assert_eq!((taken(&saga, "w"), saga.calls()), (Some("A e1".into()), vec![]));
}

#[test]
fn unwinding_ends_a_wait_at_once_and_there_is_nothing_to_undo() {
    let mut saga = Bench::waiting(between(&[for_event("A"), Sleep]), &[("w", &[Due::After(HOUR)])]);
    saga.ok(&["do a"]);
    assert_eq!(saga.asks(cancel()), DONE);
    assert_eq!((saga.state("w"), saga.calls()), (Pending, vec!["undo a"]));
    assert_eq!(saga.asks(signal_of("A", "e1")), refused(Refusal::Unwinding));
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn a_deadline_ends_a_wait() {
    let deadline = Some(Timestamp(5_000));
    let config = Config { deadline, ..Config::default() };
    let mut saga = Bench::configured(between(&[for_event("A")]), config, &[]);
    saga.ok(&["do a"]);
    saga.wait();
    assert_eq!(saga.calls(), ["undo a"]);
}

#[test]
fn a_wait_behind_a_pivot_goes_forward_for_as_long_as_it_takes() {
    let nodes = vec![action("p", Output), wait("w", &[for_event("A")]), tried("z", Output, 2, 2)];
    let mut saga = Bench::new(Arc::new(Plan::new(nodes, &[(0, 1), (1, 2)]).with_pivot(0)));
    saga.ok(&["do p"]);
    assert_eq!(saga.asks(cancel()), refused(Refusal::PastPivot { pivot: "p".into() }));
    assert_eq!(saga.state("w"), InFlight);
    accepted(&mut saga, "A", "e1");
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_wait_needs_no_permit_and_no_room() {
    let config = Config { max_concurrency: Some(1), permits: true, ..Config::default() };
    let nodes =
        vec![wait("v", &[for_event("A")]), wait("w", &[for_event("A")]), action("a", Output)];
    let mut saga = Bench::configured(plan(nodes, &[]), config, &[]);
    assert_eq!((saga.state("v"), saga.state("w")), (InFlight, InFlight));
    saga.grants("a");
    saga.ok(&["do a"]);
    assert!(saga.wanting.is_empty() && saga.machine.only_waits());
}

#[test]
fn a_time_that_cannot_be_computed_fails_the_saga() {
    let mut saga = Bench::new(between(&[Sleep]));
    saga.ok(&["do a"]);
    assert_eq!((saga.state("w"), saga.calls()), (Failed, vec!["undo a"]));
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
}

#[test]
fn a_log_with_an_impossible_end_of_a_wait_is_refused() {
    let mut saga = Bench::new(between(&[for_event("A")]));
    saga.ok(&["do a"]);
    accepted(&mut saga, "A", "e1");
    let waited = saga.words().iter().position(|word| word == "w waited").unwrap();
    let with = |alternative, event| {
        let mut log = saga.log[..=waited].to_vec();
        let won = saga_core::log::Won { alternative, event };
        log[waited].kind = NodeEntry::Waited(won).about("w", 0);
        SagaState::fold(saga.plan.clone(), &log).is_ok()
    };
    let seq = saga.log[waited - 1].seq;
    assert!(with(0, Some(seq)));
    // no event, another entry, and an alternative that there is not
    assert!(!with(0, None) && !with(0, Some(seq - 1)) && !with(1, Some(seq)));
}
