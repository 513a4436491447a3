//! Measures saga-core beside other libraries, and beside the least that any of them must do.
//!
//! ```text
//! cargo bench-peers [--quick] [--only PART] [--save]
//! ```

mod chart;
mod durable;
mod in_memory;
mod options;
mod table;

use std::env;
use std::fs;
use std::process::Command;

use saga_benches::Any;
use saga_benches::results::{Memory, Results};

use crate::options::Options;

fn main() -> Result<(), Any> {
    let options = match Options::read(env::args().skip(1)) {
        Ok(options) => options,
        Err(usage) => {
            eprintln!("{usage}");
            std::process::exit(2);
        }
    };
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
    let (json, svg) = options.results();
    fs::create_dir_all(options.scratch())?;
    fs::write(&json, serde_json::to_string_pretty(&results)? + "\n")?;
    fs::write(&svg, chart::of(&results))?;
    println!("\nwritten: {} and {}", json.display(), svg.display());
    Ok(())
}

/// Builds and runs the program that counts allocations.
fn memory() -> Result<Memory, Any> {
    let cargo = env::var_os("CARGO").ok_or("run it as `cargo bench-peers`")?;
    let args = ["run", "--quiet", "--release", "--package", "saga-benches", "--features", "peers"];
    let output = Command::new(cargo)
        .args(args)
        .args(["--bin", "bench-memory"])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("`bench-memory` failed: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
