//! Bad input gets a clear error that names the item, says what is wrong and what to do, and loses
//! nothing. Input that other tests cover is not repeated here.

use std::time::Duration;

use saga_core::action::{ActionFunc, ActionRegistry, RegistryError};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::operator::{Decision, OperateError, Refusal};
use saga_core::prelude::*;
use saga_core::store::{ListFilter, MemoryStore};
use saga_core::{BoxError, BuildError, Limits, Retry, SagaStatus, StartError, UndoError};
use serde_json::{Value, json};

type Any = BoxError;

#[saga_action(no_undo)]
async fn echo(what: &Value) -> Result<String, String> {
    Ok(what.to_string())
}
#[saga_action(no_undo)]
async fn wait() -> Result<u32, String> {
    std::future::pending().await
}

/// Says as much as it is told to, in its message and beside it.
#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{said}")]
struct Verbose {
    said: String,
}
#[saga_action(undo = complain_again(length), undo_on_failure)]
async fn complain(length: usize) -> Result<(), Verbose> {
    Err(Verbose { said: "ä".repeat(length) })
}
async fn complain_again(length: usize) -> Result<(), UndoError> {
    Err(UndoError::permanent(Verbose { said: "ä".repeat(length) }))
}

saga! { Complain<()>(length: usize) { complain { length: *length }; } }
saga! { Echo<()>(what: Value) -> String { echo { what } } }
saga! { Wait<()>() -> u32 { wait {} } }

mod elsewhere {
    use super::echo;
    use saga_core::prelude::*;
    use serde_json::Value;
    saga! { pub(super) Echo<()>(what: Value) -> String { let first = echo { what }; { first.clone() } } }
}

async fn sec(store: &MemoryStore) -> Result<Coordinator<()>, BuildError> {
    let builder = Coordinator::builder(()).store(store.clone()).abandon_after(Duration::ZERO);
    builder.saga::<Echo>().saga::<Wait>().build().await
}

#[tokio::test]
async fn an_odd_id_is_shown_escaped() -> Result<(), Any> {
    let store = MemoryStore::new();
    let sec = sec(&store).await?;
    let long = "x".repeat(129);
    for (id, expected) in [
        ("", "a saga id must not be empty"),
        (
            "../../etc/passwd",
            "saga id \"../../etc/passwd\" contains '/'; allowed are A-Z a-z 0-9 . _ : -",
        ),
        ("a\0b", "saga id \"a\\u{0}b\" contains '\\0'; allowed are A-Z a-z 0-9 . _ : -"),
        ("a\nb", "saga id \"a\\nb\" contains '\\n'; allowed are A-Z a-z 0-9 . _ : -"),
        (
            "\u{202e}x",
            "saga id \"\\u{202e}x\" contains '\\u{202e}'; allowed are A-Z a-z 0-9 . _ : -",
        ),
        ("größe", "saga id \"gr\\u{f6}\\u{df}e\" contains 'ö'; allowed are A-Z a-z 0-9 . _ : -"),
        (&long, "a saga id has at most 128 bytes, this one has 129"),
    ] {
        let start = sec.saga(Echo { what: json!(1) }).id(id).start().await;
        assert_eq!(start.err().ok_or("started")?.to_string(), expected);

        assert!(matches!(sec.get::<Value>(id).await, Err(StartError::InvalidId(_))));
        assert!(matches!(sec.inspect(id).await, Err(StartError::InvalidId(_))));
        let asked = sec.operator("bob").pause(id).await;
        assert!(matches!(asked, Err(OperateError::InvalidId(_))));
    }
    assert!(sec.list(ListFilter::default()).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn parameters_that_are_too_large_or_too_deep_start_nothing() -> Result<(), Any> {
    let store = MemoryStore::new();
    let sec = sec(&store).await?;
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    for (what, expected) in [
        (
            json!("x".repeat(20 << 20)),
            "the parameters of saga `Echo` cannot be stored: they have 20971531 bytes, more than the \
             limit of 4194304; raise `Limits::max_payload`",
        ),
        (
            deep.clone(),
            "the parameters of saga `Echo` cannot be stored: serialize failed: it is nested more than \
             127 levels deep",
        ),
    ] {
        let error = sec.run(Echo { what }).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    // those of a DAG are encoded when it gets them
    let mut dag = DagBuilder::<()>::new("Deep")?;
    dag.append(Node::constant("one", 1u64)?)?;
    let error = SagaDag::new(dag.build()?, &deep).err().ok_or("encoded")?;
    assert_eq!(error.to_string(), "serialize failed: it is nested more than 127 levels deep");
    assert!(sec.list(ListFilter::default()).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn an_error_over_the_limit_is_cut() -> Result<(), Any> {
    let limits = Limits::default().max_payload(1001);
    let sec = Coordinator::builder(()).limits(limits).saga::<Complain>().build().await?;
    for (length, whole) in [(450, true), (600, false), (3 << 20, false)] {
        let handle = sec.saga(Complain { length }).start().await?;
        let id = handle.id().to_string();
        let Err(SagaError::Stuck(report)) = handle.await else { return Err("not stuck".into()) };
        let error = report.error.ok_or("no error")?;
        let cut = error.to_string().ends_with("ää…");
        assert_eq!((cut, error.clone().convert::<Verbose>().is_ok()), (!whole, whole), "{length}");
        assert!(error.to_string().len() < 1100);
        let view = sec.inspect(&id).await?.ok_or("it is lost")?;
        assert!(format!("{:?}", view.log.entries()).len() < 10_000, "{length}: all of its log");
    }
    Ok(())
}

#[tokio::test]
async fn requests_that_come_too_late_are_refused() -> Result<(), Any> {
    let store = MemoryStore::new();
    let sec = sec(&store).await?;
    let past = std::time::SystemTime::UNIX_EPOCH;
    let start = sec.saga(Echo { what: json!(1) }).deadline_at(past).start().await;
    let expected = "saga `Echo` was given a deadline in the past; give it a later one";
    assert_eq!(start.err().ok_or("started")?.to_string(), expected);

    sec.saga(Echo { what: json!(1) }).id("x").start().await?.await?;
    let error = sec.operator("bob").cancel("x", "late").await.unwrap_err();
    assert_eq!(error.to_string(), "saga x: the saga has already ended: completed");
    let again = sec.get::<Echo>("x").await?.ok_or("it is lost")?.await?;
    assert_eq!(again, "1", "nothing was done to it");

    let handle = sec.saga(Wait {}).id("y").start().await?;
    sec.shutdown(Duration::ZERO).await?;
    assert!(matches!(handle.await, Err(SagaError::ShutDown { .. })));
    let late = sec.saga(Echo { what: json!(1) }).start().await;
    let expected = "the coordinator is shut down and starts no sagas; build another one";
    assert_eq!(late.err().ok_or("started")?.to_string(), expected);
    let error = sec.operator("bob").cancel("y", "late").await.unwrap_err();
    assert!(matches!(error, OperateError::ShutDown), "{error}");
    // a second shutdown has nothing to do
    assert_eq!(sec.shutdown(Duration::ZERO).await?.interrupted, []);
    Ok(())
}

#[tokio::test]
async fn names_that_are_taken_are_refused_with_both_places() -> Result<(), Any> {
    let builder = Coordinator::builder(()).saga::<Echo>().saga::<elsewhere::Echo>();
    let error = builder.build().await.err().ok_or("built")?;
    let BuildError::Registry(RegistryError::AlreadyRegistered { first, second, .. }) = &error
    else {
        return Err(error.into());
    };
    assert!(first != second && first.contains("tests/values/bad_input.rs:"), "{error}");
    let expected = format!(
        "two sagas are named `Echo`: {first} and {second}; give one of them another name, or, if they are versions of \
            one saga, register the old one with `CoordinatorBuilder::old_saga`"
    );
    assert_eq!(error.to_string(), expected);

    let act = || ActionFunc::<(), u32>::new_noop_undo("act", |_| async { Ok::<_, Any>(1) });
    let mut actions = ActionRegistry::new();
    actions.register(act()?)?;
    let error = actions.register(act()?).err().ok_or("registered")?.to_string();
    assert!(
        error.starts_with("two actions are named `act`: tests/values/bad_input.rs:"),
        "{error}"
    );
    assert_eq!(actions.names().count(), 1);
    Ok(())
}

#[tokio::test]
async fn an_invalid_name_is_shown_shortened_and_escaped() -> Result<(), Any> {
    let error = DagBuilder::<()>::new("x".repeat(1_000_000)).err().ok_or("a name")?.to_string();
    assert!(error.ends_with("xx\" is longer than 200 bytes"), "{}", error.len());
    assert!(error.len() < 300, "{}", error.len());
    let error = Node::<()>::constant("a\n[1]", 1u64).err().ok_or("a name")?.to_string();
    let expected = "node name \"a\\n[1]\" must not contain / [ ] # or control characters";
    assert_eq!(error, expected);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn extreme_durations_are_accepted() -> Result<(), Any> {
    let longest = Duration::MAX;
    let odd = [
        Retry::up_to(3).base(Duration::ZERO),
        Retry::up_to(3).base(Duration::ZERO).factor(f64::INFINITY),
        Retry::up_to(3).base(longest).cap(longest).factor(f64::MAX),
        Retry::up_to(3).base(Duration::from_nanos(1)).cap(longest).factor(1e300).jitter(f64::NAN),
        Retry::up_to(3).factor(f64::NAN).jitter(-1.0),
        Retry::up_to(0),
    ];
    for retry in odd {
        for tries in [0, 1, 2, 1000, u32::MAX] {
            for dice in [0, u64::MAX] {
                assert!(retry.delay_after(tries, dice) <= longest, "{retry:?}");
            }
        }
        let fails = |_| async { Err::<u32, Any>("no".into()) };
        let fails = ActionFunc::<(), u32>::new_noop_undo("fails", fails)?.retry(retry);
        let mut actions = ActionRegistry::new();
        let fails = actions.register(fails)?;
        let mut dag = DagBuilder::new("Waits")?;
        dag.append(Node::shared_action("a", fails)?)?;
        let sec = Coordinator::builder(()).actions(actions).build().await?;
        let handle = sec.saga_dag(SagaDag::new(dag.build()?, &())?).id("x").start().await?;
        let hour = Duration::from_secs(3600);
        if tokio::time::timeout(hour, handle.clone().into_future()).await.is_err() {
            // it waits for ages, and still hears
            sec.operator("bob").cancel("x", "too long").await?;
        }
        let end = tokio::time::timeout(hour, handle.into_future()).await?;
        assert!(matches!(end, Err(SagaError::RolledBack(_))), "{retry:?}: {end:?}");
    }
    // the same for how long an attempt, and all of it, may take
    let sec = sec(&MemoryStore::new()).await?;
    let too_far = sec.saga(Wait {}).deadline(longest).start().await;
    assert!(matches!(too_far, Err(StartError::DeadlineTooFar { .. })), "{too_far:?}");
    let longest = Duration::from_secs(99 * 365 * 24 * 3600);
    for deadline in [Duration::ZERO, longest] {
        let handle = sec.saga(Wait {}).deadline(deadline).start().await?;
        let id = handle.id().to_string();
        if deadline == longest {
            sec.operator("bob").cancel(&id, "too long").await?;
        }
        assert!(matches!(handle.await, Err(SagaError::RolledBack(_))));
    }
    Ok(())
}

#[tokio::test]
async fn a_decision_that_no_log_entry_can_hold_is_refused() -> Result<(), Any> {
    let store = MemoryStore::new();
    let lost = |_| async { Err::<Value, Any>("the answer is lost".into()) };
    let charge = ActionFunc::<(), Value>::new_noop_undo("charge", lost)?.in_doubt(|_| true);
    let mut actions = ActionRegistry::new();
    let charge = actions.register(charge)?;
    let mut dag = DagBuilder::new("Pay")?;
    dag.append(Node::shared_action("charge", charge)?.pivot())?;
    let dag = dag.build()?;
    let directory = tempfile::tempdir()?;
    let open = || SqliteStore::open(directory.path().join("sagas.db"));
    let sec = Coordinator::builder(()).store(open()?).actions(actions.clone()).build().await?;
    let parked = sec.saga_dag(SagaDag::new(dag, &())?).id("x").start().await?.await;
    assert!(matches!(parked, Err(SagaError::Parked { .. })), "{parked:?}");
    let deep = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let decide = async |levels: usize| {
        let decision = Decision::Succeeded(deep(levels));
        sec.operator("bob").decide("x", "charge", decision, "looked it up").await
    };
    for levels in [126, 127, 200] {
        let error = decide(levels).await.unwrap_err();
        assert!(
            matches!(&error, OperateError::Refused { refusal: Refusal::Invalid { .. }, .. }),
            "{error}"
        );
        // and the saga is as it was
        let view = sec.inspect("x").await?.ok_or("it is lost")?;
        assert_eq!(view.record.status, SagaStatus::Running);
    }
    let large = Decision::Succeeded(json!("x".repeat(5 << 20)));
    let error = sec.operator("bob").decide("x", "charge", large, "looked it up").await.unwrap_err();
    let expected = "saga x: the output of node `charge` has 5242882 bytes, more than the limit of \
                    4194304; raise `Limits::max_payload`";
    assert_eq!(error.to_string(), expected);
    decide(60).await?;
    assert_eq!(sec.get::<Value>("x").await?.ok_or("it is lost")?.await?, deep(60));
    sec.shutdown(Duration::ZERO).await?;
    drop((sec, store));
    let sec = Coordinator::builder(()).store(open()?).actions(actions).build().await?;
    assert_eq!(sec.get::<Value>("x").await?.ok_or("it is lost")?.await?, deep(60));
    Ok(())
}
