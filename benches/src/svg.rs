//! Just enough SVG for the charts.

use std::fmt::{self, Write as _};

/// A drawing, on a white ground so that it can be read on any page.
pub struct Svg {
    body: String,
    width: f64,
    height: f64,
}

/// Which end of a text is at its position.
#[derive(Debug, Clone, Copy)]
pub enum Anchor {
    /// The left end.
    Start,
    /// The middle.
    Middle,
    /// The right end.
    End,
}

/// Writing to a string does not fail.
macro_rules! add {
    ($self:expr, $($arg:tt)*) => {{ let _ = writeln!($self.body, $($arg)*); }};
}

impl Svg {
    /// An empty drawing.
    pub fn new(width: f64, height: f64) -> Self {
        Self { body: String::new(), width, height }
    }

    /// A text.
    pub fn text(&mut self, x: f64, y: f64, anchor: Anchor, size: u32, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('`', "");
        add!(
            self,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size}">{text}</text>"#
        );
    }

    /// A filled rectangle.
    pub fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, color: &str) {
        add!(
            self,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{color}"/>"#
        );
    }

    /// A thin line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), color: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        add!(
            self,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{color}"/>"#
        );
    }

    /// Points, joined.
    pub fn curve(&mut self, points: &[(f64, f64)], color: &str) {
        let list = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>();
        let list = list.join(" ");
        add!(self, r#"<polyline points="{list}" fill="none" stroke="{color}" stroke-width="2"/>"#);
        for (x, y) in points {
            add!(self, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{color}"/>"#);
        }
    }
}

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body, width, height } = self;
        writeln!(
            f,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, sans-serif" fill="#1f2328">"##
        )?;
        writeln!(f, r##"<rect width="100%" height="100%" rx="6" fill="#ffffff"/>"##)?;
        writeln!(f, "{body}</svg>")
    }
}
