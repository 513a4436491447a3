//! The file: how it is written, and how it is read.

use crate::dag::{BadLine, Described, NodeName, SagaName, Value, key_and_value, quoted};

/// What the file says about itself.
const HEADER: &str = "\
# The definitions of the sagas of this crate, one line for each node. A test compares them with the code: see
# `saga_core::testing::SagaLock`. Commit this file. Do not edit it: `SAGA_BLESS=1 cargo test` writes it.
#
# Old versions stay in this file. Once no store has an unfinished saga of an old version any more, delete its `[[saga]]`
# section here, and its `old_saga` or migration in the code.
";

/// A definition in the file.
pub(super) struct Locked {
    pub(super) definition: Described,
    pub(super) fingerprint: String,
}

/// Why a file is no lock file.
#[derive(Debug)]
pub(super) struct BadFile {
    pub(super) line: usize,
    pub(super) why: String,
}

impl BadFile {
    fn new<T>(line: usize, why: impl Into<String>) -> Result<T, Self> {
        Err(Self { line, why: why.into() })
    }
}

impl From<BadLine> for BadFile {
    fn from(BadLine { line, why }: BadLine) -> Self {
        Self { line, why }
    }
}

/// The text of a file with these definitions, which it sorts.
pub(super) fn write(definitions: &mut [Locked]) -> String {
    definitions.sort_by(|a, b| {
        let key = |locked: &Locked| (locked.definition.name().clone(), locked.definition.version());
        key(a).cmp(&key(b))
    });
    let mut text = HEADER.to_string();
    for Locked { definition, fingerprint } in definitions {
        text.push_str(&format!(
            "\n[[saga]]\nname = {}\nversion = {}\nfingerprint = {}\n",
            quoted(definition.name().as_str()),
            definition.version(),
            quoted(fingerprint)
        ));
        if let Some(node) = definition.output() {
            text.push_str(&format!("output = {}\n", quoted(node.as_str())));
        }
        text.push_str("nodes = [\n");
        for line in definition.lines() {
            text.push_str(&format!("  {line},\n"));
        }
        text.push_str("]\n");
    }
    text
}

/// A section of the file, as far as it has been read.
struct Section<'a> {
    /// Where it begins.
    line: usize,
    name: Option<String>,
    version: Option<u32>,
    fingerprint: Option<String>,
    output: Option<String>,
    nodes: Vec<(usize, &'a str)>,
    is_open: bool,
}

/// Reads the text of a file.
pub(super) fn read(text: &str) -> Result<Vec<Locked>, BadFile> {
    let (mut all, mut section) = (Vec::new(), None::<Section<'_>>);
    for (number, line) in (1..).zip(text.lines()) {
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|mark| line.starts_with(mark)) {
            return BadFile::new(number, CONFLICT);
        }
        let line = line.trim();
        match (&mut section, line) {
            (_, line) if line.is_empty() || line.starts_with('#') => {}
            (Some(open), "]") if open.is_open => open.is_open = false,
            (Some(open), line) if open.is_open => open.nodes.push((number, line)),
            (before, "[[saga]]") => {
                let next = Section {
                    line: number,
                    name: None,
                    version: None,
                    fingerprint: None,
                    output: None,
                    nodes: Vec::new(),
                    is_open: false,
                };
                if let Some(before) = before.replace(next) {
                    all.push(before.end()?);
                }
            }
            (Some(open), "nodes = [") => open.is_open = true,
            (Some(open), line) => open.field(number, line)?,
            (None, _) => return BadFile::new(number, "expected a line `[[saga]]`"),
        }
    }
    if let Some(last) = section {
        all.push(last.end()?);
    }
    for (i, one) in all.iter().enumerate() {
        let key = |locked: &Locked| (locked.definition.name().clone(), locked.definition.version());
        if all.iter().take(i).any(|other| key(other) == key(one)) {
            let (name, version) = key(one);
            return BadFile::new(
                0,
                format!("it has version {version} of saga `{name}` twice; delete one of them"),
            );
        }
    }
    Ok(all)
}

const CONFLICT: &str = "it has marks of a merge conflict. Keep the sections of both sides, as the two changes are now both in \
    the code; then run `SAGA_BLESS=1 cargo test`, which says what is still wrong";

impl Section<'_> {
    fn field(&mut self, number: usize, line: &str) -> Result<(), BadFile> {
        let (key, value) = key_and_value(line).map_err(|why| BadFile { line: number, why })?;
        let text = match (key.as_str(), value) {
            ("version", Value::Number(version)) => {
                self.version = Some(version);
                return Ok(());
            }
            (_, Value::Text(text)) => text,
            (_, Value::Number(_) | Value::Flag(_) | Value::List(_) | Value::Table(_)) => {
                return BadFile::new(number, format!("the value of `{key}` is of another kind"));
            }
        };
        match key.as_str() {
            "name" => self.name = Some(text),
            "fingerprint" => self.fingerprint = Some(text),
            "output" => self.output = Some(text),
            _ => return BadFile::new(number, format!("a saga has no `{key}`")),
        }
        Ok(())
    }

    fn end(self) -> Result<Locked, BadFile> {
        let line = self.line;
        let (Some(name), Some(version), Some(fingerprint)) =
            (self.name, self.version, self.fingerprint)
        else {
            return BadFile::new(line, "this saga lacks its name, its version or its fingerprint");
        };
        if self.is_open {
            return BadFile::new(line, format!("the nodes of saga `{name}` have no end"));
        }
        let bad = |why: crate::dag::InvalidName| BadFile { line, why: why.to_string() };
        let name = SagaName::new(name).map_err(bad)?;
        let output = self.output.map(NodeName::new).transpose().map_err(bad)?;
        let definition = Described::from_lines(name, version, output, self.nodes)?;
        if definition.fingerprint() != fingerprint {
            let name = definition.name();
            return BadFile::new(
                line,
                format!(
                    "version {version} of saga `{name}` is not what its fingerprint says; it was edited, or merged from two \
                     changes. Restore this section from version control"
                ),
            );
        }
        Ok(Locked { definition, fingerprint })
    }
}
