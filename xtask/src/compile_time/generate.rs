//! The generated programs: the same functions as a saga, and awaited one after the other in plain Rust.

use std::fmt::Write;

/// Which of the two programs.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Functions that plain code awaits. What it does is what one would write without a library: it encodes
    /// each output for a log and reads it back, and after an error it calls the undos in reverse order.
    Plain,
    /// The same functions as actions, and a saga of all of them.
    Saga,
}

impl Kind {
    /// The name of the package of this size.
    pub(super) fn package(self, size: usize) -> String {
        match self {
            Self::Plain => format!("plain-{size}"),
            Self::Saga => format!("saga-{size}"),
        }
    }
}

/// The source of a program with this many functions, each of which has an undo, an output type of its own, and
/// one awaited call in its body.
pub(super) fn program(kind: Kind, size: usize) -> String {
    match kind {
        Kind::Plain => [COMMON, &functions(kind, size), &plain(size)].concat(),
        Kind::Saga => [COMMON, &functions(kind, size), &saga(size)].concat(),
    }
}

/// An edit in the body of the function in the middle.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    /// A line is added, which moves everything below it.
    Line,
    /// A line is changed.
    Expression,
}

/// The same program after an edit.
pub(super) fn edited(program: &str, size: usize, edit: Edit) -> String {
    let call = format!("    let receipt = cx.post(\"action{}\", cents).await?;\n", size / 2);
    let changed = match edit {
        Edit::Line => format!("    let cents = cents + 1;\n{call}"),
        Edit::Expression => call.replace("cents)", "cents + 1)"),
    };
    program.replacen(&call, &changed, 1)
}

/// What both programs share.
const COMMON: &str = "//! Generated.

#![allow(dead_code, unused_imports)]

use std::sync::atomic::{AtomicU64, Ordering};

use saga_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug)]
pub struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

pub struct Services {
    calls: AtomicU64,
}

impl Services {
    #[inline(never)]
    pub async fn post(&self, path: &str, cents: u64) -> Result<String, Refused> {
        tokio::task::yield_now().await;
        if self.calls.fetch_add(1, Ordering::Relaxed) == u64::MAX {
            return Err(Refused(path.to_string()));
        }
        Ok(format!(\"{path} {cents}\"))
    }
}
";

fn functions(kind: Kind, size: usize) -> String {
    let mut source = String::new();
    for n in 0..size {
        let (attribute, context) = match kind {
            Kind::Saga => (
                format!("#[saga_action(undo = undo{n}(output), timeout = \"30s\")]\n"),
                "&ActionContext<Services>",
            ),
            Kind::Plain => (String::new(), "&Services"),
        };
        let _ = write!(
            source,
            "
#[derive(Serialize, Deserialize)]
pub struct Output{n} {{
    pub cents: u64,
    pub name: String,
    pub receipt: String,
}}

{attribute}pub async fn action{n}(cx: {context}, name: &str, cents: u64) -> Result<Output{n}, Refused> {{
    let receipt = cx.post(\"action{n}\", cents).await?;
    Ok(Output{n} {{ cents, name: name.to_string(), receipt }})
}}

pub async fn undo{n}(cx: {context}, output: &Output{n}) -> Result<(), Refused> {{
    cx.post(&output.receipt, output.cents).await?;
    Ok(())
}}
"
        );
    }
    source
}

/// A saga of all actions, each of which reads a parameter and the output of the one before.
fn saga(size: usize) -> String {
    let mut source =
        String::from("\nsaga! {\n    pub Generated<Services>(name: String, cents: u64) {\n");
    let mut cents = "*cents".to_string();
    for n in 0..size {
        let _ = writeln!(source, "        let node{n} = action{n} {{ name, cents: {cents} }};");
        cents = format!("node{n}.cents");
    }
    source
        + "    }
}

#[tokio::main(flavor = \"current_thread\")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let services = Services { calls: AtomicU64::new(0) };
    let sec = Coordinator::builder(services).saga::<Generated>().build().await?;
    sec.run(Generated { name: String::from(\"name\"), cents: 1 }).await?;
    println!(\"{}\", sec.context().calls.load(Ordering::Relaxed));
    Ok(())
}
"
}

/// How many functions one function awaits. With all of them in one, rustc would take more than twice as long for
/// twice as many, which no program has to put up with.
const GROUP: usize = 10;

fn plain(size: usize) -> String {
    let mut source = String::from(
        "
/// What the program writes down, and the outputs that it needs for the undos.
#[derive(Default)]
struct Done {
    log: Vec<Vec<u8>>,
",
    );
    for n in 0..size {
        let _ = writeln!(source, "    output{n}: Option<Output{n}>,");
    }
    source += "}

impl Done {
    fn record<T: Serialize + serde::de::DeserializeOwned>(&mut self, output: T) -> Result<T, Refused> {
        let bytes = serde_json::to_vec(&output).map_err(|error| Refused(error.to_string()))?;
        let output = serde_json::from_slice(&bytes).map_err(|error| Refused(error.to_string()))?;
        self.log.push(bytes);
        Ok(output)
    }
}

";
    for first in (0..size).step_by(GROUP) {
        let _ = write!(
            source,
            "
async fn run{first}(cx: &Services, name: &str, cents: u64, done: &mut Done) -> Result<u64, Refused> {{
"
        );
        for n in first..size.min(first + GROUP) {
            let _ = write!(
                source,
                "    let output = action{n}(cx, name, cents).await?;
    let output = done.record(output)?;
    let cents = output.cents;
    done.output{n} = Some(output);
"
            );
        }
        let _ = write!(
            source,
            "    Ok(cents)
}}

async fn undo_from{first}(cx: &Services, done: &Done) -> Result<(), Refused> {{
"
        );
        for n in (first..size.min(first + GROUP)).rev() {
            let _ = write!(
                source,
                "    if let Some(output) = &done.output{n} {{
        undo{n}(cx, output).await?;
    }}
"
            );
        }
        source += "    Ok(())\n}\n";
    }
    source += "
async fn run(cx: &Services, name: &str, cents: u64, done: &mut Done) -> Result<(), Refused> {
";
    for first in (0..size).step_by(GROUP) {
        let _ = writeln!(source, "    let cents = run{first}(cx, name, cents, done).await?;");
    }
    source += "    let _ = cents;
    Ok(())
}

async fn undo(cx: &Services, done: &Done) -> Result<(), Refused> {
";
    for first in (0..size).step_by(GROUP).rev() {
        let _ = writeln!(source, "    undo_from{first}(cx, done).await?;");
    }
    source
        + "    Ok(())
}

#[tokio::main(flavor = \"current_thread\")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let services = Services { calls: AtomicU64::new(0) };
    let mut done = Done::default();
    if let Err(error) = run(&services, \"name\", 1, &mut done).await {
        undo(&services, &done).await?;
        return Err(error.into());
    }
    println!(\"{}\", services.calls.load(Ordering::Relaxed));
    Ok(())
}
"
}
