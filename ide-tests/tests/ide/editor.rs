//! An editor with one file open: the fixture, in which a statement is being typed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::server::Server;

/// Where the cursor is.
const CURSOR: &str = "$0";

pub(crate) struct Editor {
    server: Server,
    file: PathBuf,
    /// What the file holds where nobody types.
    fixture: String,
    text: String,
    version: u32,
}

impl Editor {
    /// Starts rust-analyzer and opens the fixture.
    pub(crate) fn start() -> Result<Self, String> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = package.parent().ok_or("the package has no parent directory")?;
        let file = package.join("src/trip.rs");
        let fixture = fs::read_to_string(&file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let mut server = Server::start(workspace)?;
        let document = json!({
            "uri": uri(&file), "languageId": "rust", "version": 0, "text": fixture,
        });
        server.notify("textDocument/didOpen", &json!({ "textDocument": document }))?;
        Ok(Self { server, file, text: fixture.clone(), fixture, version: 0 })
    }

    /// Types this in place of the comment in the fixture.
    pub(crate) fn type_in(&mut self, statement: &str) -> Result<(), String> {
        self.version += 1;
        self.text = self.fixture.replace("// typed here", statement);
        let document = json!({ "uri": uri(&self.file), "version": self.version });
        let changes = json!([{ "text": self.text }]);
        let change = json!({ "textDocument": document, "contentChanges": changes });
        self.server.notify("textDocument/didChange", &change)
    }

    /// What the editor proposes at the `$0` in this piece of the text.
    pub(crate) fn completions(&mut self, at: &str) -> Result<BTreeSet<String>, String> {
        let parameters = self.parameters(at)?;
        let answer = self.server.request("textDocument/completion", &parameters)?;
        let items = answer.as_array().or_else(|| answer["items"].as_array());
        let labels = items.into_iter().flatten().filter_map(|item| item["label"].as_str());
        Ok(labels.map(str::to_owned).collect())
    }

    /// Where the editor goes from the `$0`: the file, and its line with the target in brackets.
    pub(crate) fn definitions(&mut self, at: &str) -> Result<BTreeSet<String>, String> {
        let parameters = self.parameters(at)?;
        let answer = self.server.request("textDocument/definition", &parameters)?;
        let targets = answer.as_array().into_iter().flatten();
        targets.map(|target| self.show(target)).collect()
    }

    /// The lines that renaming what is at the `$0` changes.
    pub(crate) fn rename(&mut self, at: &str, to: &str) -> Result<Vec<String>, String> {
        let mut parameters = self.parameters(at)?;
        parameters["newName"] = to.into();
        let answer = self.server.request("textDocument/rename", &parameters)?;
        let edits = answer["documentChanges"][0]["edits"].as_array();
        let edits = edits.ok_or_else(|| format!("nothing is renamed: {answer}"))?;
        let mut edits = edits.iter().map(|edit| &edit["range"]).collect::<Vec<_>>();
        // from the end, so that no edit moves another one
        edits.sort_by_key(|range| (position(&range["start"]), position(&range["end"])));
        let mut lines = self.text.lines().map(str::to_owned).collect::<Vec<_>>();
        let mut changed = BTreeSet::new();
        for range in edits.into_iter().rev() {
            let ((number, start), (_, end)) = (position(&range["start"]), position(&range["end"]));
            if let Some(line) = lines.get_mut(number) {
                line.replace_range(start..end, to);
                changed.insert(number);
            }
        }
        Ok(changed.into_iter().filter_map(|n| Some(lines.get(n)?.trim().to_owned())).collect())
    }

    /// The document and the position of the `$0`.
    fn parameters(&self, at: &str) -> Result<Value, String> {
        let (before, after) =
            at.split_once(CURSOR).ok_or_else(|| format!("no {CURSOR} in `{at}`"))?;
        let piece = format!("{before}{after}");
        let mut found = self.text.match_indices(&piece).map(|(at, _)| at);
        let (Some(start), None) = (found.next(), found.next()) else {
            return Err(format!("`{at}` is not in the text exactly once:\n{}", self.text));
        };
        let above = self.text.get(..start + before.len()).unwrap_or_default();
        let line = above.matches('\n').count();
        let character = above.rsplit('\n').next().unwrap_or_default().len();
        Ok(json!({
            "textDocument": { "uri": uri(&self.file) },
            "position": { "line": line, "character": character },
        }))
    }

    fn show(&self, target: &Value) -> Result<String, String> {
        let address = target["uri"].as_str().unwrap_or_default();
        let file = Path::new(address.strip_prefix("file://").unwrap_or(address));
        let text = match file == self.file {
            true => self.text.clone(),
            false => fs::read_to_string(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?,
        };
        let range = &target["range"];
        let ((number, start), (_, end)) = (position(&range["start"]), position(&range["end"]));
        let shown = text.lines().nth(number).and_then(|line| {
            Some(format!("{}[{}]{}", line.get(..start)?, line.get(start..end)?, line.get(end..)?))
        });
        let shown = shown.ok_or_else(|| format!("no such place: {target}"))?;
        let name = file.file_name().unwrap_or_default().display();
        Ok(format!("{name}: {}", shown.trim()))
    }
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// Line and column, in bytes.
fn position(value: &Value) -> (usize, usize) {
    let number = |name: &str| value[name].as_u64().and_then(|n| usize::try_from(n).ok());
    (number("line").unwrap_or(0), number("character").unwrap_or(0))
}
