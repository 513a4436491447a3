//! Many sagas, and sagas of many nodes.

mod live;
mod nodes;
mod stored;

use std::fs;

use serde::{Deserialize, Serialize};

pub use self::live::live;
pub use self::nodes::nodes;
pub use self::stored::{Filled, stored};
use crate::Any;

/// The results of one run of `scale`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Scale {
    /// Sagas that are under way at once.
    pub live: Vec<Live>,
    /// Stores with ever more sagas in them.
    pub stored: Vec<Stored>,
    /// Sagas with ever more nodes.
    pub nodes: Vec<Nodes>,
}

/// Sagas that are under way at once, each waiting in its third step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Live {
    /// The store: `memory` (the log counts too) or `sqlite`.
    pub store: String,
    /// How many there are.
    pub sagas: usize,
    /// By how much the memory of the process grew, in megabytes.
    pub megabytes: f64,
    /// The same per saga, in bytes.
    pub bytes_per_saga: f64,
}

/// A SQLite file with many sagas, a part of which has not ended and is resumed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stored {
    /// How many sagas are in the file.
    pub sagas: usize,
    /// How many of them have not ended.
    pub unfinished: usize,
    /// How long `build` took, in milliseconds.
    pub build_ms: f64,
    /// How long it took from the beginning of `build` until all were resumed, in milliseconds.
    pub resumed_ms: f64,
    /// Sagas resumed per second, `build` included.
    pub resumed_per_second: f64,
    /// By how much the memory of the process had grown then, in megabytes.
    pub megabytes: f64,
    /// New sagas of five steps per second, 50 at once, with all of these in the file.
    pub new_per_second: f64,
    /// The processor time of such a new saga, in microseconds.
    pub new_cpu_us: f64,
}

/// A saga of many nodes, in memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Nodes {
    /// Its shape.
    pub shape: String,
    /// How many nodes it has.
    pub nodes: usize,
    /// Processor time per node on a current-thread runtime, in nanoseconds.
    pub cpu_ns: f64,
}

/// The memory of this process that is resident, in bytes.
///
/// # Errors
/// If the system does not tell.
pub fn resident() -> Result<f64, Any> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.ok_or("the system does not tell how much memory is used")?.parse::<f64>()?
        * 1024.0)
}
