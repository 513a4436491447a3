//! Requests, and what became of them.

use super::escape::{plain, plain_lines};
use crate::commands::{AllAsked, Asked, Foreseen};
use crate::failure::Exit;

/// A line for each request, and a summary if there are several.
pub(crate) fn asked(all: &AllAsked) -> String {
    if all.results.is_empty() {
        return "no saga meets the conditions\n".to_string();
    }
    let mut out = all.results.iter().map(|asked| line(all.command, asked)).collect::<String>();
    if all.interrupted {
        let count = |outcome| all.results.iter().filter(|asked| asked.outcome == outcome).count();
        out += &format!(
            "interrupted: {} in the store and without an answer, {} not asked\n",
            count("unanswered"),
            count("not_asked")
        );
    }
    if all.results.len() > 1 {
        let done = all.results.iter().filter(|asked| asked.exit == Exit::Done).count();
        let others = all.results.len() - done;
        out += &format!("{}: {done} of {} carried out", all.command, all.results.len());
        out += &if others == 0 { "\n".to_string() } else { format!(", {others} not\n") };
    }
    out
}

fn line(command: &str, asked: &Asked) -> String {
    let saga = plain(&asked.saga);
    let why = asked.message.as_deref().map(plain).unwrap_or_default();
    match asked.outcome {
        "done" if command == "signal" => format!("{saga}: the event is in its log\n"),
        "begun" => {
            format!("{saga}: {command} has begun again; `saga tail {saga}` shows how it goes\n")
        }
        "failed_again" => format!("{saga}: {command} has failed again: {why}\n"),
        "done" => format!("{saga}: {command} is in its log and takes effect\n"),
        "duplicate" => format!("{saga}: nothing to do, it has this event already\n"),
        "not_asked" => format!("{saga}: {command} was not asked: {why}\n"),
        "held" => format!("{saga}: {command} is held until its pivot has ended\n"),
        "nothing_to_do" => format!("{saga}: nothing to do, it is already there\n"),
        "refused" => format!("{saga}: {command} is refused: {why}\n"),
        "unanswered" => format!(
            "{saga}: {command} is in the store, and no worker has answered yet; it will be carried out as soon as one runs the \
             saga. `saga audit {saga}` shows what became of it\n"
        ),
        _ => format!("{saga}: {command} failed: {why}\n"),
    }
}

/// What would be written and done.
pub(crate) fn foreseen(all: &[Foreseen]) -> String {
    if all.is_empty() {
        return "no saga meets the conditions\n".to_string();
    }
    let texts = all.iter().map(|foreseen| match foreseen {
        Foreseen::Known(prediction) => plain_lines(&prediction.to_string()),
        Foreseen::Unknown { saga, error } => format!("{}: {}\n", plain(saga), plain(error)),
    });
    texts.chain(["nothing was asked: this is a dry run\n".to_string()]).collect()
}
