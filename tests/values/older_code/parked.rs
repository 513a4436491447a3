//! A stored value that this program cannot read parks its saga, wherever the value is. Nothing is called and
//! nothing is undone, and the saga goes on once a program can read the value.

use std::collections::BTreeMap;
use std::time::Duration;

use saga_core::StartError;
use saga_core::operator::{OperateError, Refusal};
use saga_core::prelude::*;
use saga_core::store::{FileStore, ListFilter, MemoryStore, SqliteStore, Store};

use super::versions::{Hotel, v1, v2, v3};

/// The sagas that the first version starts: their ids, what cannot be read, and where in it.
const SAGAS: [(&str, &str, &str); 15] = [
    ("params", "the saga's parameters", "quote.rooms[0]"),
    ("later-action", "the output of node `quote`", "rooms[0]"),
    ("its-undo", "the output of node `_stay`", "rooms[0]"),
    ("nobody", "the output of node `_quote`", "rooms[0]"),
    ("output", "the output of node `quote`", "rooms[0]"),
    ("in-subsaga", "the output of node `inner/quote`", "rooms[0]"),
    ("in-for", "the output of node `quotes[0]`", "rooms[0]"),
    ("in-if", "the output of node `quote#0`", "rooms[0]"),
    ("condition", "the output of node `quote`", "rooms[0]"),
    ("computing", "the output of node `quote`", "rooms[0]"),
    ("computed", "the output of node `quote`", "rooms[0]"),
    ("items", "the output of node `rooms`", "[0]"),
    ("inner-params", "the output of node `quote`", "rooms[0]"),
    ("past-pivot", "the output of node `quote`", "rooms[0]"),
    ("going-back", "the output of node `_stay`", "rooms[0]"),
];

/// How they end once they can be read.
const PAID: [(&str, u64); 11] = [
    ("params", 8484),
    ("later-action", 8484),
    ("in-subsaga", 8484),
    ("in-for", 16968),
    ("in-if", 8484),
    ("condition", 8484),
    ("computing", 8485),
    ("computed", 8484),
    ("items", 8484),
    ("inner-params", 8484),
    ("past-pivot", 8484),
];

/// Unfinished sagas of the first version.
async fn left_behind(store: impl Store) {
    let hotel = Hotel::new(false);
    let sec = v1::build(&hotel, store).await;
    macro_rules! start {
        ($($id:literal $saga:expr,)*) => { $( sec.saga($saga).id($id).start().await.unwrap(); )* };
    }
    start! {
        "params" v1::Params { quote: v1::Quote::example() },
        "later-action" v1::LaterAction {},
        "its-undo" v1::ItsUndo {},
        "nobody" v1::Nobody {},
        "output" v1::Output {},
        "in-subsaga" v1::InSubsaga {},
        "in-for" v1::InFor {},
        "in-if" v1::InIf { breakfast: true },
        "condition" v1::Condition {},
        "computing" v1::Computing {},
        "computed" v1::Computed {},
        "items" v1::Items {},
        "inner-params" v1::InnerParams {},
        "past-pivot" v1::PastPivot {},
        "going-back" v1::GoingBack {},
    }
    // both items of `items` are held
    hotel.holds(SAGAS.len() + 1).await;
    sec.shutdown(Duration::ZERO).await.unwrap();
}

/// What awaiting each saga says.
async fn ends<C: Send + Sync + 'static>(
    sec: &Coordinator<C>,
) -> BTreeMap<&'static str, Result<serde_json::Value, SagaError>> {
    let mut ends = BTreeMap::new();
    for (id, ..) in SAGAS {
        ends.insert(id, sec.get::<serde_json::Value>(id).await.unwrap().unwrap().await);
    }
    ends
}

/// Why each saga is parked.
async fn reasons<C: Send + Sync + 'static>(sec: &Coordinator<C>) -> BTreeMap<&'static str, String> {
    let reason = |(id, end)| match end {
        Err(SagaError::Parked { reason, .. }) => (id, reason),
        other => panic!("{id}: parked, not {other:?}"),
    };
    ends(sec).await.into_iter().map(reason).collect()
}

fn expected_reason(id: &str, what: &str, place: &str) -> String {
    let more = if id == "in-for" { " (nor the output of `quotes[1]`)" } else { "" };
    let decide = match id {
        "params" => "`operator.cancel` undoes what can be undone",
        "past-pivot" => "`operator.decide` gives the saga another output in its place",
        _ => {
            "`operator.decide` gives the saga another output in its place, and `operator.cancel` undoes what can be undone"
        }
    };
    format!(
        "this program cannot read {what}: `{place}`: missing field `cents`{more}; other code wrote it, or it is damaged: let its type read that \
         form too, as with `#[serde(default)]` or `#[serde(alias = \"..\")]`, or run the code that wrote it, alone or as \
         `old_saga` beside a new `#[version]`; then `operator.unpark(\"{id}\")` resumes the saga, with all that it has done; \
         otherwise {decide}"
    )
}

/// The program whose types do not fit parks the sagas, and says why and what to do.
async fn parks(store: impl Store) {
    let hotel = Hotel::new(true);
    let sec = v2::build(&hotel, store).await;
    let reasons = reasons(&sec).await;
    for (id, what, place) in SAGAS {
        assert_eq!(reasons[id], expected_reason(id, what, place));
        assert!(!reasons[id].contains("s3cret") && !reasons[id].contains("42"), "{}", reasons[id]);
        let refused = sec.operator("ada").unpark(id).await;
        let Err(OperateError::Refused { refusal: Refusal::Unreadable { why }, .. }) = refused
        else {
            panic!("{id}: refused, not {refused:?}");
        };
        assert_eq!(why, reasons[id]);
        assert!(sec.inspect(id).await.unwrap().is_some());
    }
    let parked = ListFilter { parked: Some(true), ..ListFilter::default() };
    for saga in sec.list(parked).await.unwrap() {
        let goes_back = saga.id.as_str() == "going-back";
        let status = if goes_back { SagaStatus::RollingBack } else { SagaStatus::Running };
        assert_eq!(saga.status, status);
        assert_eq!(saga.parked_reason.as_ref(), Some(&reasons[saga.id.as_str()]));
    }
    assert_eq!(hotel.called(), Vec::<String>::new(), "nothing is called, and nothing is undone");

    // whoever asks for it again is told the same
    let again = sec.saga(v2::LaterAction {}).id("later-action").start().await.unwrap();
    let again = again.await.unwrap_err().to_string();
    assert_eq!(again, format!("saga later-action is parked: {}", reasons["later-action"]));
    let quote = v2::Quote::example();
    let again = sec.saga(v2::Params { quote }).id("params").start().await;
    let Err(error @ StartError::Corrupt { .. }) = again else { panic!("{again:?}") };
    assert_eq!(
        error.to_string(),
        "saga params: it exists, and whether it was started with these parameters cannot be said: this program cannot read \
         the saga's parameters: `quote.rooms[0]`: missing field `cents`"
    );
    sec.shutdown(Duration::ZERO).await.unwrap();
}

/// A program that can read the values goes on with the sagas, once it is told to.
async fn goes_on<C: Send + Sync + 'static>(sec: &Coordinator<C>, hotel: &Hotel) {
    reasons(sec).await;
    assert_eq!(hotel.called(), Vec::<String>::new(), "they wait for the operator");
    for (id, ..) in SAGAS {
        sec.operator("ada").unpark(id).await.unwrap();
    }
    let ends = ends(sec).await;
    for (id, paid) in PAID {
        assert_eq!(ends[id].as_ref().unwrap(), &serde_json::json!(paid), "{id}");
    }
    assert!(ends["nobody"].is_ok() && ends["output"].is_ok());
    for id in ["its-undo", "going-back"] {
        assert!(matches!(ends[id], Err(SagaError::RolledBack(_))), "{id}");
    }
    assert_eq!(hotel.called().iter().filter(|call| *call == "give back 8484").count(), 2);
    let paid = hotel.called().iter().filter(|call| call.starts_with("pay 8484 for")).count();
    assert_eq!(paid, 7);
}

#[tokio::test]
async fn a_type_that_reads_the_old_form_too_lets_parked_sagas_go_on() {
    let store = MemoryStore::new();
    left_behind(store.clone()).await;
    parks(store.clone()).await;
    let hotel = Hotel::new(true);
    let sec = v3::build(&hotel, store).await;
    goes_on(&sec, &hotel).await;
    let output = sec.get::<v3::Output>("output").await.unwrap().unwrap().await.unwrap();
    assert_eq!(output, v3::Quote::example());
}

#[tokio::test]
async fn a_deployment_that_is_rolled_back_lets_parked_sagas_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sagas.db");
    left_behind(SqliteStore::open(&path).unwrap()).await;
    parks(SqliteStore::open(&path).unwrap()).await;
    let hotel = Hotel::new(true);
    let sec = v1::build(&hotel, SqliteStore::open(&path).unwrap()).await;
    goes_on(&sec, &hotel).await;
}

#[tokio::test]
async fn a_program_that_reads_both_forms_parks_nothing() {
    let directory = tempfile::tempdir().unwrap();
    left_behind(FileStore::open(directory.path()).unwrap()).await;
    let hotel = Hotel::new(true);
    let sec = v3::build(&hotel, FileStore::open(directory.path()).unwrap()).await;
    let ends = ends(&sec).await;
    for (id, paid) in PAID {
        assert_eq!(ends[id].as_ref().unwrap(), &serde_json::json!(paid), "{id}");
    }
}

#[tokio::test]
async fn files_keep_parked_sagas_for_a_program_that_can_read_them() {
    let directory = tempfile::tempdir().unwrap();
    left_behind(FileStore::open(directory.path()).unwrap()).await;
    parks(FileStore::open(directory.path()).unwrap()).await;
    let hotel = Hotel::new(true);
    let sec = v3::build(&hotel, FileStore::open(directory.path()).unwrap()).await;
    goes_on(&sec, &hotel).await;
}
