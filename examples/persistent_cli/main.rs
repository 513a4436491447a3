//! Deployments that outlive the process that creates them: deploy in one process, list in another, destroy in a third.
//! Kill one of them, and the next command resumes the deployment.
//!
//! ```text
//! cargo run --example persistent_cli -- deploy --state-dir /tmp/cloud --saga-id blue --crash-at subnet
//! cargo run --example persistent_cli -- deploy --state-dir /tmp/cloud --saga-id blue
//! cargo run --example persistent_cli -- list --state-dir /tmp/cloud
//! cargo run --example persistent_cli -- destroy --state-dir /tmp/cloud --saga-id blue
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
usage: persistent_cli <deploy|destroy|list> --state-dir DIR [--saga-id ID] [--crash-at NODE]

  --state-dir DIR  where sagas.db and the cloud are kept
  --saga-id ID     the name of the deployment
  --crash-at NODE  abort right after this node (vpc, subnet, instance) is created and before that is
                   noted; run again to finish",
    at: "--crash-at",
    nodes: &["vpc", "subnet", "instance"],
};

saga! {
    /// Creates an instance in a network of its own.
    Deploy<Cloud>() -> Resource {
        let vpc = create_vpc {};
        let subnet = create_subnet { vpc };
        let instance = create_instance { subnet };
        instance
    }
}

// Each undo uses the key of the call that it undoes, so it also compensates a call with an unknown outcome.

#[saga_action(undo = delete())]
async fn create_vpc(cx: &ActionContext<Cloud>) -> Result<Resource, CloudError> {
    cx.create(cx.idempotency_key(), cx.saga_id().as_str(), "vpc", &[])
}

#[saga_action(undo = delete())]
async fn create_subnet(cx: &ActionContext<Cloud>, vpc: &Resource) -> Result<Resource, CloudError> {
    cx.create(cx.idempotency_key(), cx.saga_id().as_str(), "subnet", &[vpc])
}

#[saga_action(undo = delete())]
async fn create_instance(
    cx: &ActionContext<Cloud>,
    subnet: &Resource,
) -> Result<Resource, CloudError> {
    cx.create(cx.idempotency_key(), cx.saga_id().as_str(), "instance", &[subnet])
}

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
    cloud.crash_at = options.node.clone();
    // resumes what an earlier process left unfinished
    let sec = Coordinator::builder(cloud)
        .store(SqliteStore::open(options.sagas())?)
        .saga::<Deploy>()
        .build()
        .await?;
    let id = &options.saga_id;
    if options.command == Command::Deploy {
        check_free(&sec, id).await?;
        let instance = sec.saga(Deploy {}).id(id).start().await?.await?;
        println!("{id} is deployed: {}", instance.id);
    } else {
        destroy(&sec, id).await?;
        println!("{id} is destroyed");
    }
    sec.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}
