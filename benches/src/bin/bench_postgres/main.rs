//! Measures saga-core on PostgreSQL, beside the least that such a store must do, and beside dbos.
//!
//! ```text
//! cargo bench-postgres [--quick] [--save] [--engine NAME] [--workers N] [--at-once N]
//! ```
//!
//! It starts a PostgreSQL in the directory `bench-peers` below `target`, whose disk syncs are then the ones that are measured.

mod chart;
mod measure;
mod options;
mod table;

use std::fs;

use saga_benches::Any;

use crate::options::Options;

fn main() -> Result<(), Any> {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(usage) => {
            eprintln!("{usage}");
            std::process::exit(2);
        }
    };
    let results = measure::measure(&options)?;
    print!("{}", table::of(&results));
    let (json, svg) = options.files()?;
    fs::write(&json, serde_json::to_string_pretty(&results)? + "\n")?;
    fs::write(&svg, chart::of(&results))?;
    println!("\nwritten: {} and {}", json.display(), svg.display());
    Ok(())
}
