//! The feature `opentelemetry`. A subscriber is global, so this test has a process of its own.

#![cfg(all(feature = "opentelemetry", feature = "macros"))]

use opentelemetry::Value;
use opentelemetry::trace::{SpanId, Status, TraceContextExt, TraceId, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

#[saga_action(no_undo)]
async fn charge(cx: &ActionContext<bool>) -> Result<(), String> {
    if *cx.user_context().as_ref() { Ok(()) } else { std::future::pending().await }
}

saga! { Order<bool>() { charge {}; } }

#[saga_action(undo = sweep())]
async fn shop_floor() -> Result<(), String> {
    Ok(())
}
async fn sweep() -> Result<(), String> {
    Ok(())
}
#[saga_action(no_undo)]
async fn refuse() -> Result<(), String> {
    Err("no pen".into())
}

saga! { Refused<bool>() { shop_floor {}; refuse {}; } }

/// The spans of this name: the traces and spans that each is linked to.
fn links(spans: &[SpanData], name: &str) -> Vec<Vec<(TraceId, SpanId)>> {
    let of_name = spans.iter().filter(|span| span.name == name);
    let links = of_name.map(|span| span.links.iter());
    links
        .map(|links| {
            links.map(|link| (link.span_context.trace_id(), link.span_context.span_id())).collect()
        })
        .collect()
}

/// The saga outlives its process: what runs it then is linked to the request all the same.
#[tokio::test]
async fn every_run_and_every_attempt_is_linked_to_the_request_that_started_the_saga() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    // what most programs show: the spans of calls must be in it
    let layer = layer.with_filter(LevelFilter::INFO);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();

    let store = MemoryStore::new();
    let sec = Coordinator::builder(false).store(store.clone()).saga::<Order>().build();
    let sec = sec.await.unwrap();
    let request = tracing::info_span!("POST /orders");
    let origin = request.context().span().span_context().clone();
    let start = sec.saga(Order {}).id("order-1").start().instrument(request);
    drop(start.await.unwrap());
    // the call is in flight when the process ends
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    drop(sec.shutdown(std::time::Duration::ZERO).await);
    drop(sec);

    let sec = Coordinator::builder(true).store(store).saga::<Order>().saga::<Refused>().build();
    let sec = sec.await.unwrap();
    sec.get::<Order>("order-1").await.unwrap().unwrap().await.unwrap();
    sec.run(Order {}).await.unwrap();
    sec.run(Refused {}).await.unwrap_err();
    drop(sec.shutdown(std::time::Duration::ZERO).await);

    let spans = exporter.get_finished_spans().unwrap();
    let linked = vec![(origin.trace_id(), origin.span_id())];
    // the last run was started by nobody
    assert_eq!(links(&spans, "Order"), [linked.clone(), linked.clone(), Vec::new()]);
    assert_eq!(links(&spans, "charge"), [linked.clone(), linked, Vec::new()]);

    // spans are called what people look for, and what failed is marked
    let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    assert_eq!(of("refuse").status, Status::error("no pen"));
    for name in ["Refused", "shop_floor", "undo shop_floor", "charge"] {
        assert_eq!(of(name).status, Status::Unset, "{name}");
    }
    let attempt = of("refuse").attributes.iter().find(|with| with.key.as_str() == "attempt");
    assert_eq!(attempt.map(|with| with.value.clone()), Some(Value::I64(1)));
}
