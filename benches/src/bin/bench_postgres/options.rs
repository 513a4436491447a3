//! The command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use saga_benches::Any;
use saga_benches::postgres::PostgresEngine;

const USAGE: &str = "\
usage: cargo bench-postgres [--quick] [--save] [--engine NAME] [--workers N] [--at-once N]

  --quick        fewer and shorter rounds
  --save         write the results and the chart to docs instead of target/bench-peers
  --engine NAME  only `bare`, `ours` or `dbos`
  --workers N    only with so many workers, instead of 1, 2 and 4
  --at-once N    only with so many sagas at once, instead of 1, 50 and 500";

/// What to measure, and how thoroughly.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) workers: Vec<usize>,
    pub(crate) at_once: Vec<usize>,
    pub(crate) engines: Vec<PostgresEngine>,
    save: bool,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Self, Any> {
        let (workers, at_once) = (vec![1, 2, 4], vec![1, 50, 500]);
        let engines = PostgresEngine::ALL.to_vec();
        let mut options = Self { quick: false, workers, at_once, engines, save: false };
        while let Some(arg) = args.next() {
            let mut number = || {
                let number = args.next().and_then(|number| number.parse().ok());
                number.filter(|number| *number > 0).ok_or(USAGE)
            };
            match arg.as_str() {
                "--quick" => options.quick = true,
                "--save" => options.save = true,
                "--workers" => options.workers = vec![number()?],
                "--at-once" => options.at_once = vec![number()?],
                "--engine" => {
                    let name = serde_json::Value::String(args.next().ok_or(USAGE)?);
                    options.engines = vec![serde_json::from_value(name).map_err(|_| USAGE)?];
                }
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }

    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 2 } else { 5 }
    }

    /// For how long sagas are started in a round.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { 3 })
    }

    /// Where the JSON and the chart go.
    pub(crate) fn files(&self) -> Result<(PathBuf, PathBuf), Any> {
        let directory = if self.save { root().join("docs") } else { scratch()? };
        Ok((directory.join("postgres.json"), directory.join("postgres.svg")))
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where the server keeps its data: not in the directory for temporary files, which may be in memory.
pub(crate) fn scratch() -> Result<PathBuf, Any> {
    let scratch = root().join("target/bench-peers");
    fs::create_dir_all(&scratch)?;
    Ok(scratch)
}
