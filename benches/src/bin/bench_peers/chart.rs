//! The results as a chart: time per node in memory, and sagas per second on disk, both on a logarithmic scale.

use saga_benches::durable::DurableEngine;
use saga_benches::engine::Engine;
use saga_benches::results::Results;
use saga_benches::svg::{Anchor, Svg};
use saga_benches::workload::Workload;

const WIDTH: f64 = 860.0;
const LABELS: f64 = 190.0;
const BAR: f64 = 11.0;
const GAP: f64 = 10.0;
const GREY: &str = "#d0d7de";

/// A group of bars with a label.
struct Group {
    label: String,
    bars: Vec<(&'static str, f64)>,
}

pub(crate) fn of(results: &Results) -> String {
    let in_memory = in_memory(results);
    let on_disk = on_disk(results);
    let height = 40.0 + panel_height(&in_memory) + panel_height(&on_disk);
    let mut svg = Svg::new(WIDTH, height);
    let mut y = 10.0;
    let names = Engine::ALL.iter().map(|e| (color(*e), e.to_string())).collect::<Vec<_>>();
    let title = "In memory: nanoseconds of processor time per node (shorter is better)";
    y = panel(&mut svg, y, title, &names, &in_memory);
    let names =
        DurableEngine::ALL.iter().map(|e| (durable_color(*e), e.to_string())).collect::<Vec<_>>();
    let title = "On disk, every commit synced: sagas of five steps per second (longer is better)";
    panel(&mut svg, y, title, &names, &on_disk);
    svg.to_string()
}

fn in_memory(results: &Results) -> Vec<Group> {
    let group = |workload: &Workload| {
        let label = workload.to_string();
        let costs = results.in_memory.iter().filter(|cost| cost.workload == label);
        let bars = costs.map(|cost| (color(cost.engine), cost.cpu_ns.median)).collect();
        Group { label, bars }
    };
    Workload::COMPARED.iter().map(group).filter(|group| !group.bars.is_empty()).collect()
}

fn on_disk(results: &Results) -> Vec<Group> {
    let mut groups = Vec::<Group>::new();
    for rate in &results.durable {
        let label = format!("{} at once", rate.at_once);
        let bar = (durable_color(rate.engine), rate.per_second.median);
        match groups.iter_mut().find(|group| group.label == label) {
            Some(group) => group.bars.push(bar),
            None => groups.push(Group { label, bars: vec![bar] }),
        }
    }
    groups
}

fn panel_height(groups: &[Group]) -> f64 {
    if groups.is_empty() {
        return 0.0;
    }
    75.0 + groups.iter().map(|group| group.bars.len() as f64 * BAR + GAP).sum::<f64>()
}

/// Draws a panel from `y` on, and returns where it ends.
fn panel(
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

fn color(engine: Engine) -> &'static str {
    match engine {
        Engine::Floor => "#8c959f",
        Engine::Ours => "#0969da",
        Engine::Steno => "#bf3989",
        Engine::Dagx => "#bf8700",
        Engine::AsyncDag => "#1a7f37",
    }
}

fn durable_color(engine: DurableEngine) -> &'static str {
    match engine {
        DurableEngine::BareSqlite => "#8c959f",
        DurableEngine::OursSqlite => "#0969da",
        DurableEngine::StenoSqlite => "#bf3989",
        DurableEngine::BareFile => "#afb8c1",
        DurableEngine::OursFile => "#54aeff",
    }
}
