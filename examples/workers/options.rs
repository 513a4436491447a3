//! The command line.

use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
usage: workers [--workers N] [--trips N] [--url URL] [--no-kill]

  --workers N  how many other processes run trips; default: 3
  --trips N    how many trips are booked; default: 48
  --url URL    the database; default: a new PostgreSQL in a temporary directory
  --no-kill    lets all workers live";

pub(crate) const INPUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/trips.json");

/// The environment variable that tells a worker its database.
pub(crate) const URL: &str = "WORKERS_URL";

/// What the user asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) workers: usize,
    pub(crate) trips: usize,
    pub(crate) url: Option<String>,
    pub(crate) kill: bool,
    pub(crate) help: bool,
    /// Which worker this process is, from 1; `None` for the first process.
    pub(crate) worker: Option<usize>,
    /// The file of the outside world, for a worker.
    pub(crate) world: Option<PathBuf>,
    /// What the ids of the trips begin with, so that a database can be used again: it keeps the trips of earlier runs.
    pub(crate) run: String,
}

impl Options {
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            workers: 3,
            trips: 48,
            url: None,
            kill: true,
            help: false,
            worker: None,
            world: None,
            run: String::new(),
        };
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            let mut value = |what: &str| args.next().ok_or(format!("{name} needs a {what}"));
            match name.as_str() {
                "--workers" => options.workers = number(&name, &value("number")?)?,
                "--trips" => options.trips = number(&name, &value("number")?)?,
                "--url" => options.url = Some(value("URL")?),
                "--no-kill" => options.kill = false,
                // for the workers that this program starts
                "--worker" => options.worker = Some(number(&name, &value("number")?)?),
                "--world" => options.world = Some(value("file")?.into()),
                "--run" => options.run = value("word")?,
                "--help" | "-h" => options.help = true,
                _ => return Err(format!("unknown argument `{name}`")),
            }
        }
        Ok(options)
    }
}

fn number(name: &str, value: &str) -> Result<usize, String> {
    let number = value.parse().ok().filter(|number| (1..=1000).contains(number));
    number.ok_or_else(|| format!("{name} needs a number from 1 to 1000, not `{value}`"))
}
