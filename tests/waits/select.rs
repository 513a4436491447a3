//! `select`: the first of several events and times decides what runs.

use crate::common::lab::{cut, stored};
use crate::{Approved, Failed, HOUR, Wire, approved};
use saga_core::dag::{Dag, DagBuilder, DagError};
use saga_core::operator::Answer;
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_core::typed::SagaOutput;
use saga_core::{Saga, SagaStatus};
use serde::{Deserialize, Serialize};

#[saga_action(undo = forget(output))]
async fn note(text: &str) -> Result<String, String> {
    if text == "Eve" { Err("not from Eve".to_string()) } else { Ok(format!("noted {text}")) }
}

async fn forget(_text: &String) -> Result<(), String> {
    Ok(())
}

saga! {
    #[derive(Clone)]
    Claim<()>(hours: u32) -> String {
        let begun = note { text: "begun" };
        let done = select {
            approved = wait_for::<Approved> {} => {
                let seen = note { text: &approved.by };
                { format!("{begun}, {seen} for {}", approved.by) }
            }
            Wire { cents } = wait_for::<Wire> {} => note { text: &cents.to_string() },
            _ = sleep { duration: HOUR * *hours } => note { text: "escalated" },
        };
        done
    }

    Last<()>(hours: u32) -> u64 {
        select {
            wire = wait_for::<Wire> {} => { { wire.cents } }
            _ = sleep { duration: HOUR * *hours } => { { 0 } }
        }
    }

    /// Each instance of the `for` has a race of its own, and the loser of one is there for the next.
    Each<()>(names: Vec<String>) -> Vec<String> {
        for name in names {
            select {
                approved = wait_for::<Approved> {} => { { format!("{name} by {}", approved.by) } }
                wire = wait_for::<Wire> {} => { { format!("{name} for {}", wire.cents) } }
            }
        }
    }

    Effect<()>() {
        select {
            _ = wait_for::<Approved> {} => { note { text: "yes" }; }
            _ = sleep { duration: HOUR } => {}
        }
    }
}

/// `Claim` by hand.
#[derive(Serialize, Deserialize)]
struct ByHand {
    hours: u32,
}

impl Saga for ByHand {
    type Context = ();
    type Output = String;
    const NAME: &'static str = "Claim";

    fn define(dag: &mut DagBuilder<()>) -> SagaOutput<String> {
        let hours = dag.param("hours", |saga: &Self| &saga.hours);
        let begun = dag.step("begun", &[], |cx| cx.call(note { text: "begun" }));
        let done = dag.select("done", |select| {
            select.arm(
                &[],
                |cx| cx.race(wait_for::<Approved>::new()),
                |dag, approved| {
                    let seen = dag.step("seen", &[("text", &[approved.id()])], move |cx| {
                        cx.call(note { text: &approved.get(cx).by })
                    });
                    let from: &[_] = &[
                        ("begun", &[begun.id()] as &[_]),
                        ("seen", &[seen.id()]),
                        ("approved", &[approved.id()]),
                    ];
                    let output = dag.value("output", from, move |cx| {
                        let (begun, seen) = (begun.get(cx), seen.get(cx));
                        cx.value(format!("{begun}, {seen} for {}", approved.get(cx).by))
                    });
                    dag.ends_with(output)
                },
            );
            select.arm(
                &[],
                |cx| cx.race(wait_for::<Wire>::new()),
                |dag, wire| {
                    let note = dag.step("note", &[("text", &[wire.id()])], move |cx| {
                        cx.block(async move {
                            cx.call(note { text: &wire.get(cx).cents.to_string() }).await
                        })
                    });
                    dag.ends_with(note)
                },
            );
            select.arm(
                &[("duration", &[hours.id()])],
                move |cx| cx.race(sleep { duration: HOUR * *hours.get(cx) }),
                |dag, _| {
                    let note = dag.step("note", &[], |cx| cx.call(note { text: "escalated" }));
                    dag.ends_with(note)
                },
            );
        });
        dag.ends_with(done)
    }
}

async fn coordinator(store: MemoryStore) -> Result<Coordinator<()>, Failed> {
    let sec = Coordinator::builder(()).store(store).saga::<Claim>().saga::<Last>();
    Ok(sec.saga::<Each>().saga::<Effect>().build().await?)
}

#[test]
fn the_same_dag_by_macro_and_by_hand() -> Result<(), Failed> {
    let (by_macro, by_hand) = (Dag::of::<Claim>()?, Dag::of::<ByHand>()?);
    assert_eq!(by_macro.to_json(), by_hand.to_json());
    assert_eq!(by_macro.fingerprint(), by_hand.fingerprint());
    let names = by_macro.nodes().map(|node| node.name().to_string()).collect::<Vec<_>>();
    assert_eq!(names, ["begun", "done.wait", "done"]);
    Ok(())
}

#[tokio::test]
async fn the_event_that_comes_decides_what_runs() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let handle = sec.saga(Claim { hours: 1 }).id("a").start().await?;
    assert_eq!(sec.signal("a", approved("Ada")).await?, Answer::Done);
    let outcome = handle.outcome().await?;
    let done = "noted begun, noted Ada for Ada";
    assert_eq!(outcome.get(Claim::done).map(String::as_str), Some(done));
    let handle = sec.saga(Claim { hours: 1 }).id("w").start().await?;
    assert_eq!(sec.signal("w", Wire { cents: 7 }).await?, Answer::Done);
    assert_eq!(handle.await?, "noted 7");
    let log = sec.inspect("w").await?.ok_or("there is one")?.log.pretty();
    assert!(log.contains("waited done.wait") && log.contains("chosen done"), "{log}");
    let handle = sec.saga(Effect {}).id("e").start().await?;
    sec.signal("e", approved("Ada")).await?;
    handle.await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_time_decides_if_nothing_comes_before() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let begun = tokio::time::Instant::now();
    assert_eq!(sec.run(Claim { hours: 3 }).await?, "noted escalated");
    assert!(begun.elapsed() >= 3 * HOUR);
    assert_eq!(sec.run(Last { hours: 0 }).await?, 0);
    Ok(())
}

#[tokio::test]
async fn who_loses_a_race_is_kept_for_the_next_wait() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let names = ["x", "y"].map(str::to_string).to_vec();
    let handle = sec.saga(Each { names }).id("e").start().await?;
    sec.signal("e", Wire { cents: 5 }).await?;
    sec.signal("e", approved("Ada")).await?;
    assert_eq!(handle.await?, ["x for 5", "y by Ada"]);
    Ok(())
}

#[tokio::test]
async fn a_failure_in_the_arm_rolls_the_saga_back() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let handle = sec.saga(Claim { hours: 1 }).id("a").start().await?;
    sec.signal("a", approved("Eve")).await?;
    let outcome = handle.outcome().await?;
    assert_eq!(outcome.status(), SagaStatus::RolledBack);
    Ok(())
}

/// Between what came and the choice, between the choice and the body, and everywhere else.
#[tokio::test(start_paused = true)]
async fn a_crash_after_any_entry_changes_nothing() -> Result<(), Failed> {
    for event in [None, Some(7)] {
        let store = MemoryStore::new();
        let sec = coordinator(store.clone()).await?;
        let handle = sec.saga(Claim { hours: 2 }).id("c").start().await?;
        if let Some(cents) = event {
            sec.signal("c", Wire { cents }).await?;
        }
        let expected = handle.await?;
        let saga = stored(&store, "c").await.map_err(|error| error.to_string())?;
        for len in 1..saga.entries.len() {
            let store = cut(&saga, len).await.map_err(|error| error.to_string())?;
            let sec = coordinator(store.clone()).await?;
            if event.is_some() && !saga.entries[..len].iter().any(|e| e.kind.name() == "requested")
            {
                sec.signal("c", Wire { cents: 7 }).await?;
            }
            let handle = sec.get::<Claim>("c").await?.ok_or("there is one")?;
            assert_eq!(handle.await?, expected, "{event:?}, after entry {len}");
            let entries = stored(&store, "c").await.map_err(|error| error.to_string())?.entries;
            let waited = entries.iter().filter(|entry| entry.kind.name() == "waited").count();
            assert_eq!(waited, 1, "{event:?}, after entry {len}");
        }
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct TwoForOneEvent {}

impl Saga for TwoForOneEvent {
    type Context = ();
    type Output = ();
    const NAME: &'static str = "TwoForOneEvent";

    fn define(dag: &mut DagBuilder<()>) -> SagaOutput<()> {
        let done = dag.select("done", |select| {
            for _ in 0..2 {
                select.arm(&[], |cx| cx.race(wait_for::<Wire>::new()), |dag, _| dag.ends());
            }
        });
        dag.ends_with(done)
    }
}

#[derive(Serialize, Deserialize)]
struct OneArm {}

impl Saga for OneArm {
    type Context = ();
    type Output = ();
    const NAME: &'static str = "OneArm";

    fn define(dag: &mut DagBuilder<()>) -> SagaOutput<()> {
        let done = dag.select("done", |select| {
            select.arm(&[], |cx| cx.race(sleep { duration: HOUR }), |dag, _| dag.ends());
        });
        dag.ends_with(done)
    }
}

#[test]
fn what_is_no_race_is_refused() {
    let message = |dag: Result<_, DagError>| dag.err().map(|error| error.to_string());
    let twice = "node 'done' is no `select`: two of its arms wait for the same event, and only the first can \
                 get it";
    assert_eq!(message(Dag::of::<TwoForOneEvent>().map(drop)).as_deref(), Some(twice));
    let one =
        "node 'done' is no `select`: it needs at least two arms, and one wait is a step of its own";
    assert_eq!(message(Dag::of::<OneArm>().map(drop)).as_deref(), Some(one));
}
