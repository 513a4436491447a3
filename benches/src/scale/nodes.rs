//! Whether the cost of a node depends on how many nodes there are.

use super::Nodes;
use crate::Any;
use crate::engine::Contestant;
use crate::measure::cpu_time;
use crate::ours::in_memory::Ours;
use crate::workload::Workload;

/// Runs a chain, a fan-out and a `for` of each of these sizes, on a current-thread runtime.
///
/// # Errors
/// Those of the sagas.
pub async fn nodes(sizes: &[usize]) -> Result<Vec<Nodes>, Any> {
    let mut results = Vec::new();
    for shape in ["chain", "fanout", "for"] {
        for size in sizes {
            let workload = Workload::named(shape, *size)?;
            let ours = Ours::new(workload).await?;
            ours.run().await?;
            let runs = (20_000 / workload.nodes()).clamp(1, 500);
            let before = cpu_time();
            for _ in 0..runs {
                ours.run().await?;
            }
            let cpu = cpu_time() - before;
            let cpu_ns = cpu.as_secs_f64() * 1e9 / (runs * workload.nodes()) as f64;
            results.push(Nodes { shape: shape.to_owned(), nodes: *size, cpu_ns });
        }
    }
    Ok(results)
}
