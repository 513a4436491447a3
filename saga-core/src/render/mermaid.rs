//! The DAG as a Mermaid flowchart.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{Drawing, INK, colour};
use crate::log::ActionState;

pub(super) fn write(drawing: &Drawing) -> String {
    let mut out = String::from("flowchart TD\n");
    let mut classes = BTreeSet::new();
    body(drawing, 1, &mut out, &mut classes);
    for (class, colour) in classes {
        let _ = writeln!(out, "    classDef {class} fill:{colour},color:{INK}");
    }
    out
}

fn body(
    drawing: &Drawing,
    depth: usize,
    out: &mut String,
    classes: &mut BTreeSet<(ActionState, &'static str)>,
) {
    let pad = "    ".repeat(depth);
    for node in &drawing.nodes {
        let text = quoted(&node.lines());
        let shape = if node.pivot { format!("[[{text}]]") } else { format!("[{text}]") };
        let class = node.state().map(|state| {
            classes.insert((state, colour(state)));
            format!(":::{state}")
        });
        let _ = writeln!(out, "{pad}{}{shape}{}", node.id, class.unwrap_or_default());
        for part in &node.parts {
            // Mermaid cannot parse an empty subgraph.
            if part.drawing.nodes.is_empty() {
                continue;
            }
            let title = quoted(std::slice::from_ref(&part.title));
            let _ = writeln!(out, "{pad}subgraph {} [{title}]", part.id);
            body(&part.drawing, depth + 1, out, classes);
            let _ = writeln!(out, "{pad}end");
            for root in &part.roots {
                let _ = writeln!(out, "{pad}{} -.-> {root}", node.id);
            }
        }
    }
    for (from, to) in drawing.named_edges() {
        let _ = writeln!(out, "{pad}{from} --> {to}");
    }
}

/// A quoted string of these lines. Mermaid interprets HTML and Markdown in strings, so characters with a
/// meaning there are written as character codes.
fn quoted(lines: &[String]) -> String {
    let escaped = lines.iter().map(|line| {
        let mut text = String::new();
        for c in line.chars() {
            match c {
                c if c.is_control() => text.push(' '),
                '"' | '#' | '&' | '<' | '>' | '`' | '\\' | '*' | '_' | ';' => {
                    let _ = write!(text, "#{};", u32::from(c));
                }
                c => text.push(c),
            }
        }
        text
    });
    format!("\"{}\"", escaped.collect::<Vec<_>>().join("<br/>"))
}
