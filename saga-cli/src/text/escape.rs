//! Text of others: names, notes and errors may hold characters that make a terminal do something else than show them.

/// The text on one line, with every character escaped that would not simply be shown.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hostile(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Text of several lines, each of them [`plain`].
pub(crate) fn plain_lines(text: &str) -> String {
    text.lines().map(|line| plain(line) + "\n").collect()
}

/// [`plain`], and cut off with an ellipsis after so many characters.
pub(crate) fn short(text: &str, most: usize) -> String {
    let text = plain(text);
    match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        false => text,
    }
}

/// [`plain`], unless it is so long that nobody would read it: then its beginning, and how long it is.
pub(crate) fn brief(text: &str) -> String {
    const MOST: usize = 4000;
    if text.len() <= MOST {
        return plain(text);
    }
    let cut = (0..=MOST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let beginning = text.get(..cut).unwrap_or_default();
    format!("{} ... ({} bytes in all; `saga log` has them)", plain(beginning), text.len())
}

/// Text in a language of its own, such as that of Graphviz, with what a terminal would obey escaped.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if is_hostile(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// JSON that says the same, with such characters written as `\u....`. They can only be inside of strings.
pub(crate) fn json_text(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // between the lines of the JSON itself
            '\n' => out.push(c),
            c if is_hostile(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// Control characters, and those that are invisible or change the order in which others are shown.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(plain("sold out"), "sold out");
        assert_eq!(plain("Zürich → 東京 🚲"), "Zürich → 東京 🚲");
        assert_eq!(plain("a\u{1b}[31mred\u{7}\n\u{9b}2J"), "a\\u{1b}[31mred\\u{7}\\n\\u{9b}2J");
        assert_eq!(plain("\u{202e}gpj.exe\u{200b}"), "\\u{202e}gpj.exe\\u{200b}");
        assert_eq!(plain_lines("a\u{8}b\nc"), "a\\u{8}b\nc\n");
        assert_eq!(short("123456", 4), "123…");
        assert_eq!(short("1234", 4), "1234");
    }

    #[test]
    fn a_text_that_nobody_would_read_is_cut_off() {
        let long = "ü".repeat(500_000);
        let cut = brief(&long);
        assert!(cut.len() < 5000 && cut.contains("(1000000 bytes in all; "), "{}", cut.len());
        assert_eq!(brief("sold\nout"), "sold\\nout");
    }

    #[test]
    fn escaped_json_says_the_same() {
        let value = serde_json::json!({ "a\u{9b}": "\u{202e}\u{1b}[0m\u{7f} \u{e0041} 東京\n" });
        let text = json_text(&serde_json::to_string_pretty(&value).unwrap());
        assert!(text.chars().all(|c| c == '\n' || !is_hostile(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
