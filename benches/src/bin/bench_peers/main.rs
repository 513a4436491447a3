//! Measures saga-core beside other libraries, and beside the least that any of them must do.
//!
//! ```text
//! cargo bench-peers [scale] [--quick] [--only PART] [--save]
//! cargo bench-peers --postgres ..
//! ```

mod chart;
mod durable;
mod in_memory;
mod options;
mod scale;
mod scale_chart;
mod table;

use std::env;
use std::fs;
use std::process::Command;

use saga_benches::Any;
use saga_benches::results::{Memory, Results};

use crate::options::Options;

fn main() -> Result<(), Any> {
    let args = env::args().skip(1).collect::<Vec<_>>();
    if let [command, part @ ..] = args.as_slice()
        && command == "scale-part"
    {
        return scale::part(&part.iter().map(String::as_str).collect::<Vec<_>>());
    }
    if let Some((_, others)) = args.split_first().filter(|(first, _)| *first == "--postgres") {
        return postgres(others);
    }
    let options = match Options::read(args.into_iter()) {
        Ok(options) => options,
        Err(usage) => {
            eprintln!("{usage}");
            std::process::exit(2);
        }
    };
    if options.scale {
        return scale::run(&options);
    }
    let mut results = Results {
        quick: options.quick,
        rounds: options.rounds(),
        processors: std::thread::available_parallelism()?.get(),
        ..Results::default()
    };
    if options.wants("memory") {
        results.memory = memory()?;
    }
    if options.wants("time") {
        results.in_memory = in_memory::measure(&options)?;
    }
    if options.wants("disk") {
        results.durable = durable::measure(&options)?;
    }
    print!("{}", table::of(&results));
    let (json, svg) = options.files("performance")?;
    fs::write(&json, serde_json::to_string_pretty(&results)? + "\n")?;
    fs::write(&svg, chart::of(&results))?;
    println!("\nwritten: {} and {}", json.display(), svg.display());
    Ok(())
}

/// Builds and runs `bench-postgres`, which needs more crates than the other measurements.
fn postgres(args: &[String]) -> Result<(), Any> {
    let cargo = env::var_os("CARGO").ok_or("run it as `cargo bench-peers --postgres`")?;
    let status = Command::new(cargo).arg("bench-postgres").args(args).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`cargo bench-postgres` failed: {status}").into())
    }
}

/// Builds and runs the program that counts allocations.
fn memory() -> Result<Memory, Any> {
    let cargo = env::var_os("CARGO").ok_or("run it as `cargo bench-peers`")?;
    let args = ["run", "--quiet", "--release", "--package", "saga-benches", "--features", "peers"];
    let output = Command::new(cargo)
        .args(args)
        .args(["--bin", "profile", "--", "compare"])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("`profile compare` failed: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
