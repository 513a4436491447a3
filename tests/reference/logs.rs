//! Rows: the saga log, its events, and the status that follows from them.

use saga_core::action::ActionRegistry;
use saga_core::executor::SagaExecutor;
use saga_core::log::{SagaLog, SagaNodeEvent, SagaNodeEventType, SagaNodeLoadStatus};
use saga_core::store::MemoryStore;
use saga_core::{Coordinator, SagaId};

use crate::journal::{Any, Journal, act, saga};

fn id() -> SagaId {
    "x".parse().unwrap()
}

#[test]
fn events_are_recorded_in_order_and_recovered_in_order() -> Result<(), Any> {
    use SagaNodeEventType::{Failed, Started, Succeeded, UndoFinished, UndoStarted};
    let mut log = SagaLog::new(id());
    let events = [
        ("A", Started),
        ("A", Succeeded(1.into())),
        ("B", Started),
        ("C", Started),
        ("B", Failed("no".into())),
        ("B", Started),
        ("B", Failed("never".into())),
    ];
    for (node, event) in events {
        log.record(SagaNodeEvent::new(node, event))?;
    }
    assert!(!log.is_unwinding());
    log.record(SagaNodeEvent::new("A", UndoStarted))?;
    assert!(log.is_unwinding());
    log.record(SagaNodeEvent::new("A", UndoFinished))?;
    let attempts = log.entries().iter().map(|entry| entry.attempt()).collect::<Vec<_>>();
    assert_eq!(attempts, [1, 1, 1, 1, 1, 2, 2, 1, 1]);
    let recovered = SagaLog::recover(id(), log.events())?;
    assert_eq!(recovered, log);
    assert_eq!(recovered.load_status("A"), SagaNodeLoadStatus::UndoFinished);
    assert_eq!(recovered.load_status("C"), SagaNodeLoadStatus::Started);
    assert_eq!(recovered.load_status("D"), SagaNodeLoadStatus::NeverStarted);
    let pretty = recovered.pretty();
    assert!(
        pretty.starts_with("saga id:   x\ndirection: unwinding\nentries:   9\n001 "),
        "{pretty}"
    );
    assert!(pretty.contains("failed B (attempt 2): never\n"), "{pretty}");
    Ok(())
}

#[test]
fn an_event_that_cannot_follow_is_refused_and_changes_nothing() -> Result<(), Any> {
    use SagaNodeEventType::{Failed, Started, Succeeded, UndoFailed, UndoFinished, UndoStarted};
    let all = || {
        let (no, one) = ("no".to_string(), 1.into());
        [Started, Succeeded(one), Failed(no.clone()), UndoStarted, UndoFinished, UndoFailed(no)]
    };
    // for each status: how to come there, and what may follow
    let ways: [(&[usize], [bool; 6]); 7] = [
        (&[], [true, true, true, false, false, false]),
        (&[0], [true, true, true, true, false, true]),
        // an operator has said what the output is, for one that could not be read
        (&[0, 1], [false, true, false, true, false, false]),
        (&[0, 2], [true, true, true, true, false, true]),
        (&[0, 1, 3], [true, false, false, true, true, true]),
        (&[0, 1, 3, 4], [false, false, false, false, false, false]),
        // an operator has the undo tried again, and the action is asked first whether it took effect
        (&[0, 1, 3, 5], [true, true, false, true, false, true]),
    ];
    for (way, legal) in ways {
        for (next, legal) in legal.into_iter().enumerate() {
            let mut log = SagaLog::new(id());
            for step in way {
                log.record(SagaNodeEvent::new("N", all()[*step].clone()))?;
            }
            let (before, status) = (log.clone(), log.load_status("N"));
            let event = all()[next].clone();
            let recorded = log.record(SagaNodeEvent::new("N", event.clone()));
            assert_eq!(recorded.is_ok(), legal, "{event} after {status}");
            if let Err(error) = recorded {
                let expected =
                    format!("illegal event {event} for current load status {status} of node `N`");
                assert_eq!(error.to_string(), expected);
                assert_eq!(log, before);
            }
        }
    }
    Ok(())
}

#[test]
fn a_long_log_is_recovered_quickly() -> Result<(), Any> {
    use SagaNodeEventType::{Started, Succeeded, UndoFinished, UndoStarted};
    const NODES: usize = 20_000;
    let began = std::time::Instant::now();
    let events = [Started, Succeeded(1.into()), UndoStarted, UndoFinished].into_iter();
    let events = events.flat_map(|event| {
        (0..NODES).map(move |n| SagaNodeEvent::new(format!("n{n}"), event.clone()))
    });
    let log = SagaLog::recover(id(), events)?;
    assert_eq!(log.entries().len(), 4 * NODES);
    assert_eq!(log.load_status("n19999"), SagaNodeLoadStatus::UndoFinished);
    // looking at all that was before for each event takes minutes
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    Ok(())
}

#[test]
fn stored_words_round_trip_and_an_unknown_one_is_named() -> Result<(), Any> {
    let words = [
        (SagaNodeLoadStatus::NeverStarted, "never_started"),
        (SagaNodeLoadStatus::Started, "started"),
        (SagaNodeLoadStatus::Succeeded, "succeeded"),
        (SagaNodeLoadStatus::Failed, "failed"),
        (SagaNodeLoadStatus::UndoStarted, "undo_started"),
        (SagaNodeLoadStatus::UndoFinished, "undo_finished"),
        (SagaNodeLoadStatus::UndoFailed, "undo_failed"),
    ];
    for (status, word) in words {
        assert_eq!(serde_json::to_value(status)?, word);
        assert_eq!(serde_json::from_value::<SagaNodeLoadStatus>(word.into())?, status);
        assert_eq!((status.to_string().as_str(), word.parse()), (word, Ok(status)));
    }
    let bogus = serde_json::from_str::<SagaNodeLoadStatus>("\"bogus\"").unwrap_err();
    assert!(bogus.to_string().starts_with("invalid SagaNodeLoadStatus: bogus"), "{bogus}");
    let secret = SagaNodeEvent::new("N", SagaNodeEventType::Succeeded("secret".into()));
    assert!(!format!("{secret:?}").contains("secret"));
    let json = serde_json::to_value(&secret)?;
    assert_eq!((&json["event"], &json["data"]), (&"succeeded".into(), &"secret".into()));
    assert_eq!(serde_json::from_value::<SagaNodeEvent>(json)?, secret);
    Ok(())
}

/// What a saga that ran has in its log is a legal history of its nodes, in the order in which it happened.
#[tokio::test]
async fn the_events_of_a_run_form_a_valid_log() -> Result<(), Any> {
    let journal = Journal::failing([("do D", 1), ("undo B", 1)]);
    let executor =
        SagaExecutor::new("x", saga("A | B | C | D")?, journal, MemoryStore::new()).await?;
    executor.execute().await.unwrap_err();
    executor.operator("alice").retry_undo("x", "B").await?;
    executor.rollback().await?;
    let log = executor.log().await?;
    assert!(log.is_unwinding());
    let events = log.events().collect::<Vec<_>>();
    let shown = events.iter().map(|e| format!("{} {}", e.event, e.node)).collect::<Vec<_>>();
    let expected = [
        "started A",
        "succeeded A",
        "started B",
        "succeeded B",
        "started C",
        "succeeded C",
        "started D",
        "failed D",
        "undo_started C",
        "undo_finished C",
        "undo_started B",
        "undo_failed B",
        "undo_started B",
        "undo_finished B",
        "undo_started A",
        "undo_finished A",
    ];
    assert_eq!(shown, expected);
    let recovered = SagaLog::recover(id(), events.clone())?;
    assert_eq!(recovered.events().collect::<Vec<_>>(), events);
    Ok(())
}

/// There is one machine and one log: who runs the saga makes no difference to either.
#[tokio::test]
async fn an_executor_writes_the_same_log_as_a_coordinator() -> Result<(), Any> {
    for fails in ["none", "do A", "do B", "do C", "do D", "do E"] {
        let (journal, other) = (Journal::failing([(fails, 1)]), Journal::failing([(fails, 1)]));
        let executor =
            SagaExecutor::new("x", saga("A | B C | D E")?, journal, MemoryStore::new()).await?;
        let by_executor = executor.execute().await.map_err(|e| e.to_string());

        let mut actions = ActionRegistry::new();
        actions.register(act()?)?;
        let builder = Coordinator::builder(other).actions(actions).max_concurrency(1);
        let sec = builder.build().await?;
        let handle = sec.saga_dag(saga("A | B C | D E")?).id("x").start().await?;
        // two last nodes: there is no one output
        let by_coordinator = handle.await.map_err(|e| e.to_string());
        assert_eq!(by_executor, by_coordinator, "{fails}");
        assert_eq!(by_executor.is_ok(), fails == "none");

        let view = sec.inspect("x").await?.ok_or("lost")?;
        let lines = |log: &SagaLog| {
            // all but the time, and the random id of the run
            let lines = log.pretty();
            let lines = lines.lines().map(|line| match line.split_once('Z') {
                Some((number, said)) => format!("{}{said}", &number[..3]),
                None => line.to_string(),
            });
            lines.collect::<Vec<_>>()
        };
        assert_eq!(lines(&executor.log().await?), lines(&view.log), "{fails}");
    }
    Ok(())
}
