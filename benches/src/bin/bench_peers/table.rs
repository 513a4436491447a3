//! The results as tables, in Markdown.

use std::fmt::Write as _;

use saga_benches::durable::DurableEngine;
use saga_benches::engine::Engine;
use saga_benches::measure::Spread;
use saga_benches::results::{Cost, Results};
use saga_benches::workload::Workload;

/// Adds a line; writing to a string does not fail.
macro_rules! line {
    ($text:expr, $($arg:tt)*) => {{ let _ = writeln!($text, $($arg)*); }};
}

/// All tables of what was measured.
pub(crate) fn of(results: &Results) -> String {
    let mut text = String::new();
    if !results.in_memory.is_empty() {
        let rounds = results.rounds;
        line!(
            text,
            "\nIn memory, processor time per node, current-thread runtime; median (min–max) of {rounds} rounds:\n"
        );
        times(&mut text, results, &CPU);
        line!(text, "\nThe same as time on a runtime with two workers:\n");
        times(&mut text, results, &WALL);
    }
    if !results.memory.nodes.is_empty() {
        allocations(&mut text, results);
        heap(&mut text, results);
    }
    if !results.durable.is_empty() {
        durable(&mut text, results);
    }
    text
}

fn engines() -> impl Iterator<Item = Engine> {
    Engine::ALL.iter().copied()
}

fn header(text: &mut String, first: &str, columns: impl Iterator<Item = String>) {
    let columns = columns.collect::<Vec<_>>();
    line!(text, "| {first} | {} |", columns.join(" | "));
    line!(text, "|---|{}", "---:|".repeat(columns.len()));
}

fn cost(results: &Results, workload: Workload, engine: Engine) -> Option<&Cost> {
    let workload = workload.to_string();
    results.in_memory.iter().find(|cost| cost.workload == workload && cost.engine == engine)
}

/// Which of two times a table shows: the time, its ratio to that of the floor, and to that of saga-core.
struct Times {
    time: fn(&Cost) -> Spread,
    of_floor: fn(&Cost) -> Option<Spread>,
    of_ours: fn(&Cost) -> Option<Spread>,
}

const CPU: Times = Times {
    time: |cost| cost.cpu_ns,
    of_floor: |cost| cost.cpu_of_floor,
    of_ours: |cost| cost.cpu_of_ours,
};

const WALL: Times = Times {
    time: |cost| cost.wall_ns,
    of_floor: |cost| cost.wall_of_floor,
    of_ours: |cost| cost.wall_of_ours,
};

/// Times of the floor and of saga-core in nanoseconds, of the others as ratios to saga-core.
fn times(text: &mut String, results: &Results, times: &Times) {
    let others = || engines().filter(|engine| ![Engine::Floor, Engine::Ours].contains(engine));
    let fixed = ["floor, ns", "saga-core, ns", "saga-core ÷ floor"].map(String::from);
    let ratios = others().map(|engine| format!("{engine} ÷ saga-core"));
    header(text, "work", fixed.into_iter().chain(ratios));
    for workload in Workload::COMPARED {
        let cost = |engine| cost(results, *workload, engine);
        let mut cells = vec![
            spread(cost(Engine::Floor).map(times.time), 0),
            spread(cost(Engine::Ours).map(times.time), 0),
            spread(cost(Engine::Ours).and_then(times.of_floor), 1),
        ];
        cells.extend(others().map(|engine| spread(cost(engine).and_then(times.of_ours), 1)));
        line!(text, "| {workload} | {} |", cells.join(" | "));
    }
}

fn allocations(text: &mut String, results: &Results) {
    line!(text, "\nIn memory, allocations per node:\n");
    header(text, "work", engines().map(|engine| engine.to_string()));
    for workload in Workload::COMPARED {
        let workload = workload.to_string();
        let cells = engines().map(|engine| {
            let mut rows = results.memory.nodes.iter();
            rows.find(|row| row.workload == workload && row.engine == engine)
                .map_or("–".to_owned(), |row| format!("{:.1}", row.allocations))
        });
        line!(text, "| {workload} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

fn heap(text: &mut String, results: &Results) {
    line!(
        text,
        "\nBytes of heap per saga of five steps, with its log where the engine keeps it:\n"
    );
    let columns = ["waiting in its third step", "after its end", "after it was removed"];
    header(text, "engine", columns.into_iter().map(String::from));
    for row in &results.memory.waiting {
        let (engine, waiting, ended) = (row.engine, row.waiting, row.ended);
        let forgotten = row.forgotten.map_or("–".to_owned(), |bytes| format!("{bytes:.0}"));
        line!(text, "| {engine} | {waiting:.0} | {ended:.0} | {forgotten} |");
    }
}

fn durable(text: &mut String, results: &Results) {
    line!(
        text,
        "\nOn disk, sagas of five steps, every commit synced; median (min–max) of the rounds:\n"
    );
    let columns = ["at once", "sagas/s", "÷ bare writer", "p50, ms", "p99, ms"];
    header(text, "engine", columns.into_iter().map(String::from));
    for engine in DurableEngine::ALL {
        for row in results.durable.iter().filter(|row| row.engine == *engine) {
            let rate = spread(Some(row.per_second), 0);
            let (ratio, at_once) = (spread(row.of_floor, 2), row.at_once);
            let (p50, p99) = (row.p50_ms.median, row.p99_ms.median);
            line!(text, "| {engine} | {at_once} | {rate} | {ratio} | {p50:.1} | {p99:.1} |");
        }
    }
}

fn spread(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or("–".to_owned(), |Spread { median, min, max }| {
        format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
    })
}
