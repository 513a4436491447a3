//! The prefix that distinguishes a store's tables from others in the same database.

use std::borrow::Cow;

/// The prefix of the names of the store's tables and indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TablePrefix(String);

impl TablePrefix {
    /// Checks a prefix, because it becomes part of SQL statements.
    pub(super) fn new(prefix: &str) -> Result<Self, String> {
        let first = prefix.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if first && prefix.chars().all(word) && prefix.len() <= 31 && !prefix.starts_with("sqlite_")
        {
            return Ok(Self(prefix.to_string()));
        }
        let shown: String = prefix.chars().take(40).collect();
        Err(format!(
            "the table prefix {shown:?} must be 1 to 31 characters from a-z, 0-9 and _, and must not begin with \
             a digit or with `sqlite_`"
        ))
    }

    /// Adds the prefix to every word of the SQL that names a table or an index of the store. The column
    /// `saga_id`, whose name looks like one, stays as it is.
    pub(super) fn sql<'a>(&self, sql: &'a str) -> Cow<'a, str> {
        if self.0.is_empty() {
            return Cow::Borrowed(sql);
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut text = String::with_capacity(sql.len() + 64);
        let mut rest = sql;
        while let Some(start) = rest.find(is_word) {
            let (before, from) = rest.split_at(start);
            let (word, after) = from.split_at(from.find(|c| !is_word(c)).unwrap_or(from.len()));
            text.push_str(before);
            if word == "saga" || (word.starts_with("saga_") && word != "saga_id") {
                text.push_str(&self.0);
            }
            text.push_str(word);
            rest = after;
        }
        text.push_str(rest);
        Cow::Owned(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_only_accepted_if_it_is_part_of_a_name() {
        let long = "x".repeat(31);
        for prefix in ["x", "_", "shop_", "a1_", &long] {
            assert_eq!(TablePrefix::new(prefix), Ok(TablePrefix(prefix.to_string())));
        }
        let too_long = "x".repeat(32);
        for prefix in
            ["", "x\"; drop", "1x", "X", "x-", "x y", "ä", "x\0", "sqlite_x", "x'", &too_long]
        {
            let e = TablePrefix::new(prefix).unwrap_err();
            assert!(e.contains("must be 1 to 31 characters from a-z, 0-9 and _"), "{e}");
        }
        let e = TablePrefix::new("x\"; drop").unwrap_err();
        assert!(e.starts_with("the table prefix \"x\\\"; drop\" must be"), "{e}");
    }

    #[test]
    fn the_prefix_is_added_to_all_names_of_the_store() {
        let prefix = TablePrefix::new("shop_").unwrap();
        let sql =
            "SELECT saga_id, 'saga_meta' FROM saga_event JOIN saga AS s INDEXED BY saga_ended";
        let expected = "SELECT saga_id, 'shop_saga_meta' FROM shop_saga_event JOIN shop_saga AS s \
                        INDEXED BY shop_saga_ended";
        assert_eq!(prefix.sql(sql), expected);
        assert_eq!(TablePrefix::default().sql(sql), sql);
    }
}
