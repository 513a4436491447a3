//! An input that lives for ever, and a node, which does not.

use saga_core::prelude::*;

#[saga_action(no_undo)]
async fn fixed(table: &'static str, name: &str) -> Result<usize, String> {
    Ok(table.len() + name.len())
}

saga! {
    Fixed<()>(name: String) -> usize {
        let first = fixed { table: "table", name };
        fixed { table: name, name: &first.to_string() }
    }
}

fn main() {}
