//! The context of an executor is written down with the log.

use saga_core::dag::SagaDag;
use saga_core::executor::SagaExecutor;
use saga_core::store::MemoryStore;

struct Handle;

fn execute(saga: SagaDag<Handle>) {
    let _executor = SagaExecutor::new("x", saga, Handle, MemoryStore::new());
}

fn main() {}
