//! The counters of the feature `metrics`. A recorder is global, so these tests have a process of their
//! own.

#![cfg(all(feature = "metrics", feature = "macros"))]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use saga_core::prelude::*;

#[saga_action(no_undo)]
async fn ship(address: &str) -> Result<(), String> {
    if address.is_empty() { Err("no address".to_string()) } else { Ok(()) }
}

#[saga_action(no_undo)]
async fn pay() -> Result<(), String> {
    panic!("nobody knows whether it was paid")
}

saga! {
    Order<()>(address: String) { ship { address }; }
    Pay<()>() {
        #[pivot]
        #[retry(max = 1)]
        pay {};
    }
}

/// Counts by name and labels.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<String, u64>>>);

struct Count(Counts, String);

impl CounterFn for Count {
    fn increment(&self, by: u64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += by;
    }
    fn absolute(&self, _: u64) {}
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = format!("{}{}", key.name(), labels.collect::<String>());
        Counter::from_arc(Arc::new(Count(self.clone(), name)))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn sagas_and_their_ends_are_counted() {
    let counts = Counts::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&counts, || {
        runtime.block_on(async {
            let sec = Coordinator::builder(()).saga::<Order>().saga::<Pay>().build().await.unwrap();
            for address in ["a", "b", ""] {
                let _ = sec.run(Order { address: address.to_string() }).await;
            }
            let _ = sec.run(Pay {}).await;
        });
    });
    let counts = counts.0.lock().unwrap();
    let count = |name: &str| counts.get(name).copied().unwrap_or(0);
    assert_eq!(count("saga_created_total saga=Order"), 3, "{counts:?}");
    assert_eq!(count("saga_ended_total saga=Order status=completed"), 2);
    assert_eq!(count("saga_ended_total saga=Order status=rolled_back"), 1);
    assert_eq!(count("saga_node_events_total saga=Order kind=failed"), 1);
    assert_eq!(count("saga_node_events_total saga=Order kind=succeeded"), 2);
    assert_eq!(count("saga_node_events_total saga=Pay kind=in_doubt"), 1);
    assert_eq!(count("saga_parked_total saga=Pay"), 1);
}
