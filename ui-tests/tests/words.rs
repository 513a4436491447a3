//! No message contains a name that users cannot look up, and no caret covers a whole macro call.

use std::error::Error;
use std::fs;
use std::path::Path;

/// Names that only the expansions use, and `syn`'s words for tokens.
const OURS: &[&str] = &[
    "saga_node::",
    "saga_pivot::",
    "DagBuilder",
    "OutputRef<",
    "ParamRef<",
    "AnyContext",
    "error: expected ident",
    "error: expected identifier",
    "error: expected string literal",
    "error: unexpected token",
    "error: unexpected end of input",
];

/// How a macro call starts, which is where a caret starts that covers all of it.
const CALLS: &[&str] = &["saga! {", "#[saga_action"];

fn messages() -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut messages = Vec::new();
    for suite in ["saga_action", "saga", "executor"] {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join(suite).join("fail");
        for case in fs::read_dir(cases)? {
            let path = case?.path();
            if path.extension().is_some_and(|extension| extension == "stderr") {
                messages.push((path.display().to_string(), fs::read_to_string(&path)?));
            }
        }
    }
    assert!(messages.len() > 100, "only {} messages", messages.len());
    Ok(messages)
}

/// True for a line about punctuation alone: "expected `,`".
fn is_bare(line: &str) -> bool {
    line.strip_prefix("error: expected `")
        .is_some_and(|rest| rest.strip_suffix('`').is_some_and(|token| !token.contains(['`', ' '])))
}

/// True for a line that says only in which file something is.
fn is_location(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("--> ") || line.starts_with("::: ")
}

#[test]
fn no_message_names_what_is_private() -> Result<(), Box<dyn Error>> {
    let mut wrong = Vec::new();
    let messages = messages()?;
    for (path, text) in &messages {
        let lines = text.lines().filter(|line| !is_location(line));
        let mut parts = lines.flat_map(|line| line.split("__").skip(1));
        let private = parts.any(|rest| rest.starts_with(char::is_alphabetic));
        let ours = OURS.iter().filter(|word| text.contains(**word)).collect::<Vec<_>>();
        let bare = text.lines().filter(|line| is_bare(line)).collect::<Vec<_>>();
        if private || !ours.is_empty() || !bare.is_empty() {
            wrong.push((path, private, ours, bare));
        }
    }
    assert!(wrong.is_empty(), "private names in {wrong:#?}");
    Ok(())
}

/// The lines of a message that have a caret below a whole macro call, or from its start to a later line.
fn over_calls(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut open = None;
    let mut in_error = false;
    for (line, below) in text.lines().zip(text.lines().skip(1).chain([""])) {
        // Notes and suggestions have carets too.
        in_error =
            line.starts_with("error") || (in_error && !line.starts_with(char::is_alphabetic));
        let Some((_, code)) = line.split_once('|').filter(|_| in_error) else { continue };
        let marks = below.split_once('|').map_or("", |(_, marks)| marks);
        let call = code.trim_start_matches([' ', '/', '|']);
        if CALLS.iter().any(|start| call.starts_with(start)) {
            if code.trim_start().starts_with('/') {
                open = Some(line);
            } else if marks.find('^').is_some_and(|caret| code[..caret].trim().is_empty()) {
                found.push(line);
            }
        }
        // A bar beside several lines ends in a caret if this is what the message is about.
        if let Some((_, end)) = code.split_once("|_") {
            let caret = end.trim_start_matches('_').starts_with('^');
            found.extend(open.take().filter(|_| caret));
        }
    }
    found
}

#[test]
fn no_caret_covers_a_macro_call() -> Result<(), Box<dyn Error>> {
    let all = |text: &str| over_calls(text).into_iter().map(str::to_string).collect::<Vec<_>>();
    let wrong = messages()?.into_iter().map(|(path, text)| (path, all(&text)));
    let wrong = wrong.filter(|(_, lines)| !lines.is_empty()).collect::<Vec<_>>();
    assert!(wrong.is_empty(), "carets on all of a macro in {wrong:#?}");
    Ok(())
}

#[test]
fn a_caret_over_a_call_is_found() {
    let one = " 7 | #[saga_action(no_undo)]\n   | ^^^^^^^^^^^^^^^^^^^^^^^ here\n";
    let several = " 7 | / saga! {\n 8 | |     S<()>() {\n 9 | | }\n   | |_^ here\n";
    let at_an_argument = " 7 | #[saga_action(no_undo)]\n   |               ^^^^^^^ here\n";
    let label = " 7 | / saga! {\n 9 | | }\n   | |_- in this macro\n";
    let found = [one, several, at_an_argument, label]
        .map(|text| over_calls(&format!("error: wrong\n{text}")).len());
    assert_eq!(found, [1, 1, 0, 0]);
}
