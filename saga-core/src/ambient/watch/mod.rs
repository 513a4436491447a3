//! Values that tasks wait for. Tokio wakes those who wait in a random order, which a simulation could not repeat.

#[cfg(feature = "fault-injection")]
mod in_order;

#[cfg(feature = "fault-injection")]
pub(crate) use in_order::{Receiver, Sender, channel};
#[cfg(not(feature = "fault-injection"))]
pub(crate) use tokio::sync::watch::{Receiver, Sender, channel};
