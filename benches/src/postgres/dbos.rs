//! dbos: a workflow of five steps. It has one executor for each worker, as one process of an application would have.

use dbos::{Config, DBOS, WorkflowRef, step};

use crate::Any;
use crate::booking::Booking;
use crate::closed_loop::{Durations, Load, closed_loop};

/// How many connections an executor has, whose default is 10, and how many all of them have, since the server takes 100.
/// With 10 or with 80 for one executor it was slower.
const CONNECTIONS: u32 = 40;
const ALL_CONNECTIONS: u32 = 80;

/// A workflow of dbos takes one argument.
async fn five_steps(number: u64) -> dbos::Result<Booking> {
    let first = step("first", || book(number)).await?;
    let second = step("second", || book(first.number + 1)).await?;
    let third = step("third", || book(second.number + 1)).await?;
    let fourth = step("fourth", || book(third.number + 1)).await?;
    step("fifth", || book(fourth.number + 1)).await
}

async fn book(number: u64) -> dbos::Result<Booking> {
    Ok(Booking::new(number))
}

pub(super) async fn run(
    url: &str,
    workers: usize,
    at_once: usize,
    load: Load,
) -> Result<Durations, Any> {
    let connections = CONNECTIONS.min(ALL_CONNECTIONS / u32::try_from(workers)?);
    let mut executors = Vec::new();
    let mut workflows = Vec::<WorkflowRef<u64, Booking, dbos::EngineOnly>>::new();
    for worker in 0..workers {
        let dbos = DBOS::new(Config {
            app_version: Some("1".to_string()),
            executor_id: Some(format!("executor-{worker}")),
            max_connections: connections,
            ..Config::new("bench-postgres", url)
        });
        workflows.push(dbos.register_workflow("five_steps", five_steps)?);
        dbos.launch().await?;
        executors.push(dbos);
    }
    let durations = closed_loop(at_once, load, move |number| {
        let workflow = workflows.get(number as usize % workflows.len()).cloned();
        async move {
            workflow.ok_or("there is no executor")?.run(number).await?;
            Ok(())
        }
    })
    .await?;
    for dbos in executors {
        dbos.shutdown().await;
    }
    Ok(durations)
}
