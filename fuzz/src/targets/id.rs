//! Parsing saga ids and node names.

use saga_core::SagaId;
use saga_core::dag::NodeName;
use saga_core::log::SagaLog;

pub(super) fn run(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let id = super::outcome(text.parse::<SagaId>(), |id| {
        assert!(!id.as_str().is_empty() && id.as_str().len() <= SagaId::MAX_LEN);
        assert!(id.as_str().chars().all(|c| c.is_ascii_graphic() && c != '/'));
        drop(SagaLog::of(id, Vec::new(), Vec::new()).pretty());
        "an id".to_string()
    });
    let name = super::outcome(NodeName::new(&*text), |_| "a name".to_string());
    for said in [&id, &name] {
        let odd = |c: char| c.is_control() || "\u{202e}\u{2066}\u{200b}\u{feff}".contains(c);
        assert!(!said.chars().any(odd), "not escaped: {said:?}");
    }
    // Only the kind of the error matters, not the quoted name.
    let kind = id.split('"').next_back().unwrap_or_default();
    format!("{} {}", kind, name.split('"').next_back().unwrap_or_default())
}
