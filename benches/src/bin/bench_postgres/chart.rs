//! The results as a chart: sagas per second, and processor time for each.

use saga_benches::bars::{Group, WIDTH, panel, panel_height};
use saga_benches::postgres::PostgresEngine;
use saga_benches::results::{PostgresRate, PostgresResults};
use saga_benches::svg::Svg;

pub(crate) fn of(results: &PostgresResults) -> String {
    let rates = groups(results, |rate| Some(rate.per_second.median));
    let cpu = groups(results, |rate| Some(1e6 / rate.per_core?.median));
    let mut svg = Svg::new(WIDTH, 20.0 + panel_height(&rates) + panel_height(&cpu));
    let names = PostgresEngine::ALL.iter().map(|e| (color(*e), e.to_string())).collect::<Vec<_>>();
    let title =
        "On PostgreSQL, every commit synced: sagas of five steps per second (longer is better)";
    let y = panel(&mut svg, 10.0, title, &names, &rates);
    let title = "Processor time of clients and server, in microseconds a saga (shorter is better)";
    panel(&mut svg, y, title, &names, &cpu);
    svg.to_string()
}

fn groups(results: &PostgresResults, value: fn(&PostgresRate) -> Option<f64>) -> Vec<Group> {
    let mut groups = Vec::<Group>::new();
    for rate in &results.rates {
        let plural = if rate.workers == 1 { "" } else { "s" };
        let label = format!("{} worker{plural}, {} at once", rate.workers, rate.at_once);
        let Some(value) = value(rate) else { continue };
        let bar = (color(rate.engine), value);
        match groups.iter_mut().find(|group| group.label == label) {
            Some(group) => group.bars.push(bar),
            None => groups.push(Group { label, bars: vec![bar] }),
        }
    }
    groups
}

fn color(engine: PostgresEngine) -> &'static str {
    match engine {
        PostgresEngine::Bare => "#8c959f",
        PostgresEngine::Ours => "#0969da",
        #[cfg(feature = "peers")]
        PostgresEngine::Dbos => "#bf3989",
    }
}
