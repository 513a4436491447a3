//! The command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use saga_benches::Any;

const USAGE: &str = "\
usage: cargo bench-peers [--quick] [--only PART] [--save]

  --quick       fewer and shorter rounds; ends within two minutes
  --only PART   only `memory`, `time` or `disk`
  --save        write the results to docs/performance.json and the chart to docs/performance.svg
                instead of target/bench-peers";

/// What to measure, and how thoroughly.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) save: bool,
    only: Option<String>,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Self, Any> {
        let mut options = Self::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => options.quick = true,
                "--save" => options.save = true,
                "--only" => {
                    let part = args.next().ok_or(USAGE)?;
                    if !["memory", "time", "disk"].contains(&part.as_str()) {
                        return Err(USAGE.into());
                    }
                    options.only = Some(part);
                }
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }

    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 3 } else { 11 }
    }

    /// For how long an engine runs one workload in one round.
    pub(crate) fn budget(&self) -> Duration {
        Duration::from_millis(if self.quick { 10 } else { 40 })
    }

    pub(crate) fn durable_rounds(&self) -> usize {
        if self.quick { 3 } else { 7 }
    }

    pub(crate) fn durable_time(&self) -> Duration {
        Duration::from_millis(if self.quick { 700 } else { 2_000 })
    }

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    /// Where databases are created.
    pub(crate) fn scratch(&self) -> PathBuf {
        Self::root().join("target/bench-peers")
    }

    /// The JSON and the chart.
    pub(crate) fn results(&self) -> (PathBuf, PathBuf) {
        let directory = if self.save { Self::root().join("docs") } else { self.scratch() };
        (directory.join("performance.json"), directory.join("performance.svg"))
    }
}
