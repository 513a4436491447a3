//! `cargo bench-peers scale`: many sagas, and sagas of many nodes.
//!
//! Each measurement runs in a process of its own, so that none inherits memory from the one before.

use std::env;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use saga_benches::Any;
use saga_benches::scale::{Live, Nodes, Scale, Stored, live, nodes, stored};
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

use crate::options::{Options, scratch};
use crate::scale_chart;

/// Measures everything, prints the results, and writes them as JSON with a chart.
pub(crate) fn run(options: &Options) -> Result<(), Any> {
    let scale = all(options.quick)?;
    let json = serde_json::to_string_pretty(&scale)? + "\n";
    print!("{json}");
    let (path, svg) = options.files("scale")?;
    fs::write(&path, json)?;
    fs::write(&svg, scale_chart::of(&scale))?;
    println!("\nwritten: {} and {}", path.display(), svg.display());
    Ok(())
}

/// Runs one measurement, in the process that was started for it.
pub(crate) fn part(args: &[&str]) -> Result<(), Any> {
    match args {
        ["live", store, sagas] => print(&part_live(store, sagas.parse()?)?),
        ["stored", sagas, part] => print(&part_stored(sagas.parse()?, part.parse()?)?),
        ["nodes", sizes @ ..] => print(&part_nodes(sizes)?),
        _ => Err("there is no such part".into()),
    }
}

fn all(quick: bool) -> Result<Scale, Any> {
    let mut scale = Scale::default();
    let sagas = if quick { "10000" } else { "100000" };
    for store in ["memory", "sqlite"] {
        scale.live.push(child::<Live>(&["live", store, sagas])?);
    }
    let stores = ["1000", "10000", "100000", "1000000"];
    for sagas in stores.iter().take(if quick { 2 } else { 4 }) {
        // a tenth has not ended
        scale.stored.push(child::<Stored>(&["stored", sagas, "10"])?);
    }
    let sizes = ["nodes", "10", "100", "1000", "10000"];
    scale.nodes = child::<Vec<Nodes>>(&sizes)?;
    Ok(scale)
}

/// Runs one measurement in a process of its own.
fn child<T: DeserializeOwned>(args: &[&str]) -> Result<T, Any> {
    eprintln!("{}", args.join(" "));
    let mut command = Command::new(env::current_exe()?);
    let output = command.arg("scale-part").args(args).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("`{}` failed: {}", args.join(" "), output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn print(part: &impl serde::Serialize) -> Result<(), Any> {
    println!("{}", serde_json::to_string(part)?);
    Ok(())
}

fn two_workers() -> Result<Runtime, Any> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn part_live(store: &str, sagas: usize) -> Result<Live, Any> {
    let directory = tempfile::tempdir_in(scratch()?)?;
    let file = directory.path().join("sagas.db");
    two_workers()?.block_on(live(sagas, (store == "sqlite").then_some(&file)))
}

/// One in `part` has not ended.
fn part_stored(sagas: usize, part: usize) -> Result<Stored, Any> {
    let directory = tempfile::tempdir_in(scratch()?)?;
    let file = directory.path().join("sagas.db");
    let time = Duration::from_secs(3);
    two_workers()?.block_on(stored(&file, sagas, sagas / part.max(1), time))
}

fn part_nodes(sizes: &[&str]) -> Result<Vec<Nodes>, Any> {
    let sizes = sizes.iter().map(|size| size.parse()).collect::<Result<Vec<usize>, _>>()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(nodes(&sizes))
}
