//! Where a panic happened: the message alone does not help whoever has to find it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{PanicHookInfo, UnwindSafe, catch_unwind};
use std::sync::Once;

use crate::definition::panic_message;

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Puts a hook in front of the one that is there: it notes the place and passes the panic on. If the
/// program later sets a hook of its own, only the place is lost.
pub(crate) fn note_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
            PLACE.with_borrow_mut(|last| *last = place);
            if !SILENT.get() {
                next(info);
            }
        }));
    });
}

/// Does something whose only way to say no is a panic, which is nobody's mistake: no message is printed, as
/// long as the program sets no hook of its own after [`note_places`].
pub(crate) fn without_message<T>(ask: impl FnOnce() -> T + UnwindSafe) -> std::thread::Result<T> {
    note_places();
    SILENT.set(true);
    let answer = catch_unwind(ask);
    SILENT.set(false);
    answer
}

/// Message and place of a panic that was just caught on this thread.
pub(crate) fn describe(panic: &(dyn Any + Send)) -> String {
    let message = panic_message(panic);
    match PLACE.with_borrow_mut(Option::take) {
        Some(place) => format!("{message} (at {place})"),
        None => message,
    }
}
