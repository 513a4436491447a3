//! Horizontal bars in groups, on a logarithmic scale.

use crate::svg::{Anchor, Svg};

/// How wide a drawing with bars is.
pub const WIDTH: f64 = 860.0;
const LABELS: f64 = 190.0;
const BAR: f64 = 11.0;
const GAP: f64 = 10.0;
const GREY: &str = "#d0d7de";

/// A group of bars with a label.
#[derive(Debug, Clone)]
pub struct Group {
    /// What the bars have in common.
    pub label: String,
    /// The color and the value of each.
    pub bars: Vec<(&'static str, f64)>,
}

/// How high a panel of these groups is.
pub fn panel_height(groups: &[Group]) -> f64 {
    if groups.is_empty() {
        return 0.0;
    }
    75.0 + groups.iter().map(|group| group.bars.len() as f64 * BAR + GAP).sum::<f64>()
}

/// Draws a panel from `y` on, and returns where it ends.
pub fn panel(
    svg: &mut Svg,
    y: f64,
    title: &str,
    names: &[(&'static str, String)],
    groups: &[Group],
) -> f64 {
    if groups.is_empty() {
        return y;
    }
    svg.text(15.0, y + 18.0, Anchor::Start, 15, title);
    let mut x = 15.0;
    for (color, name) in names {
        svg.bar(x, y + 29.0, 10.0, 10.0, color);
        svg.text(x + 15.0, y + 38.0, Anchor::Start, 12, name);
        x += 32.0 + 7.0 * name.len() as f64;
    }
    let top = y + 60.0;
    let bottom = y + panel_height(groups) - 12.0;
    let values = || groups.iter().flat_map(|group| group.bars.iter().map(|bar| bar.1));
    let low = values().fold(f64::MAX, f64::min).log10().floor();
    let high = values().fold(1.0, f64::max).log10().ceil().max(low + 1.0);
    let scale = |value: f64| (value.log10() - low) / (high - low) * (WIDTH - LABELS - 80.0);
    for power in low as i32..=high as i32 {
        let x = LABELS + scale(10f64.powi(power));
        svg.line((x, top), (x, bottom), GREY);
        svg.text(x, top - 4.0, Anchor::Middle, 11, &digits(10f64.powi(power)));
    }
    let mut y = top + GAP / 2.0;
    for group in groups {
        let middle = y + group.bars.len() as f64 * BAR / 2.0 + 4.0;
        svg.text(LABELS - 10.0, middle, Anchor::End, 12, &group.label);
        for (color, value) in &group.bars {
            svg.bar(LABELS, y, scale(*value).max(1.0), BAR - 2.0, color);
            svg.text(LABELS + scale(*value) + 5.0, y + 8.5, Anchor::Start, 9, &digits(*value));
            y += BAR;
        }
        y += GAP;
    }
    bottom + 12.0
}

/// A number with its thousands apart.
fn digits(value: f64) -> String {
    let number = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in number.chars().enumerate() {
        if i > 0 && (number.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}
