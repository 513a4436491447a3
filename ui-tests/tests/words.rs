//! No message has a word in it that a user cannot look up.

use std::error::Error;
use std::fs;
use std::path::Path;

#[test]
fn no_message_names_what_is_private() -> Result<(), Box<dyn Error>> {
    let (mut read, mut wrong) = (0, Vec::new());
    for suite in ["saga_action", "saga", "executor"] {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join(suite).join("fail");
        for case in fs::read_dir(cases)? {
            let path = case?.path();
            if path.extension().is_none_or(|extension| extension != "stderr") {
                continue;
            }
            read += 1;
            let text = fs::read_to_string(&path)?;
            let mut parts = text.split("__").skip(1);
            if parts.any(|rest| rest.starts_with(char::is_alphabetic)) {
                wrong.push(path);
            }
        }
    }
    assert!(read > 100, "only {read} messages");
    assert!(wrong.is_empty(), "names of ours in {wrong:#?}");
    Ok(())
}
