//! Writes a picture as SVG.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::layout::{Point, Size};
use super::super::{Drawing, Drawn, in_words};
use super::SvgOptions;
use super::boxes::{
    Item, LINE, Line, MOST_TEXT, NAME, NAME_WIDTH, NodeBox, PAD, PIVOT, PartBox, Picture, SIGN,
    SMALL, Scene, TITLE,
};
use super::look::{FRONTIER, Look, NEUTRAL, look};
use super::text::{escaped, isolated, shortened, width};
use crate::log::ActionState;

/// The space around the picture, and how round corners are.
const MARGIN: f64 = 16.0;
const ROUND: f64 = 7.0;

/// An edge that hardly leads sideways is straight.
const STRAIGHT: f64 = 3.0;

/// A node says this many of the names that it waits for.
const MOST_NAMES: usize = 6;

/// For files of their own. Pages say what is dark.
const STYLE: &str = "<style>:root{color:#16191d;background:#fff}\
                     @media(prefers-color-scheme:dark){:root{color:#e8eaed;background:#16191d}}</style>";

pub(in crate::render) fn write(
    drawing: &Drawing,
    states: bool,
    options: &SvgOptions<'_>,
) -> String {
    let all = totals(drawing);
    let undoing =
        [ActionState::Undoing, ActionState::Undone, ActionState::Resolved, ActionState::UndoFailed];
    let rolling_back = undoing.iter().any(|state| all.contains_key(state));
    let picture = Picture::of(drawing, Scene { states, rolling_back });
    let label = match all.is_empty() {
        true => isolated(&drawing.name),
        false => format!("{}: {}", isolated(&drawing.name), in_words(&all)),
    };
    let (wide, high) = (picture.size.width + 2.0 * MARGIN, picture.size.height + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"saga-graph\" width=\"{wide:.0}\" height=\"{high:.0}\" \
         viewBox=\"0 0 {wide:.0} {high:.0}\" role=\"graphics-document document\" aria-label=\"{label}\" \
         font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif\" font-size=\"{SMALL:.0}\" \
         fill=\"none\">\n"
    );
    if !options.embedded {
        let _ = writeln!(out, "<title>{}</title>\n{STYLE}", escaped(&drawing.name));
    }
    Writer { options, out: &mut out }.picture(&picture, Point { x: MARGIN, y: MARGIN });
    out.push_str("</svg>\n");
    out
}

/// How many instances are in each state, in the whole picture.
fn totals(drawing: &Drawing) -> BTreeMap<ActionState, usize> {
    let mut totals = BTreeMap::<_, usize>::new();
    for node in &drawing.nodes {
        for (state, count) in &node.counts {
            *totals.entry(*state).or_default() += count;
        }
        for (state, count) in node.parts.iter().flat_map(|part| super::write::totals(&part.drawing))
        {
            *totals.entry(state).or_default() += count;
        }
    }
    totals
}

struct Writer<'w> {
    options: &'w SvgOptions<'w>,
    out: &'w mut String,
}

impl Writer<'_> {
    fn picture(&mut self, picture: &Picture<'_>, corner: Point) {
        if !picture.lines.is_empty() {
            self.out.push_str("<g class=\"saga-edges\" aria-hidden=\"true\">\n");
            // What a rollback has come to is drawn over the others.
            let (frontier, others) =
                picture.lines.iter().partition::<Vec<_>, _>(|line| line.frontier);
            others.into_iter().chain(frontier).for_each(|line| self.line(line, corner));
            self.out.push_str("</g>\n");
        }
        for (at, item) in &picture.items {
            let at = plus(corner, *at);
            match item {
                Item::Node(node) => self.node(node, at),
                Item::Block(size, nodes) => {
                    let _ = writeln!(self.out, "<g class=\"saga-block\">");
                    self.frame(
                        at,
                        *size,
                        &format!("{} nodes, in any order", nodes.len()),
                        "saga-frame",
                    );
                    nodes.iter().for_each(|(place, node)| self.node(node, plus(at, *place)));
                    self.out.push_str("</g>\n");
                }
                Item::Meeting => {
                    let (x, y) = (at.x + 4.0, at.y);
                    let _ = writeln!(
                        self.out,
                        "<circle class=\"saga-meeting\" cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"3.5\" fill=\"{NEUTRAL}\"/>"
                    );
                }
            }
        }
    }

    /// An edge: straight down, along a curve, straight down, and so on.
    fn line(&mut self, line: &Line, corner: Point) {
        let mut points = line.route.iter().map(|point| plus(corner, *point));
        let Some(start) = points.next() else { return };
        let mut path = format!("M{:.0} {:.0}", start.x, start.y);
        let (mut last, mut curve) = (start, false);
        let short = line.route.len() == 3;
        for mut point in points {
            if short && (point.x - last.x).abs() < STRAIGHT {
                point.x = last.x;
            }
            let Point { x, y } = point;
            if curve && x != last.x {
                let middle = (last.y + y) / 2.0;
                let _ = write!(path, "C{:.0} {middle:.0} {x:.0} {middle:.0} {x:.0} {y:.0}", last.x);
            } else if y > last.y {
                let _ = write!(path, "V{y:.0}");
            }
            (last, curve) = (point, !curve);
        }
        let (colour, class, wide) = match line.frontier {
            true => (FRONTIER, "saga-edge saga-frontier", "2.5\" stroke-dasharray=\"7 4"),
            false => (NEUTRAL, "saga-edge", "1.4"),
        };
        let _ = write!(
            self.out,
            "<path class=\"{class}\" d=\"{path}\" stroke=\"{colour}\" stroke-width=\"{wide}\"/>"
        );
        // The head is drawn here, since a marker would need an identifier that another picture may have too.
        let (tip, back) = if line.frontier { (start, 7.0) } else { (last, -7.0) };
        if line.arrow || line.frontier {
            let (x, y) = (tip.x, tip.y + back);
            let _ = write!(
                self.out,
                "<path class=\"{class}\" d=\"M{:.0} {:.0}L{:.0} {y:.0}H{:.0}Z\" fill=\"{colour}\"/>",
                tip.x,
                tip.y,
                x - 4.5,
                x + 4.5
            );
        }
        self.out.push('\n');
    }

    fn node(&mut self, node: &NodeBox<'_>, at: Point) {
        let Drawn { id, path, .. } = node.node;
        let state = node.node.state();
        let (look, word) =
            (look(state), state.map(|state| format!(" saga-{state}")).unwrap_or_default());
        let link = self.options.link.as_ref().and_then(|link| link(path));
        let label = said(node);
        let role = match (&link, node.parts.is_empty()) {
            (Some(_), _) => String::new(),
            (None, true) => format!(" role=\"graphics-symbol img\" aria-label=\"{label}\""),
            (None, false) => format!(" role=\"graphics-object group\" aria-label=\"{label}\""),
        };
        let _ = writeln!(
            self.out,
            "<g class=\"saga-node{}\" id=\"{id}\" data-node=\"{}\"{role}>",
            word,
            escaped(path)
        );
        if let Some(link) = &link {
            let _ = write!(self.out, "<a href=\"{}\" aria-label=\"{label}\">", escaped(link));
        }
        let _ = writeln!(self.out, "<title>{}</title>", full(node));
        self.shape(node, &look, at);
        self.head(node, &look, at);
        if link.is_some() {
            self.out.push_str("</a>\n");
        }
        for (place, part) in &node.parts {
            self.part(part, plus(at, *place));
        }
        self.out.push_str("</g>\n");
    }

    fn shape(&mut self, node: &NodeBox<'_>, look: &Look, at: Point) {
        let opacity = if node.parts.is_empty() { 0.14 } else { 0.05 };
        let Size { width, height } = node.size;
        let dashes = look.dashes.map(|dashes| format!(" stroke-dasharray=\"{dashes}\""));
        let mut border = |inset: f64, fill: f64, wide: f64| {
            let _ = writeln!(
                self.out,
                "<rect class=\"saga-box\" x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{:.0}\" rx=\"{}\" \
                 fill=\"{}\" fill-opacity=\"{fill}\" stroke=\"{}\" stroke-width=\"{wide}\"{}/>",
                at.x + inset,
                at.y + inset,
                width - 2.0 * inset,
                height - 2.0 * inset,
                ROUND - inset,
                look.colour,
                look.colour,
                dashes.as_deref().unwrap_or_default()
            );
        };
        border(0.0, opacity, look.border);
        if node.node.pivot {
            border(PIVOT, 0.0, 1.0);
        }
    }

    /// The lines of a node, in its middle; for one that contains others, at the left.
    fn head(&mut self, node: &NodeBox<'_>, look: &Look, at: Point) {
        let leaf = node.parts.is_empty();
        let name = shortened(&node.node.name, NAME_WIDTH, MOST_TEXT);
        let sign = if node.node.counts.is_empty() { 0.0 } else { SIGN };
        let middle = at.x + node.size.width / 2.0;
        let left = match leaf {
            true => middle - (width(&name, NAME_WIDTH) + sign) / 2.0,
            false => at.x + PAD,
        };
        let mut y = at.y + PAD / 2.0 + LINE - 4.0;
        look.draw_sign(Point { x: left + 6.0, y: y - 4.0 }, self.out);
        let (x, anchor) = match leaf {
            true => (middle, " text-anchor=\"middle\""),
            false => (at.x + PAD, ""),
        };
        let shift = if leaf { sign / 2.0 } else { sign };
        let _ = writeln!(
            self.out,
            "<text class=\"saga-name\" x=\"{:.0}\" y=\"{y:.0}\"{anchor} font-size=\"{NAME:.0}\" font-weight=\"600\" \
             fill=\"currentColor\">{}</text>",
            x + shift,
            escaped(&name)
        );
        let states = node.node.states().map(|states| ("saga-state", states));
        for (class, text) in [("saga-runs", node.node.runs.clone())].into_iter().chain(states) {
            y += LINE;
            let text = shortened(&text, SMALL, MOST_TEXT);
            let _ = writeln!(
                self.out,
                "<text class=\"{class}\" x=\"{x:.0}\" y=\"{y:.0}\"{anchor} fill=\"currentColor\" \
                 fill-opacity=\"0.8\">{}</text>",
                escaped(&text)
            );
        }
        self.shares(node, at);
    }

    /// A bar with the states of the instances, in proportion.
    fn shares(&mut self, node: &NodeBox<'_>, at: Point) {
        let total = node.node.counts.values().sum::<usize>();
        if total < 2 {
            return;
        }
        let (mut x, wide) = (at.x + PAD, node.size.width - 2.0 * PAD);
        let y = at.y
            + if node.parts.is_empty() {
                node.size.height - 5.0
            } else {
                PAD / 2.0 + 3.0 * LINE + 1.0
            };
        for (state, count) in &node.node.counts {
            let share = wide * *count as f64 / total as f64;
            let _ = write!(
                self.out,
                "<rect class=\"saga-share\" x=\"{x:.1}\" y=\"{y:.0}\" width=\"{share:.1}\" height=\"3\" fill=\"{}\"/>",
                look(Some(*state)).colour
            );
            x += share;
        }
        self.out.push('\n');
    }

    fn part(&mut self, part: &PartBox<'_>, at: Point) {
        let (opacity, class) = match part.other_arm {
            true => (" opacity=\"0.5\"", "saga-part saga-other-arm"),
            false => ("", "saga-part"),
        };
        let _ = writeln!(self.out, "<g class=\"{class}\" id=\"{}\"{opacity}>", part.part.id);
        self.frame(at, part.size, &part.title, "saga-frame");
        let left = (part.size.width - part.picture.size.width) / 2.0;
        self.picture(&part.picture, plus(at, Point { x: left, y: TITLE }));
        self.out.push_str("</g>\n");
    }

    fn frame(&mut self, at: Point, size: Size, title: &str, class: &str) {
        let _ = writeln!(
            self.out,
            "<rect class=\"{class}\" x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{:.0}\" rx=\"{ROUND}\" \
             stroke=\"{NEUTRAL}\" stroke-dasharray=\"2 3\"/>\
             <text class=\"saga-title\" x=\"{:.0}\" y=\"{:.0}\" fill=\"currentColor\" fill-opacity=\"0.8\">{}</text>",
            at.x,
            at.y,
            size.width,
            size.height,
            at.x + PAD,
            at.y + LINE - 1.0,
            escaped(&shortened(title, SMALL, MOST_TEXT.max(size.width - 2.0 * PAD)))
        );
    }
}

fn plus(a: Point, b: Point) -> Point {
    Point { x: a.x + b.x, y: a.y + b.y }
}

/// What is shown in full when the mouse is over a node.
fn full(node: &NodeBox<'_>) -> String {
    let lines = node.node.lines();
    let pivot = node.node.pivot.then(|| "pivot: after it, the saga only goes forward".to_string());
    lines.into_iter().chain(pivot).map(|line| isolated(&line)).collect::<Vec<_>>().join("\n")
}

/// What a screen reader says about a node.
fn said(node: &NodeBox<'_>) -> String {
    let Drawn { name, runs, .. } = node.node;
    let mut said = format!("{}: {}", isolated(name), isolated(runs));
    if let Some(states) = node.node.states() {
        let _ = write!(said, ", {states}");
    }
    if node.node.pivot {
        said.push_str(", pivot");
    }
    let names = node.after.iter().take(MOST_NAMES).map(|name| isolated(name)).collect::<Vec<_>>();
    match node.after.len().saturating_sub(names.len()) {
        0 if names.is_empty() => {}
        0 => {
            let _ = write!(said, "; after {}", names.join(", "));
        }
        more => {
            let _ = write!(said, "; after {} and {more} more", names.join(", "));
        }
    }
    said
}
