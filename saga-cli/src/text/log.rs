//! Logs.

use super::escape::{json_text, plain};
use crate::commands::Line;

/// Lines of a log.
pub(crate) fn lines(lines: &[Line]) -> String {
    lines.iter().map(line).collect()
}

/// A line of a log: its number, its time, and what it says.
pub(crate) fn line(line: &Line) -> String {
    let mut text = format!("{:>4} {} {}", line.seq, line.at, line.kind);
    if let Some(node) = &line.node {
        text += &format!(" {}", plain(node));
    }
    if let Some(attempt) = line.attempt.filter(|attempt| *attempt > 1) {
        text += &format!(" (attempt {attempt})");
    }
    if let Some(message) = &line.message {
        text += &format!(": {}", plain(message));
    }
    if let Some(output) = &line.output {
        text += &format!(" = {}", json_text(&output.to_string()));
    }
    text + "\n"
}
