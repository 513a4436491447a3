//! The examples as a reader runs them: what they print, and what is left when they are killed.

mod cloud;
mod encrypted_payloads;
#[cfg(unix)]
mod exactly_once;
#[cfg(unix)]
mod killing;
mod program;
#[cfg(unix)]
mod service;
mod topics;
mod trip;
#[cfg(feature = "postgres")]
mod workers;
