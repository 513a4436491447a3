//! A user's crate in which `saga-core` has another name, and whose actions are called like others'.
#![deny(warnings, missing_docs)]

use engine::{saga, saga_action};

/// An action of a name that other crates have too.
///
/// # Errors
/// Never.
#[saga_action(no_undo, crate = engine)]
pub async fn note(text: &str) -> Result<String, String> {
    Ok(format!("renamed: {text}"))
}

/// The same, told apart by its durable name.
///
/// # Errors
/// Never.
#[saga_action(undo = unmake(output?), crate = ::engine, name = "renamed.make")]
pub async fn make(text: &str) -> Result<String, String> {
    Ok(format!("made here: {text}"))
}

async fn unmake(_made: Option<&String>) -> Result<(), String> {
    Ok(())
}

/// The context of the sagas here.
#[derive(Debug, Default)]
pub struct Desk;

saga! {
    /// Everything that names `saga-core` in what the macros write.
    #[saga(crate = engine)]
    pub Renamed<Desk>(texts: Vec<String>, length: Option<u32>) -> String {
        let id = engine::prelude::new_uuid {};
        #[retry(max = 2, base = "1s")]
        let first = make { text: "first" };
        let all = for text in texts { Inner { text: text.clone() } };
        let which = match length { Some(1..) => note { text: first }, _ => make { text: "none" } };
        { format!("{} {which} {}", all.join(","), id.is_nil()) }
    }

    #[saga(crate = engine)]
    Inner<Desk>(text: String) -> String {
        note { text }
    }
}
