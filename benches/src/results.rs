//! What the measurements give, as it is kept in JSON.

use serde::{Deserialize, Serialize};

use crate::durable::DurableEngine;
use crate::engine::Engine;
use crate::measure::Spread;
#[cfg(feature = "postgres")]
use crate::postgres::PostgresEngine;

/// The results of one run of `bench-peers`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Results {
    /// Whether it was a quick run, with fewer rounds.
    pub quick: bool,
    /// How often each measurement was repeated.
    pub rounds: usize,
    /// How many processors the machine has.
    pub processors: usize,
    /// Time in memory.
    pub in_memory: Vec<Cost>,
    /// Allocations and heap in memory.
    pub memory: Memory,
    /// Sagas on disk.
    pub durable: Vec<Rate>,
}

/// What one engine needs for a node of one workload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cost {
    /// The workload, as it is displayed.
    pub workload: String,
    /// The engine.
    pub engine: Engine,
    /// How many nodes a run of the workload has.
    pub nodes: usize,
    /// Processor time per node on a current-thread runtime, in nanoseconds.
    pub cpu_ns: Spread,
    /// Time per node on a runtime with two workers, in nanoseconds.
    pub wall_ns: Spread,
    /// The processor time, divided by that of the floor in the same round.
    pub cpu_of_floor: Option<Spread>,
    /// The processor time, divided by that of saga-core in the same round.
    pub cpu_of_ours: Option<Spread>,
    /// The time on two workers, divided by that of the floor in the same round.
    pub wall_of_floor: Option<Spread>,
    /// The time on two workers, divided by that of saga-core in the same round.
    pub wall_of_ours: Option<Spread>,
}

/// The results of `bench-memory`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Memory {
    /// What is allocated to run nodes.
    pub nodes: Vec<Allocations>,
    /// What sagas hold that wait.
    pub waiting: Vec<Heap>,
}

/// What one engine allocates for a node of one workload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Allocations {
    /// The workload, as it is displayed.
    pub workload: String,
    /// The engine.
    pub engine: Engine,
    /// Allocations and reallocations per node.
    pub allocations: f64,
    /// Bytes allocated per node.
    pub bytes: f64,
}

/// What sagas of five steps hold, in bytes of heap per saga. The log counts, if the engine keeps it in memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Heap {
    /// The engine.
    pub engine: Engine,
    /// While it waits in its third step.
    pub waiting: f64,
    /// After its end.
    pub ended: f64,
    /// After it was removed; `None` if the engine cannot remove it.
    pub forgotten: Option<f64>,
}

/// How fast one engine runs sagas of five steps on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rate {
    /// The engine.
    pub engine: DurableEngine,
    /// How many sagas run at once.
    pub at_once: usize,
    /// Sagas per second.
    pub per_second: Spread,
    /// The median time of a saga, in milliseconds.
    pub p50_ms: Spread,
    /// The time that 99 of 100 sagas take at most, in milliseconds.
    pub p99_ms: Spread,
    /// Sagas per second, divided by those of the bare writer in the same round.
    pub of_floor: Option<Spread>,
}

/// The results of one run of `bench-postgres`.
#[cfg(feature = "postgres")]
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PostgresResults {
    /// Whether it was a quick run, with fewer rounds.
    pub quick: bool,
    /// How often each measurement was repeated.
    pub rounds: usize,
    /// How many processors the machine has, which the server and its clients share.
    pub processors: usize,
    /// What the server says about itself.
    pub server: String,
    /// All that was measured.
    pub rates: Vec<PostgresRate>,
}

/// How fast one engine runs sagas of five steps on PostgreSQL, and what the server does for each of them.
#[cfg(feature = "postgres")]
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PostgresRate {
    /// The engine.
    pub engine: PostgresEngine,
    /// How many workers share the sagas.
    pub workers: usize,
    /// How many sagas run at once, on all workers together.
    pub at_once: usize,
    /// Sagas per second.
    pub per_second: Spread,
    /// Sagas per second, divided by those of the bare writer in the same round.
    pub of_floor: Option<Spread>,
    /// Those of saga-core in the same round, divided by the sagas per second.
    pub ours_of_this: Option<Spread>,
    /// The median time of a saga, in milliseconds.
    pub p50_ms: Spread,
    /// The time that 99 of 100 sagas take at most, in milliseconds.
    pub p99_ms: Spread,
    /// Transactions that the server commits for a saga.
    pub commits: Spread,
    /// Bytes of WAL that the server writes for a saga.
    pub wal_bytes: Spread,
    /// The share of updated rows whose update touched no index.
    pub hot: Option<Spread>,
    /// Processor time of the clients for a saga, in microseconds.
    pub client_us: Spread,
    /// Processor time of the server for a saga, in microseconds.
    pub server_us: Option<Spread>,
    /// Sagas per second of processor time, that of clients and server together.
    pub per_core: Option<Spread>,
}
