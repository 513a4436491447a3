//! Random numbers that several threads share and a seed repeats.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// SplitMix64.
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Returns a number below `n`.
    pub(crate) fn roll(&self, n: u64) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15;
        let x = self.0.fetch_add(step, Relaxed).wrapping_add(step);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % n
    }

    /// Returns true with probability 1 / `n`.
    pub(crate) fn one_in(&self, n: u64) -> bool {
        self.roll(n) == 0
    }

    pub(crate) fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len() as u64) as usize]
    }

    pub(crate) fn sleep(&self, millis: std::ops::Range<u64>) {
        let wait = millis.start + self.roll(millis.end - millis.start);
        std::thread::sleep(Duration::from_millis(wait));
    }
}
