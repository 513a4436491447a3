//! Why a value is refused, and which part of it.

use std::fmt;

use serde::ser;

use crate::json::encode::MAX_NESTING;

/// Why a value cannot be written. It is one pointer, because it is returned through every level of a value.
#[derive(Debug)]
#[doc(hidden)]
pub struct WriteError(Box<Refused>);

#[derive(Debug)]
struct Refused {
    why: Why,
    /// The path to what is refused, last segment first.
    path: Vec<String>,
}

#[derive(Debug)]
enum Why {
    NotFinite,
    TooDeep,
    Other(String),
}

impl WriteError {
    fn new(why: Why) -> Self {
        Self(Box::new(Refused { why, path: Vec::new() }))
    }

    #[cold]
    pub(super) fn not_finite() -> Self {
        Self::new(Why::NotFinite)
    }

    #[cold]
    pub(super) fn too_deep() -> Self {
        Self::new(Why::TooDeep)
    }

    #[cold]
    pub(super) fn in_field(mut self, name: &str) -> Self {
        self.0.path.push(name.to_string());
        self
    }

    #[cold]
    pub(super) fn in_element(mut self, index: usize) -> Self {
        self.0.path.push(format!("[{index}]"));
        self
    }

    /// In a value of a map. Its key is the user's data, and is not shown.
    #[cold]
    pub(super) fn in_key(mut self) -> Self {
        self.0.path.push("[..]".to_string());
        self
    }

    fn path(&self) -> String {
        let mut shown = String::new();
        for segment in self.0.path.iter().rev() {
            if !shown.is_empty() && !segment.starts_with('[') {
                shown.push('.');
            }
            shown.push_str(segment);
        }
        shown
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        match &self.0.why {
            Why::NotFinite if path.is_empty() => {
                f.write_str("the value is NaN or infinite, which JSON cannot hold")
            }
            Why::NotFinite => write!(f, "`{path}` is NaN or infinite, which JSON cannot hold"),
            Why::TooDeep => write!(f, "it is nested more than {MAX_NESTING} levels deep"),
            Why::Other(why) if path.is_empty() => f.write_str(why),
            Why::Other(why) => write!(f, "`{path}`: {why}"),
        }
    }
}

impl std::error::Error for WriteError {}

impl ser::Error for WriteError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Why::Other(message.to_string()))
    }
}
