//! Values that older code wrote, and newer code reads under the same fingerprint.

mod asked_again;
mod changes;
mod parked;
mod versions;
