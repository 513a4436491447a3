//! The notation of the lines: the part of TOML that has tables, lists, texts, numbers and flags on one line.

use std::iter::Peekable;
use std::str::Chars;

/// A value on a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(u32),
    Flag(bool),
    List(Vec<Value>),
    Table(Vec<(String, Value)>),
}

impl Value {
    pub(crate) fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    pub(super) fn texts<T: ToString>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    /// Reads a whole line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        let mut rest = Reader(line.chars().peekable());
        let value = rest.value(0)?;
        rest.end()?;
        Ok(value)
    }

    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(&quoted(text)),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
            Self::Table(fields) => {
                out.push('{');
                for (i, (key, value)) in fields.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { " " });
                    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                    match !key.is_empty() && key.chars().all(is_bare) {
                        true => out.push_str(key),
                        false => out.push_str(&quoted(key)),
                    }
                    out.push_str(" = ");
                    value.write(out);
                }
                out.push_str(if fields.is_empty() { "}" } else { " }" });
            }
        }
    }
}

/// A text with its quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A line such as `version = 2`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn key_and_value(line: &str) -> Result<(String, Value), String> {
    let mut rest = Reader(line.chars().peekable());
    let key = rest.key()?;
    rest.expect('=')?;
    let value = rest.value(0)?;
    rest.end()?;
    Ok((key, value))
}

/// How deep values may be nested; those of this library are nested three deep.
const MAX_DEPTH: usize = 16;

struct Reader<'a>(Peekable<Chars<'a>>);

impl Reader<'_> {
    /// The next character that is not a space.
    fn peek(&mut self) -> Option<char> {
        while self.0.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
        self.0.peek().copied()
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.peek() == Some(wanted) && self.0.next().is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.takes(wanted) {
            return Ok(());
        }
        Err(match self.peek() {
            Some(found) => format!("expected `{wanted}`, and found `{found}`"),
            None => format!("expected `{wanted}`, and found the end of the line"),
        })
    }

    fn end(&mut self) -> Result<(), String> {
        match self.peek() {
            None | Some('#') => Ok(()),
            Some(found) => Err(format!("expected the end of the line, and found `{found}`")),
        }
    }

    fn word(&mut self) -> String {
        let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        std::iter::from_fn(|| self.0.next_if(is_part)).collect()
    }

    fn key(&mut self) -> Result<String, String> {
        if self.peek() == Some('"') {
            return self.text();
        }
        match self.word() {
            word if word.is_empty() => Err("expected a key such as `name`".to_string()),
            word => Ok(word),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("it is nested too deeply".to_string());
        }
        match self.peek() {
            Some('"') => self.text().map(Value::Text),
            Some('[') => self.list('[', ']', |at| at.value(depth + 1)).map(Value::List),
            Some('{') => {
                let fields = self.list('{', '}', |at| {
                    let key = at.key()?;
                    at.expect('=')?;
                    Ok((key, at.value(depth + 1)?))
                });
                fields.map(Value::Table)
            }
            Some(_) | None => match self.word().as_str() {
                "true" => Ok(Value::Flag(true)),
                "false" => Ok(Value::Flag(false)),
                word => match word.parse() {
                    Ok(number) => Ok(Value::Number(number)),
                    Err(_) => Err(format!("expected a value, and found `{word}`")),
                },
            },
        }
    }

    fn list<T>(
        &mut self,
        open: char,
        close: char,
        item: impl Fn(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        self.expect(open)?;
        let mut items = Vec::new();
        while !self.takes(close) {
            if !items.is_empty() {
                self.expect(',')?;
                if self.takes(close) {
                    break;
                }
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn text(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.0.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some(c) => text.push(c),
                None => return Err("a text has no end".to_string()),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, String> {
        match self.0.next() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some(c @ ('"' | '\\')) => Ok(c),
            Some('u') => {
                let digits = self.0.by_ref().take(4).collect::<String>();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                code.ok_or_else(|| format!("`\\u{digits}` is no character"))
            }
            Some(c) => Err(format!("`\\{c}` is no character")),
            None => Err("a text has no end".to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let value = Value::Table(vec![
            ("text".into(), Value::text("a \"b\" \\ \n \u{1} ü")),
            ("not bare".into(), Value::List(vec![Value::Number(7), Value::Flag(true)])),
            ("table".into(), Value::Table(vec![("inner".into(), Value::List(Vec::new()))])),
        ]);
        let mut line = String::new();
        value.write(&mut line);
        assert_eq!(Value::read(&line), Ok(value));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let said = |line| Value::read(line).map(drop).unwrap_err();
        assert_eq!(said("{ a = \"b }"), "a text has no end");
        assert_eq!(said("{ a = 1 b = 2 }"), "expected `,`, and found `b`");
        assert_eq!(said("{ a = one }"), "expected a value, and found `one`");
        assert_eq!(said("[1] 2"), "expected the end of the line, and found `2`");
        assert_eq!(said(&"[".repeat(99)), "it is nested too deeply");
    }
}
