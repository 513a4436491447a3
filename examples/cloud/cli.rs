//! The command line that the cloud examples share, and its commands.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use saga_core::Coordinator;
use saga_core::SagaStatus;
use saga_core::store::{ListFilter, SqliteStore, Store};

use crate::world::Cloud;

/// The command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Deploy,
    Destroy,
    List,
}

/// The parsed command line.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) command: Command,
    pub(crate) state_dir: PathBuf,
    pub(crate) saga_id: String,
    /// The node of `--fail-at` or `--crash-at`.
    pub(crate) node: Option<String>,
}

/// The parts of the command line that differ between the programs.
pub(crate) struct Program {
    pub(crate) usage: &'static str,
    /// `--fail-at` or `--crash-at`.
    pub(crate) at: &'static str,
    /// The nodes that this option accepts.
    pub(crate) nodes: &'static [&'static str],
}

impl Program {
    /// Returns the options, or the exit code if there are none.
    pub(crate) fn options(&self) -> Result<Options, ExitCode> {
        let args = std::env::args().skip(1).collect::<Vec<_>>();
        if args.iter().any(|arg| arg == "--help" || arg == "-h") {
            println!("{}", self.usage);
            return Err(ExitCode::SUCCESS);
        }
        self.parse(args).map_err(|why| {
            eprintln!("error: {why}\n\n{}", self.usage);
            ExitCode::from(2)
        })
    }

    fn parse(&self, args: Vec<String>) -> Result<Options, String> {
        let (mut command, mut state_dir, mut saga_id, mut node) = (None, None, None, None);
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || {
                let value = args.next().filter(|value| !value.starts_with("--"));
                value.ok_or(format!("{arg} needs a value"))
            };
            match arg.as_str() {
                "deploy" if command.is_none() => command = Some(Command::Deploy),
                "destroy" if command.is_none() => command = Some(Command::Destroy),
                "list" if command.is_none() => command = Some(Command::List),
                "--state-dir" => set(&mut state_dir, &arg, value()?.into())?,
                "--saga-id" => set(&mut saga_id, &arg, value()?)?,
                at if at == self.at => set(&mut node, &arg, self.known(value()?)?)?,
                _ => return Err(format!("unknown argument `{arg}`")),
            }
        }
        let command = command.ok_or("say deploy, destroy or list")?;
        let saga_id = match (saga_id, command) {
            (Some(saga_id), _) => saga_id,
            (None, Command::List) => String::new(),
            (None, _) => return Err("--saga-id is missing".to_string()),
        };
        let state_dir = state_dir.ok_or("--state-dir is missing")?;
        Ok(Options { command, state_dir, saga_id, node })
    }

    fn known(&self, node: String) -> Result<String, String> {
        if self.nodes.contains(&node.as_str()) {
            return Ok(node);
        }
        Err(format!("there is no node `{node}`; there are {}", self.nodes.join(", ")))
    }
}

fn set<T>(option: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{name} is given twice")),
    }
}

impl Options {
    pub(crate) fn cloud(&self) -> Result<Cloud, Box<dyn Error>> {
        Ok(Cloud::open(&self.state_dir.join("cloud"))?)
    }

    pub(crate) fn sagas(&self) -> PathBuf {
        self.state_dir.join("sagas.db")
    }
}

/// Prints every deployment with its resources in the cloud. It only reads, so it also works while another process
/// deploys.
pub(crate) async fn list(options: &Options) -> Result<(), Box<dyn Error>> {
    if !options.sagas().exists() {
        println!("nothing was deployed");
        return Ok(());
    }
    let (store, cloud) = (SqliteStore::attach(options.sagas())?, options.cloud()?);
    let all = cloud.all()?;
    let mut filter = ListFilter::default();
    loop {
        let page = store.list(filter.clone()).await?;
        for saga in &page {
            println!("{}  {}", saga.id, saga.status);
            for resource in all.iter().filter(|r| r.owner == saga.id.as_str()) {
                println!("  {}", resource.id);
            }
        }
        match page.last() {
            Some(last) if page.len() == filter.page_size() => filter.after = Some(last.id.clone()),
            _ => return Ok(()),
        }
    }
}

/// Checks that the id is free. A deployment that was interrupted resumes, so it is no obstacle.
pub(crate) async fn check_free<C: Send + Sync + 'static>(
    sec: &Coordinator<C>,
    id: &str,
) -> Result<(), Box<dyn Error>> {
    let there = sec.get::<serde_json::Value>(id).await?;
    match there.map(|saga| saga.status()).filter(|status| status.is_ended()) {
        None => Ok(()),
        Some(SagaStatus::Completed) => {
            Err(format!("{id} is deployed already; destroy it, or take another --saga-id").into())
        }
        Some(status) => {
            Err(format!("{id} was used before and is {status}; take another --saga-id").into())
        }
    }
}

/// Destroys a deployment by rolling back its saga: each resource is deleted after its dependents.
pub(crate) async fn destroy<C: Send + Sync + 'static>(
    sec: &Coordinator<C>,
    id: &str,
) -> Result<(), Box<dyn Error>> {
    let Some(saga) = sec.get::<serde_json::Value>(id).await? else {
        return Err(format!("there is no deployment {id}").into());
    };
    // a deployment that was interrupted must end first
    let _ = saga.await;
    sec.operator("command line").rollback(id, "destroy").await?;
    let Some(saga) = sec.get::<serde_json::Value>(id).await? else {
        return Err(format!("{id} is gone from the store").into());
    };
    match saga.await {
        Err(saga_core::SagaError::RolledBack(_)) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(format!("{id} is still there").into()),
    }
}
