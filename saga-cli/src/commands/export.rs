//! `export`: a saga with its whole log.

use std::fs;

use super::reader;
use crate::args::{ExportArgs, Global};
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(super) async fn export(
    global: &Global,
    output: &Output,
    args: ExportArgs,
) -> Result<Exit, Failure> {
    let json = reader(global).await?.view(&args.id).await?.to_json();
    match &args.to {
        None => output.print(&json)?,
        Some(path) => fs::write(path, json)
            .map_err(|error| Failure::error(format!("cannot write {}: {error}", path.display())))?,
    }
    Ok(Exit::Done)
}
