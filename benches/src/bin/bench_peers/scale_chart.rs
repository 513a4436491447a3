//! Three curves that should be flat: what a node, a new saga and a resumed saga cost, as numbers grow.

use saga_benches::scale::Scale;
use saga_benches::svg::{Anchor, Svg};

const WIDTH: f64 = 860.0;
const PANEL: f64 = 230.0;
const GREY: &str = "#d0d7de";

struct Curve {
    name: String,
    color: &'static str,
    points: Vec<(f64, f64)>,
}

pub(crate) fn of(scale: &Scale) -> String {
    let mut svg = Svg::new(WIDTH, 3.0 * PANEL + 10.0);
    let shapes = [("chain", "#0969da"), ("fanout", "#bf3989"), ("for", "#1a7f37")];
    let nodes = shapes.map(|(shape, color)| {
        let rows = scale.nodes.iter().filter(|row| row.shape == shape);
        let points = rows.map(|row| (row.nodes as f64, row.cpu_ns)).collect();
        Curve { name: shape.to_owned(), color, points }
    });
    panel(&mut svg, 0.0, "In memory: ns of processor time per node, by nodes of the saga", &nodes);
    let points = |value: fn(&saga_benches::scale::Stored) -> f64| {
        scale.stored.iter().map(|row| (row.sagas as f64, value(row))).collect()
    };
    let new = Curve {
        name: "five steps, 50 at once".to_owned(),
        color: "#0969da",
        points: points(|row| row.new_cpu_us),
    };
    let title = "SQLite: µs of processor time per new saga, by sagas in the file";
    panel(&mut svg, PANEL, title, &[new]);
    let resumed = Curve {
        name: "a tenth of the sagas in the file".to_owned(),
        color: "#0969da",
        points: points(|row| row.resumed_ms * 1e3 / row.unfinished.max(1) as f64),
    };
    let title = "SQLite: µs per saga that is resumed, build included, by sagas in the file";
    panel(&mut svg, 2.0 * PANEL, title, &[resumed]);
    svg.to_string()
}

/// Curves over a logarithmic scale, from zero.
fn panel(svg: &mut Svg, top: f64, title: &str, curves: &[Curve]) {
    svg.text(15.0, top + 24.0, Anchor::Start, 15, title);
    let mut x = 15.0;
    for curve in curves {
        svg.bar(x, top + 34.0, 10.0, 10.0, curve.color);
        svg.text(x + 15.0, top + 43.0, Anchor::Start, 12, &curve.name);
        x += 32.0 + 7.0 * curve.name.len() as f64;
    }
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let (left, right) = points().fold((f64::MAX, 1.0_f64), |(l, r), (x, _)| (l.min(x), r.max(x)));
    let high = points().fold(1.0_f64, |high, (_, y)| high.max(y)) * 1.1;
    if left >= right {
        return;
    }
    let (x0, x1, y0, y1) = (70.0, WIDTH - 40.0, top + PANEL - 30.0, top + 60.0);
    let place = |(x, y): (f64, f64)| {
        let share = (x / left).log10() / (right / left).log10();
        (x0 + share * (x1 - x0), y0 - y / high * (y0 - y1))
    };
    for quarter in 0..=4 {
        let value = high * f64::from(quarter) / 4.0;
        let (_, y) = place((left, value));
        svg.line((x0, y), (x1, y), GREY);
        svg.text(x0 - 8.0, y + 4.0, Anchor::End, 11, &format!("{value:.0}"));
    }
    let mut power = left;
    while power <= right * 1.001 {
        let (x, _) = place((power, 0.0));
        svg.text(x, y0 + 18.0, Anchor::Middle, 11, &format!("{power:.0}"));
        power *= 10.0;
    }
    for curve in curves {
        let points = curve.points.iter().copied().map(place).collect::<Vec<_>>();
        svg.curve(&points, curve.color);
    }
}
