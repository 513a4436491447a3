//! Facts as text. Nothing here asks anybody.

pub(crate) mod doctor;
pub(crate) mod escape;
pub(crate) mod fleet;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod requests;
pub(crate) mod saga;
pub(crate) mod table;
pub(crate) mod time;
