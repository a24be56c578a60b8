//! Tables without lines, as wide as the terminal.

use super::stdout_look;
use comfy_table::{ContentArrangement, Table};
use std::io::{self, Write};

/// An empty table for standard output.
pub fn plain_table() -> Table {
    let mut table = Table::new();
    table
        .load_preset(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(stdout_look().width as u16);
    table
}

/// Writes a table indented by two, without the spaces that it puts behind the last column.
pub fn write_table(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    table.lines().try_for_each(|line| writeln!(out, " {}", line.trim_end()))
}
