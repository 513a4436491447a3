//! Where the rows of a saga's log are in the table of all logs: one integer says which saga and which entry.

/// How many of the lowest bits are the sequence number of a row's first entry. The others are the saga's number.
const SEQ_BITS: u32 = 24;

/// The largest sequence number that has a place.
const MAX_SEQ: u64 = (1 << SEQ_BITS) - 1;

/// The largest number of a saga whose log has a place.
const MAX_NUMBER: i64 = i64::MAX >> SEQ_BITS;

/// Fails if a log that ends before this entry is too long.
pub(super) fn check_end(next_seq: u64) -> Result<(), String> {
    match next_seq.checked_sub(1) {
        Some(0..=MAX_SEQ) => Ok(()),
        last => Err(format!(
            "entry {} is one too many; the log of a saga can have {MAX_SEQ}",
            last.unwrap_or_default()
        )),
    }
}

/// The key of the row that begins with this entry.
///
/// # Errors
/// The saga's number is too large, of which the whole transaction must be undone.
pub(super) fn key(number: i64, first_seq: i64) -> rusqlite::Result<i64> {
    let seq = u64::try_from(first_seq).ok().filter(|seq| *seq <= MAX_SEQ);
    match (number, seq) {
        (0..=MAX_NUMBER, Some(_)) => Ok((number << SEQ_BITS) | first_seq),
        _ => {
            let why = format!(
                "entry {first_seq} of saga number {number} has no place; the numbers of a file go up to \
                 {MAX_NUMBER}, and those of entries to {MAX_SEQ}, so choose a new file"
            );
            Err(rusqlite::Error::ToSqlConversionFailure(why.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_sagas_and_entries() {
        let ends =
            [(0, 1), (0, 2), (0, 16_777_215), (1, 1), (MAX_NUMBER, 1), (MAX_NUMBER, 16_777_215)];
        let keys = ends.map(|(number, seq)| key(number, seq).unwrap());
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        assert_eq!(keys[5], i64::MAX);
    }

    #[test]
    fn what_has_no_place_is_refused() {
        for (number, seq) in [(-1, 1), (MAX_NUMBER + 1, 1), (i64::MAX, 1), (1, -1), (1, 16_777_216)]
        {
            let e = key(number, seq).unwrap_err().to_string();
            assert!(
                e.contains(&format!("entry {seq} of saga number {number} has no place")),
                "{e}"
            );
        }
        assert_eq!(check_end(16_777_216), Ok(()));
        let e = check_end(16_777_217).unwrap_err();
        assert_eq!(e, "entry 16777216 is one too many; the log of a saga can have 16777215");
    }
}
