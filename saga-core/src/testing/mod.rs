//! Helpers for tests of programs that use this crate (feature `testing`).
//!
//! # Sagas
//!
//! [`SagaTest`] runs a saga with everything that can go wrong, and checks that it ends with all of its effects or none.
//! [`IdempotentService`] is a stand-in for a service that it calls. [`SagaLock`] fails when a definition changes, and says what
//! that means for sagas that are running. The guide is `docs/testing.md` in the repository.
//!
//! # The conformance suite for stores
//!
//! [`store_conformance`] runs a store of your own through everything that [`Store`](crate::store::Store)
//! requires and that can be observed from within one process: creating sagas, compare and append with its
//! fencing, concurrent writers, claims and releases, lists, operators' requests, deleting and purging.
//! [`store`](crate::store) shows how to write a store.
//!
//! Enable the feature in your dev-dependencies, and run the suite in an async test:
//!
//! ```toml
//! [dev-dependencies]
//! saga-core = { version = "0.1", features = ["testing"] }
//! ```
//!
//! ```
//! use saga_core::store::{MemoryStore, StoreError};
//! use saga_core::testing::{ConformanceError, store_conformance};
//!
//! // In your test module, with `#[tokio::test(flavor = "multi_thread")]`:
//! async fn my_store_conforms() -> Result<(), ConformanceError> {
//!     // Called once for each check; every call must return a new, empty store.
//!     store_conformance(async || Ok::<_, StoreError>(MemoryStore::new())).await
//! }
//! # tokio::runtime::Runtime::new()?.block_on(my_store_conforms())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The suite stops at the first violation. Its [`ConformanceError`] names the check and shows what was expected
//! and what was found:
//!
//! ```text
//! append_with_a_stale_owner_epoch_or_seq_is_fenced: `store.append(stale).await` is Ok(()), expected Err(Fenced { .. })
//! ```
//!
//! Some obligations cannot be checked from within one process, so test them yourself: an acknowledged write
//! survives a crash of the process and a power failure, a second process cannot open the store as a worker at
//! the same time, and a failed write either has no effect or closes the store.

mod conformance;
mod lock;
mod mock;
mod replay;
mod saga_test;
mod service;
mod test_call;

pub use conformance::{ConformanceError, store_conformance};
pub use lock::SagaLock;
pub use mock::{MockAction, MockCall, MockFailure};
pub use replay::{Replay, ReplayError};
pub use saga_test::{CallFault, Ended, SagaTest, TestReport};
pub use service::{IdempotentService, ReceiverRule, ServiceError};
pub use test_call::TestCall;
