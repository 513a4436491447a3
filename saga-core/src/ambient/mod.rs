//! What the library takes from the machine that it runs on: random numbers, the time, and the order of hash maps. A simulation
//! puts others in their place, so that one seed repeats a run exactly.

#[cfg(feature = "fault-injection")]
mod simulation;
pub(crate) mod watch;

use std::time::{Duration, SystemTime};

use uuid::Uuid;

#[cfg(feature = "fault-injection")]
pub use simulation::{Gate, Simulation};
#[cfg(feature = "fault-injection")]
pub(crate) use simulation::{Gated, HashOrder};

/// How maps hash. What a map contains is iterated in an order that nobody may rely on.
#[cfg(not(feature = "fault-injection"))]
pub(crate) type HashOrder = std::collections::hash_map::RandomState;

/// For maps that are iterated where sagas run.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, HashOrder>;
/// For sets that are iterated where sagas run.
pub(crate) type HashSet<T> = std::collections::HashSet<T, HashOrder>;

/// A random UUID.
pub(crate) fn random_uuid() -> Uuid {
    #[cfg(feature = "fault-injection")]
    if let Some(simulated) = simulation::random_uuid() {
        return simulated;
    }
    Uuid::new_v4()
}

/// A UUID that sorts by time: within a process, each is greater than the one before.
pub(crate) fn uuid_by_time() -> Uuid {
    #[cfg(feature = "fault-injection")]
    if let Some(simulated) = simulation::uuid_by_time() {
        return simulated;
    }
    Uuid::now_v7()
}

/// Such a UUID and the time in it, in milliseconds since the Unix epoch. Neither ever goes back within a process, although the
/// clock may: of two, the later one is greater.
pub(crate) fn uuid_and_time() -> (Uuid, u64) {
    let id = uuid_by_time();
    let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |time| time.to_unix());
    (id, seconds.saturating_mul(1000).saturating_add(u64::from(nanos / 1_000_000)))
}

/// A random number.
pub(crate) fn random_number() -> u64 {
    random_uuid().as_u64_pair().0
}

/// The time by the system's clock.
pub(crate) fn system_time() -> SystemTime {
    #[cfg(feature = "fault-injection")]
    if let Some(simulated) = simulation::system_time() {
        return simulated;
    }
    SystemTime::now()
}

/// The simulated time since the simulation began; `None` where nothing is simulated.
pub(crate) fn simulated_time() -> Option<Duration> {
    #[cfg(feature = "fault-injection")]
    return simulation::passed();
    #[cfg(not(feature = "fault-injection"))]
    None
}
