//! A program whose types cannot read what an earlier one stored under the same fingerprint: its sagas are
//! parked, and operators can repair them.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use saga_core::SagaReport;
use saga_core::operator::Decision;
use saga_core::store::ListFilter;
use serde::{Deserialize, Deserializer, Serialize};

use super::*;

/// One version of a program, whose prices and guests have these types.
macro_rules! version {
    ($name:ident, $price:ty, $made:expr, $guest:ty, $item:ty) => {
        mod $name {
            use super::*;

            #[saga_action(undo = unprice(output))]
            async fn price(cx: &world::Cx) -> Result<$price, String> {
                world::act(cx).await.map(|_| $made)
            }
            async fn unprice(cx: &world::Cx, _price: &$price) -> Result<(), saga_core::UndoError> {
                world::unact(cx, "").await
            }

            #[saga_action(undo = leave(stop))]
            async fn visit(cx: &world::Cx, stop: &$item) -> Result<String, String> {
                let _ = stop;
                world::act(cx).await
            }
            async fn leave(cx: &world::Cx, _stop: &$item) -> Result<(), saga_core::UndoError> {
                world::unact(cx, "").await
            }

            saga! {
                #[name = "Order"]
                #[allow(unused_variables)]
                pub(super) Order<W>() -> String {
                    let a = plain {};
                    let price = price {};
                    let b = out {};
                    let c = bare {};
                    c
                }
            }

            saga! {
                #[name = "Visit"]
                #[allow(unused_variables)]
                pub(super) Visit<W>(guest: $guest) -> String {
                    let a = plain {};
                    let c = bare {};
                    c
                }
            }

            saga! {
                #[name = "Tour"]
                #[allow(unused_variables)]
                pub(super) Tour<W>() -> String {
                    let a = plain {};
                    let stops: Vec<$item> = { vec![<$item>::default(); 2] };
                    let each = for stop in stops { visit { stop } };
                    let c = bare {};
                    c
                }
            }

            pub(super) fn sagas(builder: CoordinatorBuilder<W>) -> CoordinatorBuilder<W> {
                builder.saga::<Order>().saga::<Visit>().saga::<Tour>()
            }
        }
    };
}

version!(old, u32, 5, u32, u32);
version!(new, String, "5".to_string(), String, String);

/// A world with a saga of the old program, which is killed while `c` is in flight.
macro_rules! left_by_the_old {
    ($saga:expr) => {{
        let x = Fixture::new(&[("c", &[Do::Waits])], old::sagas);
        x.process.until(x.process.sec.saga($saga).id("x").start()).unwrap();
        x.process.until(x.world.hears("do c", 1));
        x
    }};
}

fn restart(x: &mut Fixture, sagas: world::Sagas) {
    x.process = Process::start(&x.world, &x.store, sagas);
    x.operator = x.process.sec.operator("alice");
}

fn parked(x: &Fixture) -> String {
    let Err(SagaError::Parked { reason, .. }) = end(x) else { panic!("parked") };
    reason
}

fn stuck(x: &Fixture) -> SagaReport {
    match end(x) {
        Err(SagaError::Stuck(report)) => *report,
        other => panic!("stuck, not {other:?}"),
    }
}

fn remain(report: &SagaReport) -> Vec<String> {
    report.remaining_effects().map(ToString::to_string).collect()
}

#[test]
fn a_saga_with_an_unreadable_value_is_parked_with_the_reason() {
    let mut x = left_by_the_old!(old::Order {});
    restart(&mut x, new::sagas);
    let reason = parked(&x);
    let start = "this program cannot read the output of node `price`: ";
    assert!(reason.starts_with(start) && reason.contains("expected a string"), "{reason}");
    let waits = ListFilter { parked: Some(true), ..ListFilter::default() };
    let waits = x.process.until(x.process.sec.list(waits)).unwrap();
    assert_eq!(waits.iter().map(|saga| saga.id.as_str()).collect::<Vec<_>>(), ["x"]);
    assert_eq!(waits[0].parked_reason.as_ref(), Some(&reason));
    assert_eq!(x.kinds().last(), Some(&"parked"));
    // it does not go on with a value that is not there
    let why = refusal(x.process.until(x.operator.unpark("x")));
    assert!(matches!(why, Refusal::Unreadable { .. }), "{why}");
    assert!(why.to_string().starts_with(start), "{why}");
    assert_eq!(x.world.count("do c"), 1);

    // the program that can read it goes on with it
    restart(&mut x, old::sagas);
    assert_eq!(parked(&x), reason);
    x.process.until(x.operator.unpark("x")).unwrap();
    assert_eq!(end(&x).unwrap(), "c");
}

#[test]
fn the_facts_say_which_output_cannot_be_read_and_why() {
    let mut x = left_by_the_old!(old::Tour {});
    restart(&mut x, new::sagas);
    parked(&x);
    let facts = x.process.until(x.operator.inspect("x")).unwrap();
    let unreadable = facts.nodes.iter().filter_map(|node| {
        let why = node.unreadable.as_ref()?;
        assert!(why.contains("expected a string"), "{why}");
        Some(node.node.as_str())
    });
    assert_eq!(unreadable.collect::<Vec<_>>(), ["stops"]);
    // only the program can tell
    let outside = Operator::attach(x.store.clone(), "bob", Duration::ZERO);
    let facts = x.process.until(outside.inspect("x")).unwrap();
    assert!(facts.nodes.iter().all(|node| node.unreadable.is_none()));
    // and one that reads them all has nothing to say
    restart(&mut x, old::sagas);
    let facts = x.process.until(x.operator.inspect("x")).unwrap();
    assert!(facts.nodes.iter().all(|node| node.unreadable.is_none()));
}

#[test]
fn an_unreadable_saga_is_undone_where_possible_and_the_rest_is_listed() {
    let mut x = left_by_the_old!(old::Order {});
    restart(&mut x, new::sagas);
    parked(&x);
    // a process that dies meanwhile changes nothing about it
    x.world.script("undo b", [Do::Waits]);
    assert_eq!(x.process.until(x.operator.cancel("x", "nobody reads it")).unwrap(), Answer::Done);
    x.process.until(x.world.hears("undo b", 1));
    restart(&mut x, new::sagas);

    let report = stuck(&x);
    assert_eq!(remain(&report), ["a", "price"]);
    let undo = report.nodes.iter().find(|node| node.node == "price").unwrap();
    let why = undo.undo_error.as_ref().unwrap().to_string();
    assert!(why.contains("expected a string"), "{why}");
    assert_eq!(x.world.effects(), ["a", "price"]);
    // the undo was never called, as it has no output to be called with
    assert_eq!(x.world.count("undo price"), 0);

    // somebody takes care of it by hand
    x.process.until(x.operator.resolve("x", "price", "by hand")).unwrap();
    assert!(matches!(end(&x), Err(SagaError::RolledBack(_))));
    assert_eq!(x.world.effects(), ["price"]);
}

#[test]
fn a_program_that_can_read_the_value_again_undoes_it_after_all() {
    let mut x = left_by_the_old!(old::Order {});
    restart(&mut x, new::sagas);
    x.process.until(x.operator.cancel("x", "nobody reads it")).unwrap();
    stuck(&x);
    restart(&mut x, old::sagas);
    x.process.until(x.operator.retry_all("x")).unwrap();
    assert!(matches!(end(&x), Err(SagaError::RolledBack(_))));
    assert!(x.world.effects().is_empty());
}

#[test]
fn an_operator_can_supply_an_unreadable_value() {
    let mut x = left_by_the_old!(old::Order {});
    restart(&mut x, new::sagas);
    parked(&x);
    let say = |x: &Fixture, node: &str, output: serde_json::Value| {
        let decided = x.operator.decide("x", node, Decision::Succeeded(output), "converted");
        x.process.until(decided)
    };
    let wrong = refusal(say(&x, "price", 5.into()));
    assert!(wrong.to_string().contains("not an output of node `price`"), "{wrong}");
    // what can be read stays what it is
    let wrong = refusal(say(&x, "b", "other".into()));
    assert!(matches!(wrong, Refusal::NotInDoubt { .. }), "{wrong}");
    let failed = x.operator.decide("x", "price", Decision::Failed, "no");
    assert!(matches!(refusal(x.process.until(failed)), Refusal::NotInDoubt { .. }));

    assert_eq!(say(&x, "price", "5".into()).unwrap(), Answer::Done);
    let Err(SagaError::Parked { .. }) = end(&x) else { panic!("still parked") };
    restart(&mut x, new::sagas);
    // the undo gets it as well
    x.world.script("c", [Do::Fails]);
    assert_eq!(x.process.until(x.operator.unpark("x")).unwrap(), Answer::Done);
    assert!(matches!(end(&x), Err(SagaError::RolledBack(_))));
    assert_eq!(x.world.count("undo price"), 1);
    assert!(x.world.effects().is_empty());
}

#[test]
fn a_saga_with_unreadable_parameters_is_parked() {
    let mut x = left_by_the_old!(old::Visit { guest: 7 });
    restart(&mut x, new::sagas);
    let reason = parked(&x);
    assert!(reason.starts_with("this program cannot read the saga's parameters: "), "{reason}");
    x.process.until(x.operator.cancel("x", "nobody reads it")).unwrap();
    assert_eq!(remain(&stuck(&x)), ["a"]);
}

#[test]
fn instances_over_an_unreadable_list_are_listed() {
    let mut x = left_by_the_old!(old::Tour {});
    restart(&mut x, new::sagas);
    let reason = parked(&x);
    assert!(reason.contains("the output of node `stops`: "), "{reason}");
    x.process.until(x.operator.cancel("x", "nobody reads it")).unwrap();
    assert_eq!(remain(&stuck(&x)), ["a", "each[0]", "each[1]"]);
    restart(&mut x, old::sagas);
    x.process.until(x.operator.retry_all("x")).unwrap();
    assert!(matches!(end(&x), Err(SagaError::RolledBack(_))));
    assert!(x.world.effects().is_empty());
}

#[test]
fn a_completed_saga_with_an_unreadable_value_still_gives_its_output() {
    let mut x = Fixture::new(&[], old::sagas);
    x.process.until(x.process.sec.saga(old::Order {}).id("x").start()).unwrap();
    end(&x).unwrap();
    restart(&mut x, new::sagas);
    assert_eq!(end(&x).unwrap(), "c");
    // and what can be undone of it is
    x.process.until(x.operator.rollback("x", "destroy")).unwrap();
    assert_eq!(remain(&stuck(&x)), ["a", "price"]);
}

/// Reads itself unless it is told not to.
#[derive(Clone, Serialize)]
struct Moody(u32);

static IN_A_MOOD: AtomicBool = AtomicBool::new(false);

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let read = u32::deserialize(reader)?;
        assert!(!IN_A_MOOD.load(SeqCst), "not today");
        Ok(Self(read))
    }
}

#[saga_action(no_undo)]
async fn moody() -> Result<Moody, String> {
    Ok(Moody(3))
}

saga! {
    #[allow(unused_variables)]
    Mood<W>() -> u32 {
        let a = plain {};
        let mood = moody {};
        let c = bare {};
        { mood.0 }
    }
}

#[test]
fn a_value_that_panics_when_it_is_read_parks_its_saga() {
    let sagas: world::Sagas = |builder| builder.saga::<Mood>();
    let mut x = Fixture::new(&[("c", &[Do::Waits])], sagas);
    x.process.until(x.process.sec.saga(Mood {}).id("x").start()).unwrap();
    x.process.until(x.world.hears("do c", 1));
    IN_A_MOOD.store(true, SeqCst);
    x.kill_and_restart();
    let reason = parked(&x);
    assert!(reason.contains("the output of node `mood`: panicked: not today"), "{reason}");
    // nor can anybody say what it is
    let decided = x.operator.decide("x", "mood", Decision::Succeeded(3.into()), "looked");
    let why = refusal(x.process.until(decided));
    assert!(why.to_string().contains("panicked: not today"), "{why}");
    IN_A_MOOD.store(false, SeqCst);
    x.process.until(x.operator.unpark("x")).unwrap();
    assert_eq!(end(&x).unwrap(), 3);
}
