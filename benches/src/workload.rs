//! The workloads: what is run again and again, by name and size.

use std::fmt;

use crate::Any;

/// One of the workloads, with its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// So many nodes, one after the other; each reads the one before.
    Chain(usize),
    /// The same, with the DAG built anew for each saga.
    BuiltChain(usize),
    /// So many nodes that run concurrently, and a last one.
    FanOut(usize),
    /// So many pairs of nodes, each waiting for both of the pair before, and a last one.
    Ladder(usize),
    /// So many layers of ten nodes, each waiting for all of the layer before, and a last one.
    Layers(usize),
    /// A `for` over so many items.
    For(usize),
    /// A chain of so many nodes, and then one that fails, so that all are undone.
    Unwind(usize),
    /// So many sagas of five steps at once.
    Many(usize),
}

impl Workload {
    /// Those that `bench-peers` runs.
    pub const COMPARED: &'static [Self] = &[
        Self::Chain(10),
        Self::Chain(100),
        Self::Chain(1_000),
        Self::BuiltChain(100),
        Self::FanOut(100),
        Self::FanOut(1_000),
        Self::Ladder(16),
        Self::Layers(4),
        Self::For(1_000),
        Self::Unwind(100),
        Self::Many(10_000),
    ];

    /// Reads the name and the size of a workload.
    ///
    /// # Errors
    /// Says that there is no such workload.
    pub fn named(name: &str, size: usize) -> Result<Self, Any> {
        Ok(match name {
            "chain" => Self::Chain(size),
            "built" => Self::BuiltChain(size),
            "fanout" => Self::FanOut(size),
            "ladder" => Self::Ladder(size),
            "layers" => Self::Layers(size),
            "for" => Self::For(size),
            "unwind" => Self::Unwind(size),
            "many" => Self::Many(size),
            _ => return Err(format!("there is no workload `{name}`").into()),
        })
    }

    /// How many nodes one run has. Costs are divided by it.
    pub fn nodes(self) -> usize {
        match self {
            Self::Chain(n) | Self::BuiltChain(n) | Self::For(n) | Self::Unwind(n) => n,
            Self::FanOut(n) => n + 1,
            Self::Ladder(n) => 2 * n + 1,
            Self::Layers(n) => 10 * n + 1,
            Self::Many(n) => 5 * n,
        }
    }

    /// The layers of concurrent nodes before the last node, if that is its shape: how many, and how wide.
    pub fn layers(self) -> Option<(usize, usize)> {
        match self {
            Self::FanOut(n) => Some((1, n)),
            Self::Ladder(n) => Some((n, 2)),
            Self::Layers(n) => Some((n, 10)),
            Self::Chain(_) | Self::BuiltChain(_) | Self::For(_) => None,
            Self::Unwind(_) | Self::Many(_) => None,
        }
    }
}

/// As in a table of results.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(n) => write!(f, "chain {n}"),
            Self::BuiltChain(n) => write!(f, "chain {n}, DAG built each time"),
            Self::FanOut(n) => write!(f, "fan-out {n}"),
            Self::Ladder(n) => write!(f, "ladder {n}"),
            Self::Layers(n) => write!(f, "layers 10 × {n}"),
            Self::For(n) => write!(f, "`for` over {n}"),
            Self::Unwind(n) => write!(f, "unwind {n}"),
            Self::Many(n) => write!(f, "{n} sagas × 5"),
        }
    }
}
