//! Prints what was measured.

use super::crates::{Measured, Task};

/// The table of one task, printed row by row.
pub(super) struct Table {
    task: Task,
    /// What the smallest programs take.
    constant: Option<(Measured, Measured)>,
}

impl Table {
    /// Prints the head.
    pub(super) fn new(task: Task) -> Self {
        println!("{}", task.title());
        println!("functions       plain        saga   saga/plain   ratio");
        Self { task, constant: None }
    }

    /// Prints a row.
    pub(super) fn row(&mut self, size: usize, plain: Measured, saga: Measured) {
        let whole = ratio(saga, plain);
        let without = match self.constant {
            None => {
                self.constant = Some((plain, saga));
                String::new()
            }
            Some((one_plain, one_saga)) => {
                format!("{:>8.2}", ratio(saga.since(one_saga), plain.since(one_plain)))
            }
        };
        let (plain, saga) = (self.task.show(plain), self.task.show(saga));
        println!("{size:>9} {plain:>11} {saga:>11}   {whole:>10.2}{without}");
    }
}

fn ratio(saga: Measured, plain: Measured) -> f64 {
    saga.0 as f64 / plain.0.max(1) as f64
}
