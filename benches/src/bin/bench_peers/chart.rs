//! The results as a chart: time per node in memory, and sagas per second on disk, both on a logarithmic scale.

use saga_benches::bars::{Group, WIDTH, panel, panel_height};
use saga_benches::durable::DurableEngine;
use saga_benches::engine::Engine;
use saga_benches::results::Results;
use saga_benches::svg::Svg;
use saga_benches::workload::Workload;

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
