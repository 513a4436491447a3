//! Panics in users' code. A panic must not spread beyond the call that ran into it, and any code of theirs can
//! panic: also where one of their values is formatted, decoded or dropped.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, UnwindSafe, catch_unwind};
use std::sync::Once;
#[cfg(feature = "postgres")]
use std::task::Poll;

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Installs a panic hook that records the location and then calls the previous hook. If the program later sets
/// a hook of its own, only the location is lost.
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

/// Calls something that can report failure only by panicking, where the panic is not a mistake. No message
/// is printed, unless the program sets a hook of its own after [`note_places`].
pub(crate) fn without_message<T>(ask: impl FnOnce() -> T + UnwindSafe) -> std::thread::Result<T> {
    note_places();
    SILENT.set(true);
    let answer = catch_unwind(ask);
    SILENT.set(false);
    answer
}

/// The same for a check that reports its finding by panicking, as `assert!` does.
///
/// # Errors
/// What it found, and where the check is.
#[cfg(feature = "testing")]
pub(crate) fn finding<T>(check: impl FnOnce() -> T) -> Result<T, String> {
    without_message(AssertUnwindSafe(check)).map_err(describe)
}

/// Runs users' code and catches its panic.
///
/// # Errors
/// The message of the panic, and its location.
pub(crate) fn contain<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(describe)
}

/// The same for users' code that is awaited. It is [discarded](discard) when it has ended, or is not awaited any longer.
#[cfg(feature = "postgres")]
pub(crate) fn contained<F: Future>(code: F) -> impl Future<Output = Result<F::Output, String>> {
    let mut code = Contained::new(Box::pin(code));
    std::future::poll_fn(move |cx| {
        let Some(future) = code.get_mut() else { return Poll::Pending };
        match contain(|| future.as_mut().poll(cx)) {
            Ok(poll) => poll.map(Ok),
            Err(message) => Poll::Ready(Err(message)),
        }
    })
}

/// Drops a user's value. If that panics, the panic hook has reported it, and nothing else is affected.
pub(crate) fn discard<T>(value: T) {
    let mut value = Some(value);
    discard_with(&mut || value = None);
}

/// The same, by means of code that drops it. It is not generic, so that it is compiled once.
pub(crate) fn discard_with(drop_it: &mut dyn FnMut()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(drop_it)) {
        // The payload of a panic can itself panic when it is dropped, and so can the payload of that panic.
        std::mem::forget(panic);
    }
}

/// The message and location of a panic that was just caught on this thread. The message alone does not help
/// whoever has to find the cause.
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

/// A user's value that is [discarded](discard) when it is dropped. Otherwise, two such values that both panic
/// while their owner is dropped would abort the process.
#[derive(Clone)]
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value; `None` after it has been taken, and in an empty one.
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

/// Without a value, as if it had been taken.
impl<T> Default for Contained<T> {
    fn default() -> Self {
        Self(None)
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
