//! Code of the user's that panics: the panic goes no further than what met it. That is any code of theirs, also
//! where a value is formatted, read, or dropped.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, UnwindSafe, catch_unwind};
use std::sync::Once;

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

/// Runs code of the user's.
///
/// # Errors
/// What its panic says, and where it happened.
pub(crate) fn contain<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(describe)
}

/// Drops a value of the user's. If that panics, the program's panic hook has told so, and nobody else is
/// concerned.
pub(crate) fn discard<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // what a panic carries can panic where it is dropped, and what that carries again
        std::mem::forget(panic);
    }
}

/// Message and place of a panic that was just caught on this thread: the message alone does not help
/// whoever has to find it.
pub(crate) fn describe(panic: Box<dyn Any + Send>) -> String {
    let place = PLACE.with_borrow_mut(Option::take);
    let message = message(panic);
    match place {
        Some(place) => format!("{message} (at {place})"),
        None => message,
    }
}

/// The message of a panic.
pub(crate) fn message(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    discard(panic);
    text.unwrap_or_else(|| "a panic without a message".to_string())
}

/// A value of the user's that is [discarded](discard) where it is dropped. Two values that panic while one
/// thing that holds both is dropped would otherwise end the process.
#[derive(Clone)]
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value; none only once it is taken out.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_mut()
    }

    pub(crate) fn take(mut self) -> Option<T> {
        self.0.take()
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            discard(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics where it is dropped, with itself.
    struct Bomb(u32);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                std::panic::panic_any(Bomb(self.0 - 1));
            }
        }
    }

    #[test]
    fn what_panics_where_it_is_dropped_hurts_nobody() {
        discard(Bomb(1));
        discard(Bomb(3));
        drop(vec![Contained::new(Bomb(1)), Contained::new(Bomb(2))]);
        assert!(Contained::new(Bomb(0)).take().is_some());
    }

    #[test]
    fn a_panic_is_told_also_if_its_message_panics() {
        assert_eq!(contain(|| 1), Ok(1));
        let told = contain(|| panic!("lost {}", 7)).unwrap_err();
        assert!(told.starts_with("lost 7"), "{told}");
        let told = contain(|| std::panic::panic_any(Bomb(2))).unwrap_err();
        assert!(told.starts_with("a panic without a message"), "{told}");
    }
}
