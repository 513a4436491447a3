//! What can be observed of sagas from outside: traces, including those of their actions, without any
//! payload.
//!
//! These tests have a process of their own: tracing caches in it which call sites are enabled.

mod warnings;

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use saga_core::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const SECRET: &str = "4242-4242";

#[saga_action(undo = refund(output))]
async fn charge(card: &str) -> Result<String, String> {
    tracing::info!("asking the bank");
    Ok(format!("receipt for {card}"))
}
async fn refund(_output: &str) -> Result<(), String> {
    Ok(())
}

/// The message of an error is the user's own words, and is shown; what it carries is not.
#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("no courier for a receipt of {} bytes", .receipt.len())]
struct NoCourier {
    receipt: String,
}

#[saga_action(no_undo)]
async fn ship(receipt: &str) -> Result<(), NoCourier> {
    Err(NoCourier { receipt: receipt.to_string() })
}

saga! {
    Order<()>(card: String) {
        let receipt = charge { card };
        ship { receipt };
    }
}

#[saga_action(no_undo)]
async fn guess(cx: &ActionContext<()>) -> Result<u32, saga_core::LookupError> {
    Ok(*cx.lookup::<u32>("receipt")?)
}

saga! {
    /// It reads what is stored as another type.
    #[allow(unused_variables)]
    Guess<()>(card: String) {
        let receipt = charge { card };
        guess {};
    }
}

#[saga_action(no_undo, retry(forever))]
async fn deliver() -> Result<(), String> {
    tokio::time::sleep(std::time::Duration::from_secs(7200)).await;
    Ok(())
}

saga! {
    Delivery<()>(card: String) {
        #[pivot]
        let _receipt = charge { card };
        deliver {};
    }
}

/// Writes down all that is traced, each line with the spans that it is in.
#[derive(Clone, Default)]
struct Notes {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<Mutex<Vec<String>>>,
    inside: Arc<Mutex<Vec<u64>>>,
    next: Arc<AtomicU64>,
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Notes {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(span.metadata().name().to_string());
        span.record(&mut fields);
        self.spans.lock().unwrap().push(fields.0);
        Id::from_u64(self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let inside = self.inside.lock().unwrap().clone();
        let spans = self.spans.lock().unwrap();
        let spans = inside.iter().map(|id| spans[*id as usize - 1].as_str()).collect::<Vec<_>>();
        self.lines.lock().unwrap().push(format!("[{}]{}", spans.join(" > "), fields.0));
    }
    fn enter(&self, span: &Id) {
        self.inside.lock().unwrap().push(span.into_u64());
    }
    fn exit(&self, _: &Id) {
        self.inside.lock().unwrap().pop();
    }
}

#[test]
fn traces_name_saga_node_and_attempt_and_hold_no_payload() {
    let notes = Notes::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(notes.clone(), || {
        runtime.block_on(async {
            let sec =
                Coordinator::builder(()).saga::<Order>().saga::<Guess>().build().await.unwrap();
            let order = Order { card: SECRET.to_string() };
            let order = sec.saga(order).id("order-42").start().await.unwrap();
            let error = order.await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
            let view = sec.inspect("order-42").await.unwrap().unwrap();
            let shown = format!("{view} {view:?} {}", view.log.pretty());
            assert!(!shown.contains(SECRET), "{shown}");
            let courier = error.action_error().unwrap().clone().convert::<NoCourier>().unwrap();
            assert!(courier.receipt.contains(SECRET), "it is there for who asks for it");

            let error = sec.run(Guess { card: SECRET.to_string() }).await.unwrap_err();
            assert!(error.to_string().contains("of another type: invalid type: string"), "{error}");
            assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
        });
    });
    let lines = notes.lines.lock().unwrap().clone();
    let spans = notes.spans.lock().unwrap().clone();
    let said = |what: &str| {
        let found = lines.iter().find(|line| line.contains(what));
        found.unwrap_or_else(|| panic!("no {what:?} in {lines:#?}")).clone()
    };
    let asking = said("asking the bank");
    assert!(asking.contains("[saga id=order-42"), "{asking}");
    assert!(asking.contains(" > node node=receipt attempt=1 undo=false"), "{asking}");
    assert!(said("message=ended").contains("rolled_back"));
    assert!(said("no courier for a receipt").contains("node=\"ship\""));
    assert!(said("message=unwinding").contains("[saga id=order-42"));
    assert!(spans.iter().any(|span| span.contains("node=receipt attempt=1 undo=true")));
    for line in lines.iter().chain(&spans) {
        assert!(!line.contains(SECRET), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_after_the_pivot_is_reported() {
    let notes = Notes::default();
    let _traced = tracing::subscriber::set_default(notes.clone());
    let sec = Coordinator::builder(()).saga::<Delivery>().build().await.unwrap();
    let delivery = Delivery { card: SECRET.to_string() };
    let hour = std::time::Duration::from_secs(3600);
    sec.saga(delivery).id("late").deadline(hour).start().await.unwrap().await.unwrap();
    let lines = notes.lines.lock().unwrap().clone();
    let late = lines.iter().filter(|line| line.contains("the deadline has passed"));
    let late = late.collect::<Vec<_>>();
    assert!(matches!(&late[..], [line] if line.contains(" id=late")), "{lines:#?}");
}

/// Nobody waits for what will not come.
#[tokio::test(start_paused = true)]
async fn the_events_of_a_saga_end_with_it() {
    let sec = Coordinator::builder(()).saga::<Delivery>().build().await.unwrap();
    let hour = std::time::Duration::from_secs(3600);
    let kinds = async |mut events: saga_core::events::Events| {
        let mut kinds = Vec::new();
        let all = async {
            while let Some(event) = events.next().await {
                kinds.push(event.unwrap().kind.as_str());
            }
        };
        tokio::time::timeout(hour, all).await.expect("it is over");
        kinds
    };
    let start = async |id: &str| {
        let delivery = Delivery { card: SECRET.to_string() };
        sec.saga(delivery).id(id).start().await.unwrap()
    };
    let delivery = start("to-its-end").await;
    let watched = delivery.events();
    delivery.clone().await.unwrap();
    assert_eq!(kinds(watched).await.last(), Some(&"ended"));
    assert_eq!(kinds(delivery.events()).await, [""; 0]);
    let found = sec.get::<Delivery>("to-its-end").await.unwrap().unwrap();
    assert_eq!(kinds(found.events()).await, [""; 0]);

    let interrupted = start("interrupted").await.events();
    tokio::time::sleep(hour).await;
    sec.shutdown(std::time::Duration::ZERO).await.unwrap();
    assert_eq!(kinds(interrupted).await, [""; 0], "another process goes on");
}

/// Who reads too slowly holds nobody up, is told how much is missing, and goes on from there.
#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed() {
    let sec = Coordinator::builder(()).saga::<Order>().build().await.unwrap();
    let mut slow = sec.events();
    for _ in 0..1000 {
        sec.run(Order { card: SECRET.to_string() }).await.unwrap_err();
    }
    let saga_core::events::MissedEvents(missed) = slow.next().await.unwrap().unwrap_err();
    let mut left = Vec::new();
    while let Ok(next) = tokio::time::timeout(std::time::Duration::ZERO, slow.next()).await {
        left.push(next.unwrap().unwrap());
    }
    let of_one = sec.list(saga_core::store::ListFilter::default()).await.unwrap()[0].next_seq - 1;
    assert_eq!(missed + left.len() as u64, 1000 * of_one);
    assert!(left.len() > 1000, "{}", left.len());
    assert_eq!(left.last().map(|event| event.kind.as_str()), Some("ended"));
}
