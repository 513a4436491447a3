//! The cost of the machine: linear in nodes and edges, and constant in stack depth. Counted, not timed.

use std::collections::VecDeque;
use std::sync::Arc;

use saga_core::SagaStatus;
use saga_core::action::UndoContract::Output;
use saga_core::dag::{Plan, PlanKind};
use saga_core::log::{Entry, Timestamp, Uuid};
use saga_core::machine::{ActionResult, Config, Effect, Event, Finish, Machine};

use crate::simulation::bench::failure;
use crate::simulation::plans::{actions, chain, each, inline_action, node, plan};

struct Cost {
    total: u64,
    /// Of the most expensive event but the one that begins to unwind.
    event: u64,
    log: Vec<Entry>,
}

/// Runs a saga; the action `fails` does. The first call that goes out ends first.
fn cost(plan: &Arc<Plan>, width: u64, fails: Option<&str>) -> Cost {
    let mut machine = Machine::new(plan.clone(), Config::default(), 1);
    let mut events = VecDeque::from([Event::Created { run_key: Uuid::from_u128(1) }]);
    let (mut log, mut most) = (Vec::new(), 0);
    loop {
        let event = events.pop_front().unwrap();
        let (before, forward) = (machine.work(), machine.state().cause().is_none());
        let effects = machine.step(Timestamp(0), event);
        if machine.state().cause().is_none() == forward && !log.is_empty() {
            most = most.max(machine.work() - before);
        }
        for effect in effects {
            match effect {
                Effect::Append { entries: batch, .. } => {
                    log.extend(batch);
                    events.push_front(Event::Appended);
                }
                Effect::RunAction(call) => {
                    let path = machine.state().path(call.vertex);
                    let result = match fails {
                        Some(fails) if path == *fails => ActionResult::Failed(failure(false)),
                        _ => ActionResult::Ok(Default::default()),
                    };
                    events.push_back(Event::ActionDone { vertex: call.vertex, result });
                }
                Effect::RunUndo(call) => {
                    events.push_back(Event::UndoDone { vertex: call.vertex, result: Ok(()) });
                }
                Effect::Choose(vertex) => {
                    events.push_front(Event::Chosen { vertex, choice: Ok(width) });
                }
                Effect::Finish(Finish::Ended(status)) => {
                    let expected = if fails.is_some() {
                        SagaStatus::RolledBack
                    } else {
                        SagaStatus::Completed
                    };
                    assert_eq!(status, expected);
                    return Cost { total: machine.work(), event: most, log };
                }
                Effect::SignalCancel | Effect::SignalCancelOf(_) | Effect::WakeAt(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Twice the size costs twice as much, forward and back, and no single event costs more than `event`.
#[track_caller]
fn linear(make: impl Fn(u32) -> Arc<Plan>, n: u32, last: impl Fn(u32) -> String, event: u64) {
    let mut cost_before = None;
    for n in [n, 2 * n] {
        let plan = make(n);
        let there = cost(&plan, u64::from(n), None);
        let and_back = cost(&plan, u64::from(n), Some(&last(n)));
        for cost in [&there, &and_back] {
            assert!(cost.event <= event, "an event of {} at {n}", cost.event);
        }
        // coming back costs as much as there is
        let mut recovered =
            Machine::recover(plan, Config::default(), 2, &and_back.log[..and_back.log.len() - 1])
                .unwrap();
        recovered.step(Timestamp(0), Event::Recovered);
        let cost = [there.total, and_back.total, recovered.work()];
        if let Some(before) = cost_before.replace(cost) {
            for (before, now) in before.into_iter().zip(cost) {
                assert!(now <= 2 * before + 100, "{before} for {}, {now} for {n}", n / 2);
            }
        }
    }
}

/// In a thread with the smallest stack that a debug build can do with.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(128 * 1024);
    thread.spawn(test).unwrap().join().unwrap();
}

#[test]
fn a_chain_is_linear() {
    on_a_small_stack(|| {
        linear(|n| chain(actions(n, Output)), 10_000, |n| format!("n{}", n - 1), 8);
    });
}

#[test]
fn parallel_nodes_are_linear() {
    on_a_small_stack(|| linear(|n| plan(actions(n, Output), &[]), 1000, |_| "n0".into(), 8));
}

#[test]
fn layers_are_linear() {
    let layers = |n: u32| {
        let edges = (4..4 * n).flat_map(|b| (0..4).map(move |a| (b / 4 * 4 - 4 + a, b)));
        plan(actions(4 * n, Output), &edges.collect::<Vec<_>>())
    };
    on_a_small_stack(move || linear(layers, 40, |n| format!("n{}", 4 * n - 1), 24));
}

#[test]
fn a_ladder_is_linear() {
    // two rails, and rungs both ways: the number of paths doubles with each rung
    let ladder = |n: u32| {
        let edges = (0..n - 1).flat_map(|i| {
            let (a, b) = (2 * i, 2 * i + 1);
            [(a, a + 2), (a, b + 2), (b, a + 2), (b, b + 2)]
        });
        plan(actions(2 * n, Output), &edges.collect::<Vec<_>>())
    };
    on_a_small_stack(move || linear(ladder, 1000, |n| format!("n{}", 2 * n - 1), 16));
}

#[test]
fn a_wide_for_is_linear() {
    let wide = |_: u32| {
        let mut nodes = actions(1, Output);
        nodes.push(node("xs", each(inline_action(Output))));
        nodes.extend(actions(2, Output).split_off(1));
        chain(nodes)
    };
    // the event that opens its instances costs one for each
    on_a_small_stack(move || linear(wide, 2000, |_| "n1".into(), 3 * 4000));
}

#[test]
fn a_for_with_a_limit_is_linear() {
    let limited = |_: u32| {
        let body = chain(actions(3, Output));
        chain(vec![node("xs", PlanKind::ForEach { body, concurrency: Some(2) })])
    };
    on_a_small_stack(move || linear(limited, 1000, |n| format!("xs[{}]/n2", n - 1), 2 * 2000));
}

#[test]
fn deep_nesting_does_not_need_a_deep_stack() {
    on_a_small_stack(|| {
        let mut body = inline_action(Output);
        let depth = 300;
        for _ in 0..depth {
            body = plan(vec![node("s", PlanKind::Subsaga(body))], &[]);
        }
        let ran = cost(&body, 0, None);
        assert!(ran.total < 20 * depth, "{}", ran.total);
        let path = ran.log[1].node().cloned().unwrap();
        assert_eq!(path.as_str().split('/').count() as u64, depth);
    });
}
