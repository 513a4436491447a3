//! A small infrastructure whose DAG is not a line: the resources that depend on the network are created concurrently,
//! and deleted before it.
//!
//! ```text
//! vpc ─┬─► gateway ────────┐
//!      ├─► subnet ─────────┼─► route_table ─► instance
//!      └─► security_group ─┘
//!
//! cargo run --example cloud_infra -- deploy --state-dir /tmp/infra --saga-id blue --fail-at route_table
//! cargo run --example cloud_infra -- deploy --state-dir /tmp/infra --saga-id green
//! cargo run --example cloud_infra -- list --state-dir /tmp/infra
//! cargo run --example cloud_infra -- destroy --state-dir /tmp/infra --saga-id green
//! ```
//!
//! The saga is in this file; the cloud and the command line are in `../cloud/`.

#[path = "../cloud/cli.rs"]
mod cli;
#[path = "../cloud/world.rs"]
mod world;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use saga_core::prelude::*;

use crate::cli::{Command, Options, Program, check_free, destroy, list};
use crate::world::{Cloud, CloudError, Resource};

const PROGRAM: Program = Program {
    usage: "\
usage: cloud_infra <deploy|destroy|list> --state-dir DIR [--saga-id ID] [--fail-at NODE]

  --state-dir DIR  where sagas.db and the cloud are kept
  --saga-id ID     the name of the deployment
  --fail-at NODE   the cloud has no capacity for this node (vpc, gateway, subnet, security_group,
                   route_table, instance)",
    at: "--fail-at",
    nodes: &["vpc", "gateway", "subnet", "security_group", "route_table", "instance"],
};

saga! {
    /// Creates an instance that is reachable from the internet.
    Infrastructure<Cloud>() -> Resource {
        let vpc = create_vpc {};
        parallel {
            let gateway        = create_gateway { vpc };
            let subnet         = create_subnet { vpc };
            let security_group = create_security_group { vpc };
        }
        let route_table = create_route_table { gateway, subnet };
        let instance    = create_instance { subnet, security_group, route_table };
        instance
    }
}

#[saga_action(undo = delete())]
async fn create_vpc(cx: &ActionContext<Cloud>) -> Result<Resource, CloudError> {
    create(cx, "vpc", &[])
}

#[saga_action(undo = delete())]
async fn create_gateway(cx: &ActionContext<Cloud>, vpc: &Resource) -> Result<Resource, CloudError> {
    create(cx, "gateway", &[vpc])
}

#[saga_action(undo = delete())]
async fn create_subnet(cx: &ActionContext<Cloud>, vpc: &Resource) -> Result<Resource, CloudError> {
    create(cx, "subnet", &[vpc])
}

#[saga_action(undo = delete())]
async fn create_security_group(
    cx: &ActionContext<Cloud>,
    vpc: &Resource,
) -> Result<Resource, CloudError> {
    create(cx, "security_group", &[vpc])
}

#[saga_action(undo = delete())]
async fn create_route_table(
    cx: &ActionContext<Cloud>,
    gateway: &Resource,
    subnet: &Resource,
) -> Result<Resource, CloudError> {
    create(cx, "route_table", &[gateway, subnet])
}

#[saga_action(undo = delete())]
async fn create_instance(
    cx: &ActionContext<Cloud>,
    subnet: &Resource,
    security_group: &Resource,
    route_table: &Resource,
) -> Result<Resource, CloudError> {
    create(cx, "instance", &[subnet, security_group, route_table])
}

fn create(cx: &ActionContext<Cloud>, kind: &str, on: &[&Resource]) -> Result<Resource, CloudError> {
    cx.create(cx.idempotency_key(), cx.saga_id().as_str(), kind, on)
}

/// Deletes by the key of the action's call, so it also compensates a call with an unknown outcome.
async fn delete(cx: &ActionContext<Cloud>) -> Result<(), CloudError> {
    cx.delete(cx.action_key())
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match PROGRAM.options() {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    if options.command == Command::List {
        return list(&options).await;
    }
    let mut cloud = options.cloud()?;
    cloud.fail_at = options.node.clone();
    let sec = Coordinator::builder(cloud)
        .store(SqliteStore::open(options.sagas())?)
        .saga::<Infrastructure>()
        .build()
        .await?;
    let id = &options.saga_id;
    if options.command == Command::Deploy {
        check_free(&sec, id).await?;
        let instance = sec.saga(Infrastructure {}).id(id).start().await?.await?;
        println!("{id} is deployed: {}", instance.id);
    } else {
        destroy(&sec, id).await?;
        println!("{id} is destroyed");
    }
    sec.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use saga_core::testing::{Ended, SagaTest};

    use super::*;

    #[test]
    fn all_of_the_infrastructure_is_there_or_none() {
        let (directory, runs) = (tempfile::tempdir().unwrap(), AtomicUsize::new(0));
        let cloud = move || {
            let run = runs.fetch_add(1, Ordering::Relaxed).to_string();
            Cloud::open(&directory.path().join(run)).unwrap()
        };
        let test = SagaTest::<Infrastructure>::new(cloud, Infrastructure {}).interleavings(2);
        let report = test.check_all(async |ended: &Ended<Infrastructure>| {
            let resources = ended.context().all().unwrap();
            assert_eq!(resources.len(), if ended.completed() { 6 } else { 0 }, "{resources:?}");
        });
        println!("{report}");
    }
}
