//! Processes that die at every place where the library touches what outlives them, and disks that lose power or fail.
//!
//! A child process leads one of the lives of `life` and `many`, and dies in the middle, or its disk does. Then the test
//! recovers from what is left, and `after` checks that everything that was acknowledged is still true.

mod after;
mod child;
mod definitions;
#[path = "../common/dice.rs"]
#[allow(dead_code, reason = "each test uses its part of it")]
mod dice;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod disk_errors;
mod life;
mod many;
mod moving;
mod places;
mod points;
#[cfg(target_os = "linux")]
mod power;
mod sagas;
mod said;
mod suspended;
mod upgrades;
mod waiting;
