//! The choices that a run consists of. Zero is the tame choice everywhere: the first in line, success, no fault.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// How many random choices each tape of a run has. What comes after them is tame.
const LENGTH: usize = 1024;

/// Bytes that decide about one side of a run. Clones share their place on it.
#[derive(Clone)]
pub(crate) struct Tape {
    place: Arc<Mutex<Place>>,
    calm: Arc<AtomicBool>,
}

struct Place {
    bytes: Vec<u8>,
    next: usize,
}

/// The tapes of a run: one for each side of it, so that a choice that is taken away on one does not shift what the others
/// decide.
#[derive(Clone)]
pub(crate) struct Tapes {
    /// Which sagas there are.
    pub(crate) plans: Tape,
    /// What becomes of calls.
    pub(crate) world: Tape,
    /// What goes wrong with processes, their clocks and their store.
    pub(crate) faults: Tape,
    /// What operators ask for.
    pub(crate) operators: Tape,
    /// What is different in later versions of the sagas, and which process knows them.
    pub(crate) versions: Tape,
    calm: Arc<AtomicBool>,
}

/// The bytes of all tapes of a run, in the order of the fields of [`Tapes`].
pub(crate) type Recording = [Vec<u8>; 5];

impl Tape {
    fn new(bytes: Vec<u8>, calm: Arc<AtomicBool>) -> Self {
        Self { place: Arc::new(Mutex::new(Place { bytes, next: 0 })), calm }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap()
    }

    /// The next byte; 0 once the tape is used up, or faults have stopped.
    pub(crate) fn byte(&self) -> u8 {
        if self.calm.load(Ordering::Relaxed) {
            return 0;
        }
        let mut place = self.place();
        let byte = place.bytes.get(place.next).copied().unwrap_or(0);
        place.next += 1;
        byte
    }

    /// One of `n`.
    pub(crate) fn pick(&self, n: usize) -> usize {
        match n {
            0 | 1 => 0,
            2..=256 => usize::from(self.byte()) * n / 256,
            _ => usize::from(u16::from_be_bytes([self.byte(), self.byte()])) * n / 65_536,
        }
    }

    /// A number below `n`, which is at most 65 536.
    pub(crate) fn below(&self, n: u64) -> u64 {
        self.pick(usize::try_from(n).unwrap()) as u64
    }

    /// True in `share` of 256 random cases.
    pub(crate) fn chance(&self, share: u8) -> bool {
        share > 0 && self.byte() > 255 - share
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tape")
    }
}

impl Tapes {
    /// The tapes of a seed.
    pub(crate) fn of_seed(seed: u64) -> Recording {
        let mut state = seed;
        std::array::from_fn(|_| {
            let mut bytes = Vec::with_capacity(LENGTH);
            while bytes.len() < LENGTH {
                bytes.extend_from_slice(&splitmix(&mut state).to_be_bytes());
            }
            bytes
        })
    }

    /// Tapes with these bytes, from their beginning.
    pub(crate) fn play(recording: &Recording) -> Self {
        let calm = Arc::new(AtomicBool::new(false));
        let [plans, world, faults, operators, versions] =
            recording.clone().map(|bytes| Tape::new(bytes, calm.clone()));
        Self { plans, world, faults, operators, versions, calm }
    }

    /// From now on, all tapes give zeros: nothing goes wrong any more.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// True once nothing goes wrong any more.
    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// The part of the tapes that was read.
    pub(crate) fn used(&self) -> Recording {
        let Self { plans, world, faults, operators, versions, .. } = self;
        [plans, world, faults, operators, versions].map(|tape| {
            let place = tape.place();
            place.bytes[..place.next.min(place.bytes.len())].to_vec()
        })
    }
}

/// The next pseudorandom number (splitmix64).
pub(crate) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
