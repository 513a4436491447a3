//! Text in a picture: which characters it may contain, and how much room it needs.

/// Turns text into what may stand between tags and in a quoted attribute. Characters that XML does not allow
/// become spaces. Those that turn the direction of text become �: nothing may look like what it is not.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' => out.push('\u{fffd}'),
            '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Escaped text within a sentence, where it keeps its own direction, and the sentence too.
pub(super) fn isolated(text: &str) -> String {
    format!("\u{2068}{}\u{2069}", escaped(text))
}

/// About how wide this text is in a proportional font of this size. Nothing here knows the reader's fonts, so this
/// is rather too much.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

/// The text, or as much of its beginning as is no wider than this, with an ellipsis.
pub(super) fn shortened(text: &str, size: f64, most: f64) -> String {
    if width(text, size) <= most {
        return text.to_string();
    }
    let mut room = most / size - em('…');
    let fits = |c: &char| {
        room -= em(*c);
        room >= 0.0
    };
    let mut short = text.chars().take_while(fits).collect::<String>();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

/// How wide a character is, as a part of the font's size.
fn em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.34,
        'f' | 't' | 'r' | 'I' | '(' | ')' | '-' | ' ' => 0.44,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.98,
        'A'..='Z' | '_' | '…' | '&' | '#' | '<' | '>' | '=' | '+' | '~' => 0.76,
        // From here on there are scripts and pictures as wide as they are high.
        '\u{1100}'.. => 1.1,
        _ => 0.63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_tag_or_turns_the_text() {
        let hostile = "<a b=\"'&\u{0}\u{1b}\u{202e}\u{2069}\u{ffff}";
        assert_eq!(escaped(hostile), "&lt;a b=&quot;&#39;&amp;  \u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(isolated("שלום"), "\u{2068}שלום\u{2069}");
    }

    #[test]
    fn long_text_is_shortened_by_its_width() {
        assert_eq!(shortened("charge", 10.0, 100.0), "charge");
        assert_eq!(shortened(&"x".repeat(100), 10.0, 50.0), "xxxxxx…");
        assert_eq!(shortened("charge the credit card", 10.0, 50.0), "charge…");
        let pictures = "🦀".repeat(50);
        assert!(width(&shortened(&pictures, 10.0, 100.0), 10.0) <= 100.0);
    }
}
