//! A log filtered by level contains no spans, so every warning and error names its saga itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::UndoError;
use saga_core::operator::Operator;
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// All warnings and errors, each as its fields. It knows of no spans.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<BTreeMap<&'static str, String>>>>);

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_string());
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("saga_core")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[saga_action(undo = give_back())]
async fn take() -> Result<(), String> {
    Ok(())
}
async fn give_back() -> Result<(), UndoError> {
    Err(UndoError::permanent("it is kept"))
}

#[saga_action(no_undo)]
async fn fail() -> Result<(), String> {
    Err("out of order".into())
}

#[saga_action(no_undo, timeout = "1s")]
async fn hang() -> Result<(), String> {
    std::future::pending().await
}

#[saga_action(no_undo, retry(forever))]
async fn deliver() -> Result<(), String> {
    tokio::time::sleep(Duration::from_secs(7200)).await;
    Ok(())
}

/// As one that calls a library that knows nothing of async.
#[saga_action(no_undo)]
async fn block() -> Result<(), String> {
    std::thread::sleep(Duration::from_millis(1_100));
    Ok(())
}

saga! {
    Blocks<()>() { block {}; }
    /// Its undo fails.
    KeepsIt<()>() { take {}; fail {}; }
    /// Nobody knows whether its pivot took effect.
    InDoubt<()>() {
        #[pivot]
        #[retry(max = 1)]
        hang {};
    }
    /// It is late, and cannot go back.
    Late<()>() {
        #[pivot]
        take {};
        deliver {};
    }
    /// A saga that the next process does not know.
    Elsewhere<()>() { hang {}; }
}

#[tokio::test(start_paused = true)]
async fn each_warning_names_its_saga() {
    let warnings = Warnings::default();
    let _traced = tracing::subscriber::set_default(warnings.clone());
    let store = MemoryStore::new();

    let elsewhere = Coordinator::builder(()).store(store.clone()).saga::<Elsewhere>();
    let elsewhere = elsewhere.build().await.unwrap();
    elsewhere.saga(Elsewhere {}).id("elsewhere").start().await.unwrap();
    elsewhere.shutdown(Duration::ZERO).await.unwrap();

    let sec = Coordinator::builder(()).store(store.clone());
    let sec = sec
        .saga::<Blocks>()
        .saga::<KeepsIt>()
        .saga::<InDoubt>()
        .saga::<Late>()
        .build()
        .await
        .unwrap();
    let keeps_it = sec.saga(KeepsIt {}).id("keeps-it").start().await.unwrap();
    assert!(matches!(keeps_it.await, Err(SagaError::Stuck(_))));
    sec.saga(Blocks {}).id("blocks").start().await.unwrap().await.unwrap();
    let in_doubt = sec.saga(InDoubt {}).id("in-doubt").start().await.unwrap();
    assert!(matches!(in_doubt.await, Err(SagaError::Parked { .. })));
    let hour = Duration::from_secs(3600);
    sec.saga(Late {}).id("late").deadline(hour).start().await.unwrap().await.unwrap();
    let bob = Operator::attach(store, "bob", Duration::from_secs(1));
    bob.pause("elsewhere").await.unwrap_err();

    let warnings = warnings.0.lock().unwrap().clone();
    let unknown = warnings.iter().filter(|w| w["message"].contains("not registered here, so"));
    assert_eq!(unknown.count(), 1, "{warnings:#?}");
    for warning in &warnings {
        if warning["message"].contains("is not registered here, so this program does not run them")
        {
            let said = ["saga", "unfinished"].map(|field| warning[field].as_str());
            assert_eq!(said, ["Elsewhere", "1"], "{warning:#?}");
            continue;
        }
        let (id, saga) = (warning.get("id"), warning.get("saga"));
        let named = match id.map(String::as_str) {
            Some("blocks") => "Blocks",
            Some("keeps-it") => "KeepsIt",
            Some("in-doubt") => "InDoubt",
            Some("late") => "Late",
            Some("elsewhere") => "Elsewhere",
            _ => panic!("it is about no saga: {warning:#?}"),
        };
        assert_eq!(saga.map(String::as_str), Some(named), "{warning:#?}");
    }
    let said = |id: &str, message: &str| {
        let found = warnings
            .iter()
            .find(|w| w.get("id").is_some_and(|it| it == id) && w["message"].contains(message));
        assert!(found.is_some(), "no {message:?} of {id} in {warnings:#?}");
    };
    said("blocks", "a call blocked its thread");
    said("keeps-it", "undo_failed");
    said("keeps-it", "ended");
    said("in-doubt", "parked");
    said("late", "the deadline has passed");
    said("elsewhere", "a request waits");
}

/// Files whose warnings are about no saga, or about many.
const ABOUT_NO_SAGA: &[&str] = &[
    "coordinator/shared_store.rs",
    "coordinator/versions.rs",
    "store/postgres/connection.rs",
    "store/sqlite/sqlite_version.rs",
];

/// Also those that no test causes.
#[test]
fn each_warning_in_the_source_names_its_saga() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("saga-core/src");
    let (mut found, mut directories) = (0, vec![source.clone()]);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            found += check(&source, &path);
        }
    }
    assert!(found >= 4, "{found} warnings were found");
}

/// How many warnings there are in a file.
fn check(source: &Path, path: &PathBuf) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.strip_prefix(source).unwrap().to_string_lossy().replace('\\', "/");
    if ABOUT_NO_SAGA.contains(&name.as_str()) {
        return 0;
    }
    let calls = ["warn!(", "error!("].into_iter().flat_map(|call| text.split(call).skip(1));
    let calls = calls.map(|rest| rest.split(");").next().unwrap_or_default());
    let calls = calls.inspect(|call| {
        let words = call.split(|c: char| !c.is_alphanumeric() && c != '_').collect::<Vec<_>>();
        let (id, saga) = (words.contains(&"id"), words.contains(&"saga"));
        assert!(id && saga, "{name}: a warning without `id` and `saga`: {call}");
    });
    calls.count()
}
