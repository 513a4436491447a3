//! Which suspect resumes when. Pure: randomness comes in as a seed.

use std::cmp::Reverse;
use std::time::Duration;

use super::evidence::{CrashState, Evidence, WATCHES};
use crate::machine::Watch;

/// Over how much time suspects with a short watch are spread.
const SPREAD: Duration = Duration::from_millis(450);
/// The range from which the start of the last suspect is drawn; longer where its watch is long.
const CHANCE: Duration = Duration::from_millis(600);
/// How long a suspect is held back at most …
const PATIENCE: Duration = Duration::from_millis(950);
/// … and one whose calls are known to take long, and that made no progress in many crashes.
const MORE_PATIENCE: Duration = Duration::from_secs(10);

/// When a suspect resumes, counted from the start of the process, and how it is watched.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ScheduledStart {
    pub(super) after: Duration,
    pub(super) watch: Option<Watch>,
}

/// The start of each suspect, in their order.
pub(super) fn schedule(suspects: &[Evidence], random: &mut RandomNumbers) -> Vec<ScheduledStart> {
    let mut starts = vec![ScheduledStart::default(); suspects.len()];
    let found = suspects.iter().any(|suspect| suspect.last == CrashState::Watched);
    for level in 0..WATCHES.len() {
        let stands = suspects.iter().enumerate().filter(|(_, suspect)| {
            // when the process died during a watch, sagas that had outlived theirs are not to blame
            suspect.level == level && !(found && suspect.last == CrashState::Cleared)
        });
        let mut stands = stands.collect::<Vec<_>>();
        random.shuffle(&mut stands);
        for (i, start) in schedule_level(&stands, level, random) {
            if let Some(slot) = starts.get_mut(i) {
                *slot = start;
            }
        }
    }
    starts
}

/// The same for suspects with watches of one length, in any order.
fn schedule_level(
    suspects: &[(usize, &Evidence)],
    level: usize,
    random: &mut RandomNumbers,
) -> Vec<(usize, ScheduledStart)> {
    let (mut accused, others): (Vec<_>, Vec<_>) =
        suspects.iter().copied().partition(|(_, suspect)| suspect.last == CrashState::Watched);
    accused.sort_by_key(|(_, suspect)| Reverse(suspect.crashes));
    let window = WATCHES.get(level).copied().unwrap_or_default();
    let patience = if window < Duration::from_secs(1) { PATIENCE } else { MORE_PATIENCE };
    let step = window * 3 / 2;
    let slots = usize::try_from(SPREAD.as_millis() / step.as_millis().max(1)).unwrap_or(2).max(2);
    let alone = accused.len() == 1;
    let range = (window * 3).clamp(CHANCE, patience);
    let head = if alone { range.mul_f64(random.next_unit()) } else { Duration::ZERO };

    let for_others = usize::from(!others.is_empty());
    let each = accused.len() + for_others <= slots;
    let parts = if each { accused.len() } else { (slots - for_others).max(2) };
    let accused = deal(accused, parts);
    let parts = slots.saturating_sub(accused.len()).clamp(1, if alone { 4 } else { slots });
    let mut starts = Vec::new();
    for (n, group) in (0_u32..).zip(accused.into_iter().chain(deal(others, parts))) {
        let after = (head + step * n).min(patience);
        for (i, suspect) in group {
            let alone = alone && suspect.last == CrashState::Watched;
            let watch = Watch { crashes: suspect.crashes, alone, window };
            starts.push((i, ScheduledStart { after, watch: Some(watch) }));
        }
    }
    starts
}

/// Deals items into so many groups of about equal size; into fewer if there are not enough items.
fn deal<T>(items: Vec<T>, groups: usize) -> Vec<Vec<T>> {
    let groups = groups.min(items.len());
    let mut dealt = (0..groups).map(|_| Vec::new()).collect::<Vec<_>>();
    for (i, item) in items.into_iter().enumerate() {
        if let Some(group) = dealt.get_mut(i % groups.max(1)) {
            group.push(item);
        }
    }
    dealt
}

/// Pseudorandom numbers from a seed (splitmix64).
pub(super) struct RandomNumbers(u64);

impl RandomNumbers {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let hash = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }

    /// From 0 to 1.
    pub(super) fn next_unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.next() % (i as u64 + 1);
            items.swap(i, usize::try_from(j).unwrap_or(i));
        }
    }
}
