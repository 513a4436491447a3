//! Measures what sagas add to the time that the compiler takes and to the size of the program: a generated
//! program whose functions are actions, with a saga of all of them, beside the same functions awaited one after
//! the other in plain Rust.

mod crates;
mod generate;
mod table;

use std::path::Path;

use self::crates::{Crates, Measured, Task};
use self::generate::Kind;
use self::table::Table;
use super::Outcome;

/// The numbers of functions, and of nodes in the saga. What the smallest programs take is the constant: the
/// library itself, the start of the program, and the linker.
const SIZES: [usize; 5] = [1, 100, 200, 400, 1000];
/// The same for `--quick`.
const QUICK: [usize; 2] = [1, 100];

/// Generates the crates in `target`, builds them in turns, and prints the times and sizes.
pub(super) fn measure(root: &Path, quick: bool) -> Outcome {
    let sizes: &[usize] = if quick { &QUICK } else { &SIZES };
    let crates = Crates::generate(root, sizes)
        .map_err(|error| format!("cannot write the generated crates: {error}"))?;
    println!("building the dependencies of the generated crates");
    crates.build_dependencies(sizes)?;
    println!("measuring in {}; `ratio` is without what one function takes\n", crates::clock());
    for task in Task::ALL {
        let mut table = Table::new(task);
        for &size in sizes {
            let (mut plain, mut saga) = (None, None);
            for _ in 0..task.runs(size) {
                best(&mut plain, crates.run(task, Kind::Plain, size)?);
                best(&mut saga, crates.run(task, Kind::Saga, size)?);
            }
            if let Some((plain, saga)) = plain.zip(saga) {
                table.row(size, plain, saga);
            }
        }
        println!();
    }
    Ok(())
}

/// Keeps the smaller value: whatever else a machine does only adds to a time.
fn best(kept: &mut Option<Measured>, new: Measured) {
    *kept = Some(kept.map_or(new, |kept| kept.min(new)));
}
