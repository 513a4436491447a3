//! The seeds of the corpus: valid inputs, written by the library itself.

use std::fs;

use saga_core::action::UndoContract;
use saga_core::executor::SagaSnapshot;
use saga_core::log::{
    Cause, EarlierAttempts, Entry, Failure, FailureKind, KeptKey, Migrated, NodeEntry, Payload,
    Resolution, SagaEntry, Timestamp, TryFailure, Uuid,
};
use saga_core::operator::{Answer, Command, Decision, Fault, Refusal, Request};
use saga_core::store::{FileStore, Store};
use saga_core::{ActionState, Retry, SagaStatus};
use serde::Serialize;

use crate::targets::{KindJson, PlanJson, SAGA, TARGETS, Target, example, write_saga};

type Named = Vec<(String, Vec<u8>)>;

/// Returns the seeds of each target, with their names.
///
/// # Errors
/// Returns errors of the file system, as text.
pub fn seeds() -> Result<Vec<(&'static Target, Named)>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let files = runtime.map(|runtime| runtime.block_on(files()));
    let files = files.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    let Files { files, stored, dag, states } = files;
    let of = |target: &'static Target| {
        let seeds = match target.name {
            "entry" => entries(),
            "log" => logs(),
            "dag" => vec![("whole".to_string(), dag.clone())],
            "stored" => vec![("whole".to_string(), stored.clone())],
            "file" => files.clone(),
            "id" => ids(),
            "state" => states.clone(),
            "request" => requests(),
            other => unreachable!("target {other} has no seeds"),
        };
        (target, seeds)
    };
    Ok(TARGETS.iter().map(of).collect())
}

struct Files {
    /// The log files of a store.
    files: Named,
    /// One of its sagas, as a DAG and entries.
    stored: Vec<u8>,
    dag: Vec<u8>,
    /// Snapshots of all of its sagas.
    states: Named,
}

async fn files() -> Result<Files, saga_core::BoxError> {
    let directory = tempfile::tempdir()?;
    let (mut files, mut states, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    for end in [false, true] {
        let at = directory.path().join(end.to_string());
        write_saga(&at, SAGA, end).await?;
        let name = if end { "ended" } else { "interrupted" };
        files.push((name.to_string(), fs::read(at.join(format!("saga-{SAGA}.jsonl")))?));
        let stored = FileStore::open(&at)?.load(&SAGA.parse()?).await?.ok_or("not stored")?;
        states.push((name.to_string(), json(&SagaSnapshot::from(&stored))));
        lines = vec![stored.record.dag.as_bytes().to_vec()];
        lines.extend(stored.entries.iter().map(json));
    }
    let dag = lines.first().cloned().unwrap_or_default();
    Ok(Files { files, stored: lines.join(&b'\n'), dag, states })
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn commands() -> Vec<Command> {
    let node = || "a".into();
    vec![
        Command::Cancel { reason: "r".into() },
        Command::Pause,
        Command::Resume,
        Command::Step,
        Command::RetryUndo { node: node() },
        Command::RetryAll,
        Command::Resolve { node: node(), note: "n".into() },
        Command::Rollback { reason: "r".into() },
        Command::Retry { node: node() },
        Command::Decide { node: node(), decision: Decision::Failed, note: "n".into() },
        Command::Unpark,
        Command::Inject { node: node(), fault: Fault::Repeat(3) },
    ]
}

fn requests() -> Named {
    let one = |(i, command): (usize, Command)| {
        let id = Uuid::from_u128(i as u128 + 1);
        let name = command.name().to_string();
        let at = Timestamp(i as u64);
        let request = Request { id, saga: saga(), command, by: "bob".into(), at };
        (name, json(&request))
    };
    let mut requests = commands().into_iter().enumerate().map(one).collect::<Vec<_>>();
    let status = SagaStatus::Stuck;
    let refusal = Refusal::UndoNotFailed { node: "a".into(), state: ActionState::Undone };
    let answers = [Answer::Done, Answer::NothingToDo { status }, Answer::Refused(refusal)];
    let answers = answers.iter().enumerate();
    requests.extend(answers.map(|(i, answer)| (format!("answer-{i}"), json(answer))));
    requests
}

fn saga() -> saga_core::SagaId {
    SAGA.parse().expect("an id")
}

fn entries() -> Named {
    let failure = || Failure::new(FailureKind::Failed, "no");
    let (id, at) = (Uuid::from_u128(7), Timestamp(1_700_000_000_000));
    let mut kinds = vec![
        SagaEntry::Created { run_key: id, traceparent: None, starts_at: None }.into(),
        NodeEntry::Started.about("a", 1),
        NodeEntry::Succeeded(Payload::from(&b"{\"a\":[1,2.5]}"[..])).about("a", 1),
        NodeEntry::Failed(failure().into()).about("a", 1),
        NodeEntry::InDoubt(Failure { sources: vec!["why".into()], ..failure() }.into())
            .about("a", 1),
        NodeEntry::NotDone.about("a", 1),
        NodeEntry::RetryScheduled { at }.about("a", 1),
        NodeEntry::Chosen(3).about("a", 1),
        NodeEntry::ScopeUnwinding(TryFailure { node: "a#0".into(), failure: failure() }.into())
            .about("a", 0),
        NodeEntry::UndoRetryScheduled { at, failure: failure().into() }.about("a", 1),
        SagaEntry::Unwinding(Cause::Failed { node: "a".into() }).into(),
        NodeEntry::Resolved(Resolution { by: "bob".into(), note: "n".into() }.into()).about("a", 1),
        SagaEntry::Parked { reason: "r".into() }.into(),
        SagaEntry::Refused { id, why: Refusal::NotPaused.into() }.into(),
        SagaEntry::Injected { at: "a".into(), fault: Fault::Error }.into(),
        SagaEntry::Migrated(Box::new(Migrated {
            from: 1,
            to: 2,
            left: "f".into(),
            keys: [("a".parse().unwrap(), "b".to_string())].into(),
            retold: 1,
            earlier: [(
                "a[1]/b".into(),
                EarlierAttempts { attempts: 3, uncounted: 1, generation: 2 },
            )]
            .into(),
            steps: 2,
            kept: vec!["c[1]".into()],
            kept_keys: vec![KeptKey { name: "c[1]".into(), generation: 2 }],
        }))
        .into(),
        SagaEntry::Ended(SagaStatus::Stuck).into(),
    ];
    let asked = |command: Command| {
        SagaEntry::Requested { id, by: "bob".into(), command: command.into() }.into()
    };
    kinds.extend(commands().into_iter().map(asked));
    kinds.push(SagaEntry::Suspected { crashes: 2, alone: true }.into());
    let mut seeds = Vec::new();
    for (i, kind) in kinds.into_iter().enumerate() {
        let mut words = [kind.name().as_bytes(), b"\n"].concat();
        words.extend(kind.encode().iter().flat_map(|payload| payload.as_bytes()));
        let name = format!("{i:02}-{}", kind.name());
        seeds.push((format!("{name}-words"), words));
        let entry = Entry { seq: 1, epoch: 1, at, kind };
        seeds.push((name, json(&entry)));
    }
    seeds
}

fn logs() -> Named {
    let action = |undo| {
        let undo_on_failure = undo == UndoContract::InputsOnly;
        KindJson::Action { undo, undo_on_failure, retry: Retry::up_to(3) }
    };
    let flat = |nodes, edges: &[(u32, u32)]| PlanJson { nodes, edges: edges.to_vec(), pivot: None };
    let four = || {
        use UndoContract::{InputsOnly, MaybeOutput, None, Output};
        [Output, MaybeOutput, InputsOnly, None].map(action).into_iter().collect::<Vec<_>>()
    };
    let nested = || {
        let each = KindJson::ForEach { body: flat(four(), &[(0, 1)]), concurrency: Some(2) };
        let sub = KindJson::Subsaga(flat(four(), &[(0, 3), (1, 2)]));
        let choose = KindJson::Choose(vec![flat(four(), &[]), flat(vec![each], &[])]);
        vec![
            action(UndoContract::Output),
            sub,
            choose,
            KindJson::Value,
            action(UndoContract::Output),
        ]
    };
    let plans = [
        flat(four(), &[(0, 1), (0, 2), (1, 3), (2, 3)]),
        flat(nested(), &[(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]),
        PlanJson { pivot: Some(4), ..flat(nested(), &[]) },
    ];
    let mut seeds = Vec::new();
    for (i, plan) in plans.iter().enumerate() {
        for seed in 0..4 {
            let log = example(plan, seed).unwrap_or_default();
            seeds.push((format!("{i}-{seed}"), log));
        }
    }
    seeds
}

fn ids() -> Named {
    let ids = ["", "order-42", "../../etc/passwd", "a\nb", "a\0b", "\u{202e}x", "größe", "a b"];
    let ids = ids.map(str::to_string).into_iter().chain(["x".repeat(129)]);
    ids.enumerate().map(|(i, id)| (i.to_string(), id.into_bytes())).collect()
}
