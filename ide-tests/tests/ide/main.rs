//! What an editor with rust-analyzer does inside `saga!`. See README.md.

mod completion;
mod definition;
mod editor;
mod half_typed;
mod rename;
mod server;

use std::io::Write;
use std::process::Command;
use std::sync::{LazyLock, Mutex, Once, PoisonError};
use std::{env, io};

use editor::Editor;

/// One editor for all tests: it takes seconds to load the workspace. It ends with this process.
static EDITOR: Mutex<Option<Result<Editor, String>>> = Mutex::new(None);

/// Runs a test in the editor, in which this statement is typed.
fn typing(statement: &str, test: impl FnOnce(&mut Editor) -> Result<(), String>) {
    if !*IS_THERE {
        return skip();
    }
    let mut editor = EDITOR.lock().unwrap_or_else(PoisonError::into_inner);
    let editor = editor.get_or_insert_with(Editor::start).as_mut();
    let done = match editor {
        Ok(editor) => editor.type_in(statement).and_then(|()| test(editor)),
        Err(error) => Err(error.clone()),
    };
    if let Err(error) = done {
        panic!("while `{statement}` is typed: {error}");
    }
}

static IS_THERE: LazyLock<bool> = LazyLock::new(|| {
    // where it is not installed, rustup has a program of that name, which fails
    let version = Command::new("rust-analyzer").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
});

/// Says once that the tests are skipped, which under continuous integration is an error.
fn skip() {
    static SAID: Once = Once::new();
    let how = "`rustup component add rust-analyzer` installs it";
    if env::var_os("CI").is_some_and(|ci| ci == "true") {
        panic!("there is no rust-analyzer: {how}");
    }
    // not `eprintln!`, which the test harness shows only where a test fails
    SAID.call_once(|| {
        let _ = writeln!(io::stderr(), "ide-tests: SKIPPED, there is no rust-analyzer: {how}");
    });
}
