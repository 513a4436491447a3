//! Limits on the size of sagas and of their values.

use std::time::Duration;

/// The longest wait: 100 years of 365 days. Every store can represent a time that far in the future.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Limits on the size of a coordinator's sagas and of their values. Exceeding one is an error that names what is
/// too large.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::Limits;
/// # #[saga_action(no_undo)]
/// # async fn greet(name: &str) -> Result<String, String> {
/// #     if name.is_empty() { Err("nobody is there".into()) } else { Ok(format!("hello {name}")) }
/// # }
/// # saga! { Greet<()>(name: String) -> String { greet { name } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limits = Limits::default().max_payload(100);
/// let sec = Coordinator::builder(()).saga::<Greet>().limits(limits).build().await?;
/// let error = sec.run(Greet { name: "Ada ".repeat(50) }).await.unwrap_err().to_string();
/// assert!(error.contains("they have 211 bytes, more than the limit of 100"), "{error}");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The maximum size of a saga's parameters or of an output, in bytes of JSON; default 4 MiB. If an error is
    /// larger, the log keeps only the beginning of its message.
    pub max_payload: usize,
    /// The maximum number of nodes that a registered saga may declare, including those of bodies, arms and
    /// subsagas; default 10 000.
    pub max_nodes: usize,
    /// The maximum number of instances of one `for`; default 10 000, at most 2^20.
    pub max_width: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_payload: 4 * 1024 * 1024, max_nodes: 10_000, max_width: 10_000 }
    }
}

impl Limits {
    /// Sets the maximum size of a saga's parameters or of an output, in bytes of JSON.
    pub fn max_payload(self, bytes: usize) -> Self {
        Self { max_payload: bytes, ..self }
    }

    /// Sets the maximum number of nodes that a registered saga may declare.
    pub fn max_nodes(self, nodes: usize) -> Self {
        Self { max_nodes: nodes, ..self }
    }

    /// Sets the maximum number of instances of one `for`; values above 2^20 count as 2^20.
    pub fn max_width(self, instances: usize) -> Self {
        Self { max_width: instances.min(1 << 20), ..self }
    }
}
