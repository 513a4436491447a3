//! Tables without lines, so that they can be cut into columns by other programs.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

/// A table with these headings.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(headings.iter().copied());
    table
}

/// Aligns columns to the right, which suits numbers.
pub(crate) fn right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// The table as text, without spaces at the ends and the beginnings of lines.
pub(crate) fn text(table: &Table) -> String {
    table
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_string() + "\n")
        .collect()
}
