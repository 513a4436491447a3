//! The counters of the feature `metrics`. A recorder is global, so these tests have a process of their
//! own.

#![cfg(all(feature = "metrics", feature = "macros"))]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use saga_core::operator::FleetGauges;
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, StoreError};

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

impl GaugeFn for Count {
    fn increment(&self, _: f64) {}
    fn decrement(&self, _: f64) {}
    fn set(&self, value: f64) {
        self.0.0.lock().unwrap().insert(self.1.clone(), value as u64);
    }
}

impl HistogramFn for Count {
    fn record(&self, value: f64) {
        assert!((0.0..60.0).contains(&value), "{}: {value} s", self.1);
        CounterFn::increment(self, 1);
    }
}

fn name(key: &Key) -> String {
    let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
    format!("{}{}", key.name(), labels.collect::<String>())
}

impl Counts {
    fn described(&self, name: &KeyName) {
        self.0.lock().unwrap().insert(format!("described {}", name.as_str()), 1);
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.described(&name);
    }
    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.described(&name);
    }
    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.described(&name);
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Count(self.clone(), name(key))))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Count(self.clone(), name(key))))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Count(self.clone(), name(key))))
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
    assert_eq!(count("saga_duration_seconds saga=Order status=completed"), 2);
    assert_eq!(count("saga_duration_seconds saga=Order status=rolled_back"), 1);
    let call = "saga_call_seconds saga=Order node=ship kind=action";
    assert_eq!(count(&format!("{call} outcome=ok")), 2);
    assert_eq!(count(&format!("{call} outcome=failed")), 1);
    let in_doubt = "saga_call_seconds saga=Pay node=pay kind=action outcome=in_doubt";
    assert_eq!(count(in_doubt), 1);
    // each order is created and ended; it ends in the append that has the outcome of its only node
    assert_eq!(count("saga_append_seconds saga=Order outcome=ok"), 6, "{counts:?}");
}

mod before {
    use super::wait;
    use saga_core::prelude::*;
    saga! { pub(crate) Wait<()>() { wait {}; } }
}

#[saga_action(no_undo)]
async fn wait() -> Result<(), String> {
    std::future::pending().await
}

saga! { Wait<()>() { let _id = new_uuid {}; wait {}; } }

/// What the gauge of unknown versions says of each version of `Wait`.
fn of_waits(counts: &Counts) -> Vec<u64> {
    let counts = counts.0.lock().unwrap();
    let gauge = |name: &str| name.starts_with("saga_unknown_version saga=Wait version=1 finger");
    counts.iter().filter(|(name, _)| gauge(name)).map(|(_, count)| *count).collect()
}

#[test]
fn unfinished_sagas_of_unknown_versions_are_counted() {
    let counts = Counts::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&counts, || {
        runtime.block_on(async {
            let store = MemoryStore::new();
            let sec = Coordinator::builder(()).store(store.clone()).saga::<before::Wait>();
            let sec = sec.build().await.unwrap();
            for _ in 0..3 {
                sec.saga(before::Wait {}).start().await.unwrap();
            }
            sec.shutdown(std::time::Duration::ZERO).await.unwrap();
            let sec = Coordinator::builder(()).store(store.clone()).saga::<Wait>().build().await;
            assert_eq!(of_waits(&counts), [3]);
            // a worker that knows them says so, so that the least of what all say is how many nobody knows
            sec.unwrap().shutdown(std::time::Duration::ZERO).await.unwrap();
            let sec = Coordinator::builder(()).store(store).saga::<before::Wait>().build().await;
            assert_eq!(of_waits(&counts), [0]);
            assert_eq!(sec.unwrap().health().running, 3);
        });
    });
}

#[test]
fn the_gauges_of_the_fleet_follow_it_and_go_back_to_zero() {
    let counts = Counts::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&counts, || {
        runtime.block_on(async {
            let sec = Coordinator::builder(()).saga::<Order>().saga::<Pay>().build().await.unwrap();
            let operator = sec.operator("metrics");
            let mut gauges = FleetGauges::default();
            sec.run(Order { address: "a".to_string() }).await.unwrap();
            let _ = sec.run(Pay {}).await;
            gauges.record(&operator.fleet().await.unwrap());
            sec.health().record();
            let count = |name: &str| counts.0.lock().unwrap().get(name).copied();
            assert_eq!(count("saga_sagas saga=Order version=1 state=completed"), Some(1));
            assert_eq!(count("saga_sagas saga=Order version=1 state=stuck"), Some(0));
            assert_eq!(count("saga_sagas saga=Pay version=1 state=parked"), Some(1));
            assert_eq!(count("saga_oldest_unfinished_seconds saga=Pay version=1"), Some(0));
            assert_eq!(count("saga_running"), Some(0));
            assert_eq!(count("saga_waiting_for_store"), Some(0));
            assert_eq!(count("saga_store_fails"), Some(0));
            assert_eq!(count("saga_unreadable"), Some(0));
            let store =
                Some(StoreError::Closed { store: "a".to_string(), why: "full".to_string() });
            let mut health = sec.health();
            health.store = store;
            health.record();
            assert_eq!(count("saga_store_fails"), Some(1));

            sec.purge(Duration::ZERO, &[]).await.unwrap();
            gauges.record(&operator.fleet().await.unwrap());
            assert_eq!(count("saga_sagas saga=Order version=1 state=completed"), Some(0));
        });
    });
}

/// The dashboard and the alert rules are true: each metric that they name exists, and the guide lists all of them.
#[test]
fn the_dashboard_the_alerts_and_the_guide_name_the_metrics_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let mut source = String::new();
    for path in ["driver/events/mod.rs", "driver/histograms.rs", "coordinator/versions.rs"] {
        source += &read(&format!("saga-core/src/{path}"));
    }
    source += &read("saga-core/src/coordinator/facts/gauges.rs");
    let there_are = source
        .split("!(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| name.starts_with("saga_"))
        .collect::<BTreeSet<_>>();
    assert!(there_are.len() >= 12, "{there_are:?}");

    let counts = Counts::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&counts, || {
        let sec = Coordinator::builder(()).saga::<Order>();
        drop(runtime.block_on(sec.build()).unwrap());
    });
    let counts = counts.0.lock().unwrap();
    let described = counts.keys().filter_map(|name| name.strip_prefix("described "));
    assert_eq!(described.collect::<BTreeSet<_>>(), there_are, "each is described");

    let guide = read("docs/monitoring.md");
    let listed = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(listed.collect::<BTreeSet<_>>(), there_are);

    for path in ["docs/monitoring/alerts.yml", "docs/monitoring/dashboard.json"] {
        let text = read(path);
        let named = text
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .filter(|word| word.starts_with("saga_"))
            .map(|word| word.trim_end_matches("_bucket").trim_end_matches("_count"))
            .collect::<BTreeSet<_>>();
        assert!(named.len() >= 5, "{path}: {named:?}");
        let unknown = named.difference(&there_are).collect::<Vec<_>>();
        assert!(unknown.is_empty(), "{path} names metrics that do not exist: {unknown:?}");
    }
    serde_json::from_str::<serde_json::Value>(&read("docs/monitoring/dashboard.json")).unwrap();
}
