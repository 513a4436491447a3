//! Log entries as rows of a database: one row for each append, with all of its entries, unless their payloads are very large.
//!
//! What is small about them is a JSON array, which SQL can read; their payloads follow each other in a column of their
//! own. Both are written and read by hand, since each entry of each saga passes through here.

use std::borrow::Cow;
use std::iter;
use std::ops::Range;

use crate::log::{Entry, EntryKind, NodePath, Payload, Timestamp};

/// Payloads of so many bytes fill a row. SQLite and PostgreSQL take up to a billion bytes in one value.
const FULL: usize = 64 << 20;

/// The rows of one append: mostly one, which has no place in a list of its own.
pub(super) struct LogRows {
    first: LogRow,
    others: Vec<LogRow>,
}

impl LogRows {
    pub(super) fn new(first_seq: u64, entries: &[Entry]) -> Result<Self, String> {
        let first = LogRow::new(first_seq, entries)?;
        let (mut others, mut done) = (Vec::new(), first.count as usize);
        while let Some(rest) = entries.get(done..).filter(|rest| !rest.is_empty()) {
            let row = LogRow::new(first_seq.saturating_add(done as u64), rest)?;
            done += row.count as usize;
            others.push(row);
        }
        Ok(Self { first, others })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &LogRow> {
        iter::once(&self.first).chain(&self.others)
    }

    /// The row, if there is only one.
    #[cfg(feature = "postgres")]
    pub(super) fn only(&self) -> Option<&LogRow> {
        self.others.is_empty().then_some(&self.first)
    }
}

/// Entries of one append, encoded.
pub(super) struct LogRow {
    pub(super) first_seq: i64,
    /// How many entries there are.
    pub(super) count: u64,
    /// For each entry an array of its kind, its epoch, its time, its node, its attempt, and the number of bytes of its
    /// payload. Its sequence number follows from its place.
    pub(super) entries: Vec<u8>,
    /// The payloads, one after the other.
    pub(super) payloads: Payloads,
}

/// Payloads that follow each other. Mostly there is one, an output, which is not copied.
#[derive(Default)]
pub(super) enum Payloads {
    #[default]
    None,
    One(Payload),
    Several(Vec<u8>),
}

impl Payloads {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::One(payload) => payload.as_bytes(),
            Self::Several(bytes) => bytes,
        }
    }

    fn add(&mut self, payload: Payload) {
        match self {
            Self::None => *self = Self::One(payload),
            Self::One(first) => {
                *self = Self::Several([first.as_bytes(), payload.as_bytes()].concat());
            }
            Self::Several(bytes) => bytes.extend_from_slice(payload.as_bytes()),
        }
    }
}

impl LogRow {
    /// A row of the first of these entries: of all, unless it is full before.
    fn new(first_seq: u64, entries: &[Entry]) -> Result<Self, String> {
        let (mut json, mut payloads) = (Vec::with_capacity(entries.len() * 64), Payloads::None);
        let (mut count, mut when) = (0, None);
        for entry in entries {
            if payloads.as_bytes().len() >= FULL {
                break;
            }
            count += 1;
            let payload = entry.kind.encode();
            json.extend_from_slice(if json.is_empty() { b"[[\"" } else { b",[\"" });
            // the words of kinds need no escapes
            json.extend_from_slice(entry.kind.name().as_bytes());
            json.push(b'"');
            when = Some(push_when(&mut json, (entry.epoch, entry.at), when));
            match entry.node() {
                Some(node) => push_text(&mut json, node.as_str())?,
                None => json.extend_from_slice(b"null"),
            }
            push_number(&mut json, entry.attempt().into());
            push_number(&mut json, payload.as_ref().map_or(0, Payload::len) as u64);
            json.push(b']');
            if let Some(payload) = payload {
                payloads.add(payload);
            }
        }
        json.push(b']');
        let first_seq = i64::try_from(first_seq)
            .map_err(|_| format!("{first_seq} is too large to store; the limit is {}", i64::MAX))?;
        Ok(Self { first_seq, count, entries: json, payloads })
    }
}

/// An entry's epoch and time, and where they are in the JSON.
type When = ((u64, Timestamp), Range<usize>);

/// Adds the epoch and the time, which are mostly those of the entry before.
fn push_when(json: &mut Vec<u8>, when: (u64, Timestamp), before: Option<When>) -> When {
    if let Some((same, place)) = before.filter(|(before, _)| *before == when) {
        json.extend_from_within(place.clone());
        return (same, place);
    }
    let start = json.len();
    push_number(json, when.0);
    push_number(json, when.1.0);
    json.push(b',');
    (when, start..json.len())
}

fn push_text(json: &mut Vec<u8>, text: &str) -> Result<(), String> {
    if text.bytes().any(|b| b < b' ' || b == b'"' || b == b'\\') {
        serde_json::to_writer(json, text).map_err(|e| e.to_string())?;
    } else {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    }
    Ok(())
}

/// Adds a comma and the number.
fn push_number(json: &mut Vec<u8>, number: u64) {
    let (mut digits, mut rest) = ([0; 20], number);
    let mut start = digits.len();
    for place in digits.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        (rest, start) = (rest / 10, start - 1);
        if rest == 0 {
            break;
        }
    }
    json.push(b',');
    json.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// Adds the entries of a row to those before it, of which there are as many as the row's first sequence number says.
///
/// # Errors
/// Which entry is damaged, and how.
pub(super) fn read(
    first_seq: i64,
    entries: &[u8],
    payloads: &[u8],
    log: &mut Vec<Entry>,
) -> Result<(), (u64, String)> {
    let expected = log.len() as u64 + 1;
    if u64::try_from(first_seq) != Ok(expected) {
        let why = format!("the entry is missing; the next one is entry {first_seq}");
        return Err((expected, why));
    }
    let (mut heads, mut payloads) = (Json(entries), payloads);
    let mut before = "[";
    loop {
        let seq = log.len() as u64 + 1;
        let damaged = |why: String| (seq, why);
        let head = heads.skip(before).and_then(|()| heads.head());
        let head = head.ok_or_else(|| damaged("its row cannot be read".to_string()))?;
        let Some((payload, rest)) = payloads.split_at_checked(head.payload) else {
            return Err(damaged("its payload is cut off".to_string()));
        };
        payloads = rest;
        let node = head.node.map(|node| NodePath::from(&*node));
        let kind = EntryKind::decode(&head.kind, node, head.attempt, Some(payload));
        let kind = kind.map_err(|e| damaged(e.to_string()))?;
        log.push(Entry { seq, epoch: head.epoch, at: Timestamp(head.at), kind });
        before = ",";
        if heads.0 == b"]" {
            break;
        }
    }
    match payloads {
        [] => Ok(()),
        _ => Err((log.len() as u64 + 1, "bytes of no payload precede it".to_string())),
    }
}

/// All of an entry but its sequence number and its payload.
struct Head<'a> {
    kind: Cow<'a, str>,
    epoch: u64,
    at: u64,
    node: Option<Cow<'a, str>>,
    attempt: u32,
    /// How many bytes of payload it has.
    payload: usize,
}

/// JSON as [`LogRow::new`] writes it: without spaces.
struct Json<'a>(&'a [u8]);

impl<'a> Json<'a> {
    fn head(&mut self) -> Option<Head<'a>> {
        self.skip("[")?;
        let kind = self.text()?;
        let (epoch, at) = (self.number()?, self.number()?);
        self.skip(",")?;
        let node = match self.skip("null") {
            Some(()) => None,
            None => Some(self.text()?),
        };
        let (attempt, payload) = (self.number()?, self.number()?);
        self.skip("]")?;
        let (attempt, payload) = (attempt.try_into().ok()?, payload.try_into().ok()?);
        Some(Head { kind, epoch, at, node, attempt, payload })
    }

    fn skip(&mut self, what: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(what.as_bytes())?;
        Some(())
    }

    fn text(&mut self) -> Option<Cow<'a, str>> {
        let inside = self.0.strip_prefix(b"\"")?;
        let end = inside.iter().position(|b| matches!(b, b'"' | b'\\'))?;
        if inside.get(end) == Some(&b'"') {
            let (text, rest) = inside.split_at_checked(end)?;
            self.0 = rest.get(1..)?;
            return Some(Cow::Borrowed(str::from_utf8(text).ok()?));
        }
        // what is escaped is rare
        let mut texts = serde_json::Deserializer::from_slice(self.0).into_iter::<String>();
        let text = texts.next()?.ok()?;
        self.0 = self.0.get(texts.byte_offset()..)?;
        Some(Cow::Owned(text))
    }

    /// A number after a comma.
    fn number(&mut self) -> Option<u64> {
        let digits = self.0.strip_prefix(b",")?;
        let end = digits.iter().position(|b| !b.is_ascii_digit())?;
        let (digits, rest) = digits.split_at_checked(end)?;
        let digit = |n: u64, b: &u8| n.checked_mul(10)?.checked_add(u64::from(b - b'0'));
        let number = digits.iter().try_fold(0, digit).filter(|_| !digits.is_empty());
        self.0 = rest;
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{NodeEntry, Payload, SagaEntry, Uuid};

    fn entries() -> Vec<Entry> {
        let kinds = [
            SagaEntry::Created { run_key: Uuid::nil(), traceparent: None, starts_at: None }.into(),
            NodeEntry::Started.about("a \"b\"/ü", 1),
            NodeEntry::Succeeded(Payload::from(&b"\x00\xff\n"[..])).about("a \"b\"/ü", 1),
            NodeEntry::Succeeded(Payload::default()).about("c", u32::MAX),
        ];
        let entry = |(seq, kind)| Entry { seq, epoch: seq, at: Timestamp(u64::MAX / seq), kind };
        (1..).zip(kinds).map(entry).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let all = entries();
        for split in 1..all.len() {
            let (first, second) = all.split_at(split);
            let mut log = Vec::new();
            for part in [first, second] {
                let row = LogRow::new(part[0].seq, part).unwrap();
                assert_eq!(row.count, part.len() as u64);
                read(row.first_seq, &row.entries, row.payloads.as_bytes(), &mut log).unwrap();
            }
            assert_eq!(log, all);
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let LogRow { first_seq, entries, payloads, .. } = LogRow::new(1, &entries()).unwrap();
        let payloads = payloads.as_bytes();
        let damage = |entries: &[u8], payloads: &[u8]| {
            read(first_seq, entries, payloads, &mut Vec::new()).unwrap_err()
        };
        for cut in 0..entries.len() {
            let (seq, why) = damage(&entries[..cut], payloads);
            assert!((1..=5).contains(&seq), "{seq}");
            assert_eq!(why, "its row cannot be read", "cut at {cut}");
        }
        for cut in 0..payloads.len() {
            let (seq, why) = damage(&entries, &payloads[..cut]);
            let expected = if cut < payloads.len() - 3 { 1 } else { 3 };
            assert_eq!((seq, &*why), (expected, "its payload is cut off"), "cut at {cut}");
        }
        let more = [payloads, b"x"].concat();
        assert_eq!(damage(&entries, &more), (5, "bytes of no payload precede it".to_string()));
        for odd in ["", "[]", "[[]]", "[ ]", "null", "[[\"started\",1,1,\"a\",1,0],]"] {
            assert_eq!(damage(odd.as_bytes(), b"").1, "its row cannot be read", "{odd}");
        }
        let why = "the entry is missing; the next one is entry 3".to_string();
        assert_eq!(read(3, &entries, payloads, &mut Vec::new()), Err((1, why)));
    }
}
