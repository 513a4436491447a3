//! The DAG as a Graphviz graph.

use std::fmt::Write;

use super::{Drawing, INK, colour};

pub(super) fn write(drawing: &Drawing) -> String {
    let mut out = format!("digraph {} {{\n", quoted(std::slice::from_ref(&drawing.name)));
    out.push_str("    node [shape=box];\n");
    body(drawing, 1, &mut out);
    out.push_str("}\n");
    out
}

fn body(drawing: &Drawing, depth: usize, out: &mut String) {
    let pad = "    ".repeat(depth);
    for node in &drawing.nodes {
        let mut attributes = format!("label={}", quoted(&node.lines()));
        if node.pivot {
            attributes.push_str(", peripheries=2");
        }
        if let Some(state) = node.state() {
            let _ = write!(
                attributes,
                ", style=filled, fillcolor=\"{}\", fontcolor=\"{INK}\"",
                colour(state)
            );
        }
        let _ = writeln!(out, "{pad}{} [{attributes}];", node.id);
        for part in &node.parts {
            let _ = writeln!(out, "{pad}subgraph cluster_{} {{", part.id);
            let _ = writeln!(out, "{pad}    label={};", quoted(std::slice::from_ref(&part.title)));
            body(&part.drawing, depth + 1, out);
            let _ = writeln!(out, "{pad}}}");
            for root in &part.roots {
                let _ = writeln!(out, "{pad}{} -> {root} [style=dashed];", node.id);
            }
        }
    }
    for (from, to) in drawing.named_edges() {
        let _ = writeln!(out, "{pad}{from} -> {to};");
    }
}

/// A quoted string of these lines, with quotes and backslashes escaped.
fn quoted(lines: &[String]) -> String {
    let escaped = lines.iter().map(|line| {
        let mut text = String::new();
        for c in line.chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                c if c.is_control() => text.push(' '),
                c => text.push(c),
            }
        }
        text
    });
    format!("\"{}\"", escaped.collect::<Vec<_>>().join("\\n"))
}
