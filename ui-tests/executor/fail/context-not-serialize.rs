//! The context of an executor is written down with the log.

use saga_core::store::MemoryStore;
use saga_core::{SagaDag, SagaExecutor};

struct Handle;

fn execute(saga: SagaDag<Handle>) {
    let _executor = SagaExecutor::new("x", saga, Handle, MemoryStore::new());
}

fn main() {}
