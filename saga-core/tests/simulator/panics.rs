//! Panics. A call that panics on purpose does so without a message; every other panic on a thread that simulates is a bug, also
//! where a task or the library contains it.

use std::cell::RefCell;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static FIRST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on, panics are noted.
pub(crate) fn note() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            let text = panic.to_string();
            FIRST.with_borrow_mut(|first| first.get_or_insert(text).len());
            before(panic);
        }));
    });
    take();
}

/// The first panic on this thread since the last time that this was asked.
pub(crate) fn take() -> Option<String> {
    FIRST.take()
}
