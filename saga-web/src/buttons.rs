//! The buttons: what can be asked of a saga, or of one of its nodes, and in which words.

/// A button: one command, or one way to decide.
pub(crate) struct Button {
    /// Its word in addresses and forms.
    pub(crate) word: &'static str,
    /// What it says.
    pub(crate) says: &'static str,
    /// What it does.
    pub(crate) does: &'static str,
    /// What the note is about, if there is one.
    pub(crate) note: Option<&'static str>,
    /// True if it cannot be taken back.
    pub(crate) grave: bool,
}

const fn button(word: &'static str, says: &'static str, does: &'static str) -> Button {
    Button { word, says, does, note: None, grave: false }
}

pub(crate) const OF_SAGAS: [Button; 7] = [
    button("pause", "Pause", "Starts no new node and no new undo. Calls in flight go on."),
    button("resume", "Resume", "Ends the pause."),
    button("step", "Step", "Starts one node or undo of the paused saga."),
    button(
        "retry_all",
        "Retry all undos",
        "Tries all failed undos again, each with all of its attempts.",
    ),
    button("unpark", "Unpark", "Lets the saga go on. A pivot in doubt is run again."),
    Button {
        note: Some("Why"),
        grave: true,
        ..button("cancel", "Cancel", "Rolls the saga back: what it has done is undone.")
    },
    Button {
        note: Some("Why"),
        grave: true,
        ..button("rollback", "Roll back", "Undoes everything that the completed saga has done.")
    },
];

pub(crate) const OF_NODES: [Button; 5] = [
    button(
        "retry_undo",
        "Retry undo",
        "Tries the failed undo of the node again, with all of its attempts.",
    ),
    button(
        "retry",
        "Retry",
        "Tries the node again that made the saga stuck, with all of its attempts.",
    ),
    Button {
        note: Some("What was done about the effect, and by whom"),
        grave: true,
        ..button(
            "resolve",
            "Resolve by hand",
            "Records that somebody has dealt with the effect of the node, at the service too. Its own undo is not called any more. If nothing else is stuck, the rollback goes on with what remains to be undone.",
        )
    },
    Button {
        note: Some("How that is known"),
        grave: true,
        ..button(
            "decide_failed",
            "It had no effect",
            "Says that the call in doubt took no effect. The saga rolls back: everything that it has done is undone.",
        )
    },
    Button {
        note: Some("How that is known"),
        grave: true,
        ..button(
            "decide_succeeded",
            "It took effect",
            "Says that the call in doubt took effect, and what its output is. The saga goes on.",
        )
    },
];
