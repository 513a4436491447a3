//! The part of tokio's `watch` that this crate uses. Those who wait are woken in the order in which they began to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

struct Shared<T> {
    value: Mutex<T>,
    /// Grows with each change. The last bit says whether the sender is gone.
    version: AtomicU64,
    changed: Notify,
}

/// The bit of a version that says that the sender is gone.
const GONE: u64 = 1;
/// The next version.
const NEXT: u64 = 2;

impl<T> Shared<T> {
    fn value(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Sender<T>(Arc<Shared<T>>);

pub(crate) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

/// The sender is gone.
#[derive(Debug)]
pub(crate) struct Gone;

pub(crate) fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let (value, version) = (Mutex::new(value), AtomicU64::new(0));
    let sender = Sender(Arc::new(Shared { value, version, changed: Notify::new() }));
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    pub(crate) fn borrow(&self) -> MutexGuard<'_, T> {
        self.0.value()
    }

    pub(crate) fn subscribe(&self) -> Receiver<T> {
        let seen = self.0.version.load(Ordering::Acquire);
        Receiver { shared: self.0.clone(), seen }
    }

    pub(crate) fn send_replace(&self, value: T) -> T {
        let replaced = std::mem::replace(&mut *self.0.value(), value);
        self.send_modify(|_| ());
        replaced
    }

    pub(crate) fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    pub(crate) fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let modified = {
            let mut value = self.0.value();
            let modified = modify(&mut value);
            if modified {
                self.0.version.fetch_add(NEXT, Ordering::AcqRel);
            }
            modified
        };
        if modified {
            self.0.changed.notify_waiters();
        }
        modified
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.version.fetch_or(GONE, Ordering::AcqRel);
        self.0.changed.notify_waiters();
    }
}

impl<T> Receiver<T> {
    pub(crate) async fn changed(&mut self) -> Result<(), Gone> {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // registers now, so that nothing is missed before the await
            changed.as_mut().enable();
            let version = self.shared.version.load(Ordering::Acquire);
            if version & !GONE != self.seen & !GONE {
                self.seen = version;
                return Ok(());
            }
            if version & GONE != 0 {
                return Err(Gone);
            }
            changed.await;
        }
    }

    pub(crate) async fn wait_for(&mut self, mut such: impl FnMut(&T) -> bool) -> Result<(), Gone> {
        loop {
            self.seen = self.shared.version.load(Ordering::Acquire);
            if such(&self.shared.value()) {
                return Ok(());
            }
            self.changed().await?;
        }
    }
}
