//! What happened in a run, in order: for the report of a failure, to compare two runs, and to count what was reached.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::Instant;

/// The trace of a run. Clones are the same trace.
#[derive(Clone)]
pub(crate) struct Trace {
    began: Instant,
    ticks: Arc<AtomicU64>,
    /// Only where somebody will read them.
    lines: Option<Arc<Mutex<Vec<String>>>>,
    counts: Arc<Mutex<Counts>>,
}

/// How often something was reached.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

impl Trace {
    pub(crate) fn new(began: Instant, with_lines: bool) -> Self {
        let lines = with_lines.then(Arc::default);
        Self { began, ticks: Arc::default(), lines, counts: Arc::default() }
    }

    /// The number of the next event.
    pub(crate) fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes a line, if the trace is recorded.
    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let time = self.began.elapsed();
            let line = format!("{:>8}.{:03} {}", time.as_secs(), time.subsec_millis(), line());
            lines.lock().unwrap().push(line);
        }
    }

    /// Counts that this was reached.
    pub(crate) fn count(&self, what: &'static str) {
        *self.counts().entry(what).or_default() += 1;
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap()
    }

    pub(crate) fn take_counts(&self) -> Counts {
        std::mem::take(&mut self.counts())
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.as_ref().map(|lines| lines.lock().unwrap().clone()).unwrap_or_default()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}
