//! The command line.

use std::path::PathBuf;

use crate::world::KINDS;

pub(crate) const USAGE: &str = "\
usage: trip [--state DIR] [--input FILE] [--crash-at NODE]

  --state DIR      where sagas.db and world.db are kept; default: a new temporary directory
  --input FILE     the requests; default: examples/data/trips.json
  --crash-at NODE  abort right after the first effect of this node (flight, hotel, car, payment);
                   run again with the same --state to finish";

pub(crate) const INPUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/trips.json");

/// What the user asked for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) state: Option<PathBuf>,
    pub(crate) input: Option<PathBuf>,
    pub(crate) crash_at: Option<String>,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, given) = match arg.split_once('=') {
                Some((name, value)) => (name.to_string(), Some(value.to_string())),
                None => (arg, None),
            };
            let mut value = |what: &str| {
                let value = given.clone().or_else(|| args.next()).filter(|v| !v.starts_with("--"));
                value.filter(|v| !v.is_empty()).ok_or(format!("{name} needs a {what}"))
            };
            match name.as_str() {
                "--state" => set(&mut options.state, &name, value("directory")?.into())?,
                "--input" => set(&mut options.input, &name, value("file")?.into())?,
                "--crash-at" => {
                    let node = value("node")?;
                    if !KINDS.contains(&node.as_str()) {
                        let known = KINDS.join(", ");
                        return Err(format!("no node `{node}` has an effect; there are {known}"));
                    }
                    set(&mut options.crash_at, &name, node)?;
                }
                "--help" | "-h" => options.help = true,
                _ => return Err(format!("unknown argument `{name}`")),
            }
        }
        Ok(options)
    }
}

fn set<T>(option: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{name} is given twice")),
    }
}
