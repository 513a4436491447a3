//! Which texts can be written as they are. Nearly all can, and finding out takes less than looking for what to
//! escape.

const ONES: u64 = u64::from_le_bytes([1; 8]);

/// True if JSON does not allow this text as it is: it contains a quote, a backslash or a control character.
pub(super) fn needs_escapes(text: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let last = rest.iter().fold(ONES * u64::from(b' '), |last, byte| last << 8 | u64::from(*byte));
    words.iter().any(|word| has_special(u64::from_le_bytes(*word))) || has_special(last)
}

/// The same for eight bytes. It finds each zero byte in `x` with `(x - 0x01..) & !x & 0x80..`, which never
/// misses one, and after one may find another that is none.
fn has_special(word: u64) -> bool {
    const HIGH_BITS: u64 = ONES << 7;
    let control = word.wrapping_sub(ONES * u64::from(b' ')) & !word;
    let quote = word ^ (ONES * u64::from(b'"'));
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = word ^ (ONES * u64::from(b'\\'));
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & HIGH_BITS != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_known_in_every_place() {
        for c in (0..0x3000).filter_map(char::from_u32) {
            let escaped = serde_json::to_string(&c).unwrap().len() > c.len_utf8() + 2;
            for (before, after) in [(0, 0), (1, 0), (7, 8), (8, 7), (3, 20), (16, 0)] {
                let text = format!("{}{c}{}", "é".repeat(before), "~".repeat(after));
                assert_eq!(needs_escapes(&text), escaped, "{text:?}");
            }
        }
    }
}
