//! How a state looks. Each has a colour of its own, a sign, and its word; those who cannot tell the colours apart
//! have the other two.

use std::fmt::Write;

use super::super::layout::Point;
use crate::log::ActionState;

pub(super) struct Look {
    /// Seen on white and on black: each has a contrast of at least 3 to both.
    pub(super) colour: &'static str,
    /// How wide the border is, and how it is dashed.
    pub(super) border: f64,
    pub(super) dashes: Option<&'static str>,
    /// The sign as a path around 0, 0.
    sign: &'static str,
    filled: bool,
}

/// The colour of nodes without a state, of edges and of frames.
pub(super) const NEUTRAL: &str = "#80868f";

/// The colour of the edges that a rollback has come to.
pub(super) const FRONTIER: &str = "#c2690a";

pub(super) fn look(state: Option<ActionState>) -> Look {
    let plain = Look { colour: NEUTRAL, border: 1.25, dashes: None, sign: "", filled: false };
    let Some(state) = state else { return plain };
    match state {
        ActionState::Pending => {
            let sign = "M4.5 0A4.5 4.5 0 1 1 -4.5 0A4.5 4.5 0 1 1 4.5 0";
            Look { dashes: Some("5 3"), sign, ..plain }
        }
        ActionState::Running => Look {
            colour: "#2f7fd6",
            border: 2.0,
            sign: "M-3.5 -5L5 0L-3.5 5Z",
            filled: true,
            ..plain
        },
        ActionState::Waiting => {
            let sign = "M-4 -5H4L-4 5H4Z";
            Look { colour: "#2f7fd6", dashes: Some("5 3"), sign, ..plain }
        }
        ActionState::Completed => Look { colour: "#2b9348", sign: "M-5 0.5L-1.5 4L5 -4", ..plain },
        ActionState::Failed => {
            let sign = "M-4 -4L4 4M-4 4L4 -4";
            Look { colour: "#dc4a4a", border: 2.0, sign, ..plain }
        }
        ActionState::InDoubt => Look {
            colour: "#b8860b",
            border: 3.0,
            sign: "M-3 -2.5A3 3 0 1 1 0.5 0.6V2M0.5 4.6V5",
            ..plain
        },
        ActionState::Undoing => Look {
            colour: FRONTIER,
            border: 2.0,
            sign: "M-4.8 -1A4.8 4.8 0 1 1 -2.8 4M-5.4 -5V-0.8H-1.4",
            ..plain
        },
        ActionState::Undone => Look {
            colour: "#9061d6",
            sign: "M-1.5 -5.5L-5 -2L-1.5 1.5M-5 -2H1.5A3 3 0 0 1 1.5 4.5H-2.5",
            ..plain
        },
        ActionState::Resolved => {
            Look { colour: "#9061d6", dashes: Some("5 3"), sign: "M-5 0.5L-1.5 4L5 -4", ..plain }
        }
        ActionState::UndoFailed => Look {
            colour: "#dc2f55",
            border: 3.0,
            sign: "M0 -5.5L6 5H-6ZM0 -1.5V1.5M0 3.2V3.6",
            ..plain
        },
        ActionState::Skipped => Look { dashes: Some("1.5 3"), sign: "M-4.5 0H4.5", ..plain },
    }
}

impl Look {
    /// Draws the sign around this point.
    pub(super) fn draw_sign(&self, at: Point, out: &mut String) {
        if self.sign.is_empty() {
            return;
        }
        let Self { colour, sign, .. } = self;
        let fill = if self.filled { colour } else { "none" };
        let _ = write!(
            out,
            "<path class=\"saga-sign\" transform=\"translate({:.0} {:.0})\" d=\"{sign}\" fill=\"{fill}\" \
             stroke=\"{colour}\" stroke-width=\"1.8\" stroke-linecap=\"round\" stroke-linejoin=\"round\"/>",
            at.x, at.y
        );
    }
}
