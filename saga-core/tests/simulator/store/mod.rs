//! The store of a run: what is durable, and the faulty ways to it.

mod client;
mod clock;
mod medium;
mod network;
mod rows;

pub(crate) use client::Client;
pub(crate) use clock::StoreClock;
pub(crate) use medium::{Medium, Written};
pub(crate) use network::Network;
pub(crate) use rows::{Row, act, undo};
