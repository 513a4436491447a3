//! The command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use saga_benches::Any;

const USAGE: &str = "\
usage: cargo bench-peers [scale] [--quick] [--only PART] [--save]
       cargo bench-peers --postgres [OPTIONS OF `cargo bench-postgres`]

  scale         many sagas and many nodes, instead of the comparison
  --quick       fewer and shorter rounds, or smaller numbers; ends within two minutes
  --only PART   of the comparison only `memory`, `time` or `disk`
  --save        write the results and the chart to docs instead of target/bench-peers";

/// What to measure, and how thoroughly.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) scale: bool,
    save: bool,
    only: Option<String>,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Self, Any> {
        let mut options = Self::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "scale" => options.scale = true,
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
        Duration::from_millis(if self.quick { 500 } else { 2_000 })
    }

    /// Where the JSON and the chart of this name go.
    pub(crate) fn files(&self, name: &str) -> Result<(PathBuf, PathBuf), Any> {
        let directory = if self.save { root().join("docs") } else { scratch()? };
        Ok((directory.join(format!("{name}.json")), directory.join(format!("{name}.svg"))))
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where databases are created: not in the directory for temporary files, which may be in memory.
pub(crate) fn scratch() -> Result<PathBuf, Any> {
    let scratch = root().join("target/bench-peers");
    fs::create_dir_all(&scratch)?;
    Ok(scratch)
}
