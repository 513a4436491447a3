//! Decoding one entry. The input is the word of a kind followed by its payload, or an entry as JSON.

use saga_core::log::{CorruptEntry, Entry, EntryKind};

pub(super) fn run(input: &[u8]) -> String {
    if let Ok(entry) = serde_json::from_slice::<Entry>(input) {
        // What can be decoded must survive a round trip.
        let written = serde_json::to_vec(&entry).expect("an entry is JSON");
        assert_eq!(serde_json::from_slice::<Entry>(&written).expect("its own JSON"), entry);
        drop((entry.kind.message(), format!("{entry:?}")));
        return entry.kind.name().to_string();
    }
    let end = input.iter().position(|b| *b == b'\n').unwrap_or(input.len());
    let (name, payload) = input.split_at(end);
    let name = String::from_utf8_lossy(name);
    let payload = payload.strip_prefix(b"\n");
    // a word is of an entry about a node, or of one about the saga
    let about_node = EntryKind::decode(&name, Some("a".into()), 1, payload);
    let decoded = match about_node {
        Err(CorruptEntry::UnexpectedNode { .. }) => EntryKind::decode(&name, None, 0, payload),
        other => other,
    };
    super::outcome(decoded, |kind| {
        let written = kind.encode();
        let bytes = written.as_ref().map(|payload| payload.as_bytes());
        let (node, attempt) = match &kind {
            EntryKind::Saga(_) => (None, 0),
            EntryKind::Node { node, attempt, .. } => (Some(node.clone()), *attempt),
        };
        let again = EntryKind::decode(kind.name(), node, attempt, bytes);
        assert_eq!(again.as_ref(), Ok(&kind));
        kind.name().to_string()
    })
}
