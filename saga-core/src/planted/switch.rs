//! The switch: which mistake is planted in this thread.

use std::cell::Cell;
use std::marker::PhantomData;

use super::Mistake;

thread_local! {
    static PLANTED: Cell<Option<Mistake>> = const { Cell::new(None) };
}

/// True while this mistake is planted in this thread.
pub(crate) fn planted(mistake: Mistake) -> bool {
    PLANTED.get() == Some(mistake)
}

/// Plants a mistake in this thread until the guard is dropped. Replaces one that is planted already.
pub fn plant(mistake: Mistake) -> Planted {
    PLANTED.set(Some(mistake));
    Planted { this_thread: PhantomData }
}

/// A mistake is planted in this thread for as long as this exists.
#[derive(Debug)]
#[must_use = "the mistake is gone when this is dropped"]
pub struct Planted {
    /// It is of no use in another thread.
    this_thread: PhantomData<*const ()>,
}

impl Drop for Planted {
    fn drop(&mut self) {
        PLANTED.set(None);
    }
}
