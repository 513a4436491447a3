//! `export`: a saga with its whole log.

use std::fs::File;
use std::io::Write;

use super::reader;
use crate::args::{ExportArgs, Global};
use crate::confirm::confirm;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(super) async fn export(
    global: &Global,
    output: &Output,
    args: ExportArgs,
) -> Result<Exit, Failure> {
    let json = reader(global).await?.view(&args.id).await?.to_json();
    let question = format!(
        "The export of {} has its parameters and all outputs in it, which may be confidential. Go on?",
        args.id
    );
    confirm(&question, args.yes)?;
    match &args.to {
        None => output.print(&json)?,
        Some(path) => {
            let written =
                File::create_new(path).and_then(|mut file| file.write_all(json.as_bytes()));
            written.map_err(|error| {
                Failure::error(format!("cannot write {}: {error}", path.display()))
            })?;
            output.note(&format!("written to {}", path.display()));
        }
    }
    Ok(Exit::Done)
}
