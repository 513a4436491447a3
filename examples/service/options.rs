//! The command line.

use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
usage: service [--state DIR] [--port PORT] [--demo]

  --state DIR   where orders.db is kept; default: saga-service in the directory for temporary files
  --port PORT   where it listens, on this computer only; default: 3000, and 0 for any that is free
  --demo        places some orders

The environment variable SERVICE_TOKEN has the token with which operators sign in on the page to act.";

/// What the user asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) state: PathBuf,
    pub(crate) port: u16,
    pub(crate) demo: bool,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let state = std::env::temp_dir().join("saga-service");
        let mut options = Self { state, port: 3000, demo: false, help: false };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--state" => options.state = args.next().ok_or("--state needs a directory")?.into(),
                "--port" => {
                    let port = args.next().ok_or("--port needs a number")?;
                    options.port = port.parse().map_err(|error| format!("{port}: {error}"))?;
                }
                "--demo" => options.demo = true,
                "--help" | "-h" => options.help = true,
                _ => return Err(format!("unknown argument `{arg}`")),
            }
        }
        Ok(options)
    }
}
