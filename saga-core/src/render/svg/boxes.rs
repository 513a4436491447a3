//! The boxes of a picture: how large each is, and where it is within the one that contains it.

use super::super::layout::{Layout, Point, Size, layout};
use super::super::{Drawing, Drawn, PartDrawn};
use super::sketch::{Sketch, Vertex};
use super::text;
use crate::log::ActionState;

/// The sizes of the two kinds of text, and the height of a line.
pub(super) const NAME: f64 = 13.0;
/// Names are bold: as wide as other text of this size.
pub(super) const NAME_WIDTH: f64 = 1.1 * NAME;
pub(super) const SMALL: f64 = 11.0;
pub(super) const LINE: f64 = 16.0;
/// The least distance of text from a border, and that of a sign.
pub(super) const PAD: f64 = 11.0;
pub(super) const SIGN: f64 = 18.0;
/// How far the second border of a pivot is from the first.
pub(super) const PIVOT: f64 = 3.0;
/// A longer name is shortened.
pub(super) const MOST_TEXT: f64 = 210.0;
const LEAST_WIDTH: f64 = 84.0;
/// The space around parts, and around the nodes in a frame.
const SPACE: f64 = 12.0;
/// The height of a frame's title.
pub(super) const TITLE: f64 = 22.0;
/// How many parts are beside each other, and by how much a block is wider than it is high.
const PARTS_IN_ROW: usize = 4;
const BLOCK_SHAPE: f64 = 1.6;

/// A DAG, laid out.
pub(super) struct Picture<'d> {
    pub(super) size: Size,
    pub(super) items: Vec<(Point, Item<'d>)>,
    pub(super) lines: Vec<Line>,
}

pub(super) enum Item<'d> {
    Node(NodeBox<'d>),
    /// Nodes in rows and columns.
    Block(Size, Vec<(Point, NodeBox<'d>)>),
    Meeting,
}

pub(super) struct Line {
    pub(super) route: Vec<Point>,
    /// False if it ends where edges meet.
    pub(super) arrow: bool,
    /// True if a rollback has come to this edge.
    pub(super) frontier: bool,
}

pub(super) struct NodeBox<'d> {
    pub(super) node: &'d Drawn,
    pub(super) size: Size,
    /// The names of the nodes that it waits for.
    pub(super) after: Vec<&'d str>,
    pub(super) parts: Vec<(Point, PartBox<'d>)>,
}

pub(super) struct PartBox<'d> {
    pub(super) part: &'d PartDrawn,
    pub(super) title: String,
    pub(super) size: Size,
    /// True for an arm that does not run because another one does.
    pub(super) other_arm: bool,
    pub(super) picture: Picture<'d>,
}

/// What all boxes of a picture have in common.
#[derive(Clone, Copy)]
pub(super) struct Scene {
    /// True if nodes have room for a line with their state.
    pub(super) states: bool,
    pub(super) rolling_back: bool,
}

impl<'d> Picture<'d> {
    pub(super) fn of(drawing: &'d Drawing, scene: Scene) -> Self {
        let mut boxes =
            drawing.nodes.iter().map(|node| Some(NodeBox::of(node, scene))).collect::<Vec<_>>();
        for (from, to) in &drawing.edges {
            let name = drawing.nodes.get(*from).map(|node| node.name.as_str());
            if let Some(Some(node)) = boxes.get_mut(*to) {
                node.after.extend(name);
            }
        }
        let plain = drawing.nodes.iter().map(|node| node.parts.is_empty()).collect::<Vec<_>>();
        let sketch = Sketch::new(&plain, &drawing.edges);
        let mut take = |node: usize| boxes.get_mut(node).and_then(Option::take);
        let items = sketch.vertices.iter().map(|vertex| match vertex {
            Vertex::Node(node) => take(*node).map_or(Item::Meeting, Item::Node),
            Vertex::Block(nodes) => in_rows(nodes.iter().filter_map(|node| take(*node)).collect()),
            Vertex::Meeting => Item::Meeting,
        });
        let items = items.collect::<Vec<_>>();
        let sizes = items.iter().map(Item::size).collect::<Vec<_>>();
        let Layout { size, places, routes } = layout(&sizes, &sketch.edges);
        let sides = sides(drawing, &sketch);
        let lines = sketch.edges.iter().zip(routes).map(|((from, to), route)| Line {
            route,
            arrow: !matches!(items.get(*to), Some(Item::Meeting)),
            frontier: scene.rolling_back
                && sides.get(*from).is_some_and(|side| side.remains)
                && sides.get(*to).is_some_and(|side| side.gone),
        });
        let lines = lines.collect();
        let mut items = places.into_iter().zip(items).collect::<Vec<_>>();
        // Readers and the tab key go from top to bottom.
        items.sort_by(|(a, _), (b, _)| a.y.total_cmp(&b.y).then(a.x.total_cmp(&b.x)));
        Self { size, items, lines }
    }
}

impl Item<'_> {
    fn size(&self) -> Size {
        match self {
            Self::Node(node) => node.size,
            Self::Block(size, _) => *size,
            Self::Meeting => Size { width: 8.0, height: 0.0 },
        }
    }
}

impl<'d> NodeBox<'d> {
    fn of(node: &'d Drawn, scene: Scene) -> Self {
        let lines = [(node.name.as_str(), NAME_WIDTH, if scene.states { SIGN } else { 0.0 })];
        let states = node.states().unwrap_or_default();
        let lines =
            lines.into_iter().chain([(node.runs.as_str(), SMALL, 0.0), (&states, SMALL, 0.0)]);
        let widths = lines.map(|(text, size, sign)| text::width(text, size).min(MOST_TEXT) + sign);
        let border = if node.pivot { 2.0 * PIVOT } else { 0.0 };
        let width = (widths.fold(0.0, f64::max) + 2.0 * PAD).max(LEAST_WIDTH).round() + border;
        let head = head(scene);
        let parts =
            node.parts.iter().map(|part| PartBox::of(part, node, scene)).collect::<Vec<_>>();
        let mut size = Size { width, height: head };
        let mut placed = Vec::new();
        let mut corner = Point { x: SPACE, y: head };
        let mut row = 0.0;
        for (k, part) in parts.into_iter().enumerate() {
            if k > 0 && k % PARTS_IN_ROW == 0 {
                corner = Point { x: SPACE, y: corner.y + row + SPACE };
                row = 0.0;
            }
            row = part.size.height.max(row);
            size.width = size.width.max(corner.x + part.size.width + SPACE);
            size.height = size.height.max(corner.y + part.size.height + SPACE);
            let at = corner;
            corner.x += part.size.width + SPACE;
            placed.push((at, part));
        }
        Self { node, size, after: Vec::new(), parts: placed }
    }
}

/// The height of what is said about a node.
pub(super) fn head(scene: Scene) -> f64 {
    let lines = if scene.states { 3.0 } else { 2.0 };
    lines * LINE + PAD
}

impl<'d> PartBox<'d> {
    fn of(part: &'d PartDrawn, node: &Drawn, scene: Scene) -> Self {
        let picture = Picture::of(&part.drawing, scene);
        let title = match (part.items, part.drawing.nodes.is_empty()) {
            (Some(1), _) => format!("{}, 1 item", part.title),
            (Some(items), _) => format!("{}, {items} items", part.title),
            (None, true) => format!("{}: nothing", part.title),
            (None, false) => part.title.clone(),
        };
        let text = text::width(&title, SMALL).min(MOST_TEXT) + 2.0 * PAD;
        let width = text.max(picture.size.width + 2.0 * SPACE).round();
        let below = if part.drawing.nodes.is_empty() { 0.0 } else { SPACE + 4.0 };
        let size = Size { width, height: TITLE + picture.size.height + below };
        let runs = |part: &PartDrawn| part.drawing.nodes.iter().any(|node| !node.counts.is_empty());
        let other_arm = part.arm && !runs(part) && node.parts.iter().any(runs);
        Self { part, title, size, other_arm, picture }
    }
}

/// Nodes in rows and columns, with a frame around them.
fn in_rows(nodes: Vec<NodeBox<'_>>) -> Item<'_> {
    let gap = SPACE / 2.0;
    let width = nodes.iter().map(|node| node.size.width).fold(0.0, f64::max);
    let height = nodes.iter().map(|node| node.size.height).fold(0.0, f64::max);
    let area = nodes.len() as f64 * (height + gap) / (width + gap);
    let columns = (area * BLOCK_SHAPE).sqrt().ceil().clamp(1.0, nodes.len().max(1) as f64);
    let rows = (nodes.len() as f64 / columns).ceil();
    let size = Size {
        width: SPACE * 2.0 + columns * (width + gap) - gap,
        height: TITLE + SPACE + rows * (height + gap) - gap,
    };
    let placed = nodes.into_iter().enumerate().map(|(k, mut node)| {
        node.size.width = width;
        let (row, column) = ((k as f64 / columns).floor(), k as f64 % columns);
        let x = SPACE + column * (width + gap);
        (Point { x, y: TITLE + row * (height + gap) }, node)
    });
    let placed = placed.collect();
    Item::Block(size, placed)
}

/// On which sides of a rollback a vertex is.
#[derive(Clone, Copy, Default)]
struct Side {
    /// Effects are still there.
    remains: bool,
    /// Effects are gone, or there were none.
    gone: bool,
}

impl Side {
    fn of(node: &Drawn) -> Self {
        let mut side = Self::default();
        for state in node.counts.keys() {
            match state {
                ActionState::Completed | ActionState::Undoing | ActionState::UndoFailed => {
                    side.remains |= node.undoable;
                }
                ActionState::Undone | ActionState::Resolved | ActionState::Failed => {
                    side.gone = true;
                }
                ActionState::Pending
                | ActionState::Running
                | ActionState::Waiting
                | ActionState::InDoubt
                | ActionState::Skipped => {}
            }
        }
        side
    }

    fn or(self, other: Self) -> Self {
        Self { remains: self.remains || other.remains, gone: self.gone || other.gone }
    }
}

/// The sides of all vertices. Before the point where edges meet there are the nodes above it, and after it those
/// below it.
fn sides(drawing: &Drawing, sketch: &Sketch) -> Vec<Side> {
    let of = |node: &usize| drawing.nodes.get(*node).map(Side::of).unwrap_or_default();
    let own = sketch.vertices.iter().map(|vertex| match vertex {
        Vertex::Node(node) => of(node),
        Vertex::Block(nodes) => nodes.iter().map(of).fold(Side::default(), Side::or),
        Vertex::Meeting => Side::default(),
    });
    let own = own.collect::<Vec<_>>();
    let mut all = own.clone();
    let side = |vertex: usize| own.get(vertex).copied().unwrap_or_default();
    let meets = |vertex: usize| matches!(sketch.vertices.get(vertex), Some(Vertex::Meeting));
    for &(from, to) in &sketch.edges {
        if let (true, Some(point)) = (meets(to), all.get_mut(to)) {
            point.remains |= side(from).remains;
        }
        if let (true, Some(point)) = (meets(from), all.get_mut(from)) {
            point.gone |= side(to).gone;
        }
    }
    all
}
