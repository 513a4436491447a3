//! What a coordinator needs from a tokio runtime.

/// Why there is no tokio runtime that sagas could run on.
///
/// The sagas of a coordinator run on the runtime that [`build`] was called on, wherever they are started from.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::{BuildError, RuntimeError};
///
/// let without_timers = tokio::runtime::Builder::new_current_thread().build()?;
/// let built = without_timers.block_on(Coordinator::builder(()).build());
/// assert!(matches!(built, Err(BuildError::Runtime(RuntimeError::NoTimers))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`build`]: crate::CoordinatorBuilder::build
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The coordinator was built outside a tokio runtime.
    #[error(
        "sagas run on a tokio runtime, and there is none here; call this inside of one, with \
         `#[tokio::main]` or `Runtime::block_on`"
    )]
    Missing,
    /// The runtime has no timers: no retry and no timeout would ever become due.
    #[error(
        "the tokio runtime has no timers, which sagas need; build it with `enable_time()` or `enable_all()`"
    )]
    NoTimers,
    /// The runtime that the coordinator was built on was shut down, which interrupted its sagas. They resume when
    /// a coordinator is next built on their store.
    #[error(
        "the tokio runtime that the coordinator was built on is gone, and its sagas with it; build another \
         coordinator on a runtime that lives as long as they do"
    )]
    Gone,
}
