//! Text that comes from sagas, their programs and their operators: it is escaped by the templates, and here isolated from
//! the direction of the text around it and cut where it is long. And how times and sizes are written.

use std::fmt::Write;

use maud::{Markup, html};
use saga_core::log::Timestamp;

/// How much of one text a page shows, in bytes.
pub(crate) const MAX_TEXT: usize = 2048;

/// The beginning of a text, and how long all of it is if that is not all.
fn beginning(text: &str, max: usize) -> (String, Option<usize>) {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    let (start, _) = text.split_at(end.unwrap_or_default());
    // a page does not show control characters
    let visible =
        |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
    (start.chars().map(visible).collect(), (start.len() < text.len()).then_some(text.len()))
}

/// Any text of somebody else.
pub(crate) fn user(text: &str) -> Markup {
    let (start, all) = beginning(text, MAX_TEXT);
    html! {
        bdi.u { (start) }
        @if let Some(all) = all { span.cut { "… (" (size(all)) " in all)" } }
    }
}

/// The same on one line of a table, where the whole is one click away.
pub(crate) fn brief(text: &str) -> Markup {
    let (start, all) = beginning(text, 160);
    html! { bdi.u { (start) } @if all.is_some() { span.cut { "…" } } }
}

/// A stored value: JSON if it is text, otherwise its size.
pub(crate) fn value(bytes: &[u8]) -> Markup {
    // no more is looked at than is shown, and a character that is cut in two
    let shown = bytes.get(..MAX_TEXT.min(bytes.len())).unwrap_or_default();
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            shown.get(..error.valid_up_to()).and_then(|start| std::str::from_utf8(start).ok())
        }
        Err(_) => None,
    };
    html! {
        @match text {
            Some(text) => {
                code.value { (user(text)) }
                @if text.len() < bytes.len() { span.cut { "… (" (size(bytes.len())) " in all)" } }
            }
            None => { span.cut { (size(bytes.len())) " that are no text" } }
        }
    }
}

pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// A duration in milliseconds, as people say it.
pub(crate) fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..10 => format!("{:.1} s", millis as f64 / 1000.0),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A moment, as how long ago it was; the moment itself is in the tooltip.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let text = match now.0.checked_sub(at.0) {
        Some(0..1000) => "now".to_string(),
        Some(past) => format!("{} ago", duration(past)),
        None => format!("in {}", duration(at.0.saturating_sub(now.0))),
    };
    html! { time datetime=(at) title=(at) { (text) } }
}

/// A moment in full.
pub(crate) fn moment(at: Timestamp) -> Markup {
    let full = at.to_string();
    let (date, time) = full.split_once('T').unwrap_or((&full, ""));
    html! { time.full datetime=(full) { (date) " " (time.trim_end_matches('Z')) } }
}

/// A number with spaces between thousands.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A text as part of the query of an address.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{beginning, encoded, number, value};

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(beginning("aä", 2), ("a".to_string(), Some(3)));
        assert_eq!(beginning("a\u{0}b", 10), ("a\u{fffd}b".to_string(), None));
        let long = "ä".repeat(3000);
        assert!(value(long.as_bytes()).into_string().contains("5.9 KiB in all"));
        assert!(value(&[0xff, 0xfe]).into_string().contains("2 bytes that are no text"));
    }

    #[test]
    fn numbers_and_addresses() {
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(encoded("a b/<ä>"), "a%20b%2F%3C%C3%A4%3E");
    }
}
