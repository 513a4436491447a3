//! `SagaTest`: sagas that survive everything, and wrong ones, each with what it does not survive.

mod clean;
mod impure;
mod injected;
mod lock;
mod messages;
mod mocked;
mod replay;
mod reports;
mod transactions;
mod tries;
mod trip;
mod waiting;
mod wrong;

// the example `trip`, without its `main`
#[path = "../../examples/trip/sagas.rs"]
mod sagas;
#[path = "../../examples/trip/types.rs"]
#[expect(dead_code, reason = "the example also prints reports")]
mod types;
#[path = "../../examples/trip/world.rs"]
#[expect(dead_code, reason = "the example also prints reports")]
mod world;
