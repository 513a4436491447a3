//! Sagas that wait: what for, and how somebody tells them that it has happened.

use std::time::Duration;

use axum::http::StatusCode;
use saga_core::log::{Entry, SagaEntry, Timestamp};
use saga_core::operator::Operator;
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, NewSaga, SagaRecord, Store, WorkerId};
use saga_web::Options;

use crate::changes::{Signed, hidden, sign_in};
use crate::common::{IMAGE, SCRIPT, Shop, TOKEN, TURNED};
use crate::{Answered, form, read, send};

const ASK: &str = "/sagas/trip-1/ask";

async fn waiting() -> (Shop, axum::Router) {
    let shop = Shop::open().await;
    shop.waits("trip-1").await;
    let page = shop.page(Options::new().allow_changes(TOKEN));
    (shop, page)
}

impl Signed {
    /// Sends the form that was shown, with these fields.
    async fn fills(&self, shown: &Answered, fields: &[(&str, &str)]) -> Answered {
        let (id, seen) = (hidden(shown, "form"), shown.body.contains("name=\"seen\""));
        let seen = if seen { hidden(shown, "seen") } else { String::new() };
        let own = [("csrf", &*self.csrf), ("command", "signal"), ("form", &*id), ("seen", &*seen)];
        self.send(form(ASK, &[&own[..], fields].concat())).await
    }
}

#[tokio::test]
async fn what_a_saga_waits_for_is_shown_and_can_be_signalled_once() {
    let (shop, page) = waiting().await;
    let shown = read(&page, "/sagas/trip-1").await.body;
    assert!(shown.contains("`approved` has waited"), "{shown}");
    assert!(shown.contains("for event `Approved`"), "{shown}");
    assert!(!shown.contains("command=signal"), "only who has signed in may act");
    let nodes = read(&page, "/sagas/trip-1/nodes").await.body;
    assert!(nodes.contains("<span class=\"chip hold\">waiting</span>"), "{nodes}");

    let alice = sign_in(page, "Alice").await;
    let shown = alice.get("/sagas/trip-1").await;
    let to = shown.between("class=\"button\" href=\"/sagas/trip-1/ask?command=signal&amp;", "\"");
    assert_eq!(to, "event=Approved");
    let empty = alice.get(&format!("{ASK}?command=signal&event=Approved")).await;
    assert!(empty.body.contains("value=\"Approved\"") && !empty.body.contains("name=\"seen\""));
    let before = shop.log("trip-1").await;
    let fields = [("event", "Approved"), ("event_id", "mail 7"), ("value", "{\"by\": \"Ada\"}")];
    let predicted = alice.fills(&empty, &fields).await;
    assert!(predicted.body.contains("requested: signal `Approved` by Alice"), "{}", predicted.body);
    assert!(predicted.body.contains("value=\"mail 7\""), "{}", predicted.body);
    assert_eq!(shop.log("trip-1").await, before, "nothing is asked before it is confirmed");
    let done = alice.fills(&predicted, &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let said = alice.get(done.header("location")).await.body;
    assert!(said.contains("Signal an event: it is in the log"), "{said}");
    assert!(
        said.contains("signal <bdi class=\"u\">Approved</bdi>"),
        "which, is in the list of requests"
    );
    shop.reaches("trip-1", "ended: completed").await;

    let empty = alice.get(&format!("{ASK}?command=signal&event=Approved")).await;
    let again = alice.fills(&empty, &fields).await;
    assert!(again.body.contains("the saga has this event already"), "{}", again.body);
}

#[tokio::test]
async fn events_that_are_none_are_refused_before_anything_is_asked() {
    let (shop, page) = waiting().await;
    let alice = sign_in(page, "Alice").await;
    let before = shop.log("trip-1").await;
    let empty = alice.get(&format!("{ASK}?command=signal&event=Approved")).await;
    let with = async |event: &str, revision: &str, id: &str, value: &str| {
        let fields = [("event", event), ("revision", revision), ("event_id", id), ("value", value)];
        alice.fills(&empty, &fields).await
    };
    let (deep, huge, long) = ("[".repeat(60_000), "x".repeat(300_000), "x".repeat(300));
    for (answer, status, says) in [
        (with("Approved", "", "", "").await, StatusCode::OK, "Enter a value, as JSON."),
        (with("Approved", "", "", "{\"by\": ").await, StatusCode::BAD_REQUEST, "not JSON"),
        (with("Approved", "", "", &deep).await, StatusCode::BAD_REQUEST, "not JSON"),
        (with("Approved", "", "", &huge).await, StatusCode::PAYLOAD_TOO_LARGE, ""),
        (with("Approved", "", &long, "{}").await, StatusCode::BAD_REQUEST, "at most 256 bytes"),
        (with("Approved", "-1", "", "{}").await, StatusCode::BAD_REQUEST, "is a number"),
        (with("", "", "", "{}").await, StatusCode::BAD_REQUEST, "no name of an event"),
        (with("a/b", "", "", "{}").await, StatusCode::BAD_REQUEST, "no name of an event"),
        // what is no value of the event, what no node waits for, and another revision
        (with("Approved", "", "", "{\"by\": 7}").await, StatusCode::OK, "It would be refused"),
        (with("Approved", "", "", "null").await, StatusCode::OK, "It would be refused"),
        (with("Approved", "3", "", "{\"by\": \"a\"}").await, StatusCode::OK, "It would be refused"),
        (with(SCRIPT, "", "", "{}").await, StatusCode::OK, "It would be refused"),
        (with(TURNED, "", TURNED, "{}").await, StatusCode::OK, "It would be refused"),
    ] {
        assert_eq!(answer.status, status, "{says}: {}", answer.body);
        assert!(answer.body.contains(says), "{says}: {}", answer.body);
        assert!(!answer.body.contains(SCRIPT));
    }
    assert_eq!(shop.log("trip-1").await, before);
}

#[tokio::test]
async fn a_hostile_event_is_text_and_nobody_else_sends_one() {
    let (shop, page) = waiting().await;
    let before = shop.log("trip-1").await;
    let value = format!("{{\"by\": \"{}\"}}", IMAGE.replace('"', ""));
    let fields = [("command", "signal"), ("event", "Approved"), ("value", &*value)];
    assert_eq!(send(&page, form(ASK, &fields)).await.status, StatusCode::FORBIDDEN);
    let alice = sign_in(page.clone(), "Alice").await;
    let all = [&[("csrf", "wrong"), ("form", "f"), ("seen", "s")], &fields[..]].concat();
    assert_eq!(alice.send(form(ASK, &all)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(shop.log("trip-1").await, before);

    let empty = alice.get(&format!("{ASK}?command=signal&event=Approved")).await;
    let fields = [("event", "Approved"), ("event_id", IMAGE), ("value", &*value)];
    let predicted = alice.fills(&empty, &fields).await;
    assert!(!predicted.body.contains(IMAGE), "{}", predicted.body);
    assert_eq!(alice.fills(&predicted, &fields).await.status, StatusCode::SEE_OTHER);
    shop.reaches("trip-1", "ended: completed").await;
    for path in ["/sagas/trip-1", "/sagas/trip-1/log", "/sagas/trip-1/nodes"] {
        let shown = read(&shop.page(Options::new().show_outputs()), path).await.body;
        assert!(!shown.contains(IMAGE) && !shown.contains("<img"), "{path}");
    }
}

#[tokio::test]
async fn who_waits_for_an_answer_is_told_that_nobody_runs_the_saga() {
    let store = MemoryStore::new();
    let shop = Shop::on(store.clone()).await;
    shop.waits("trip-1").await;
    shop.sec.shutdown(Duration::ZERO).await.unwrap();
    // an hour is longer than anybody wants to look at a page that loads
    let attached = Operator::attach(store, "page", Duration::from_secs(3600));
    let options = Options::new().allow_changes(TOKEN);
    let alice = sign_in(saga_web::router_with(attached, options), "Alice").await;
    let before = alice.get("/sagas/trip-1").await.between("data-version=\"", "\"");
    let confirm = alice.get(&format!("{ASK}?command=pause")).await;
    let (id, seen) = (hidden(&confirm, "form"), hidden(&confirm, "seen"));
    let fields = [("csrf", &*alice.csrf), ("command", "pause"), ("form", &*id), ("seen", &*seen)];
    let answer = alice.send(form(ASK, &fields)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let saga = alice.get(answer.header("location")).await;
    assert!(saga.body.contains("Pause: no worker has answered yet."), "{}", saga.body);
    assert!(saga.body.contains("Waits for a worker: pause, asked by"), "{}", saga.body);
    // so that pages which are open show it, too
    assert_ne!(saga.between("data-version=\"", "\""), before);
    // the picture is there, with what a `try` contains, though nobody here knows the definition
    assert!(saga.body.contains("else of ride"), "{}", saga.body);
}

#[tokio::test]
async fn sagas_that_nobody_keeps_in_memory_are_counted_and_listed() {
    let store = MemoryStore::new();
    let record =
        SagaRecord::new("later".parse().unwrap(), "Old", WorkerId::generate(), Timestamp(1));
    let wake_at = Some(Timestamp(u64::MAX / 2));
    let record = SagaRecord { owner: None, suspended: true, wake_at, next_seq: 2, ..record };
    let kind =
        SagaEntry::Created { run_key: record.run_key, traceparent: None, starts_at: None }.into();
    let entries = vec![Entry { seq: 1, epoch: 1, at: Timestamp(1), kind }];
    store.create(NewSaga { record, entries }).await.unwrap();
    let page = Shop::on(store).await.page(Options::new());
    let overview = read(&page, "/").await.body;
    assert!(overview.contains("href=\"/sagas?state=waiting\""), "{overview}");
    let list = read(&page, "/sagas?state=waiting").await.body;
    assert!(list.contains("href=\"/sagas/later\""), "{list}");
    assert!(!read(&page, "/sagas?state=running").await.body.contains("/sagas/later"));
}

#[tokio::test]
async fn a_failed_transaction_is_not_in_doubt_on_the_page() {
    use saga_core::store::SqliteStore;
    use saga_core::store::rusqlite::{self, Transaction};

    #[saga_action(transaction, no_undo)]
    fn take(tx: &Transaction<'_>) -> Result<u32, rusqlite::Error> {
        tx.query_row("SELECT items FROM there_is_no_such_table", [], |row| row.get(0))
    }
    saga! { Take<()>() -> u32 { let taken = take {}; taken } }

    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("shop.db")).unwrap();
    let sec = Coordinator::builder(()).store(store).saga::<Take>().build().await.unwrap();
    let _ = sec.saga(Take {}).id("take-1").start().await.unwrap().await;
    let page = saga_web::router(sec.operator("page"));
    let nodes = read(&page, "/sagas/take-1/nodes").await.body;
    assert!(nodes.contains("transaction, not committed"), "{nodes}");
    let saga = read(&page, "/sagas/take-1").await.body;
    assert!(saga.contains("aria-labelledby=\"doubt-title\" hidden"), "{saga}");
}
