//! Tables for a paper: LaTeX with booktabs.

use super::escape;
use super::text::{TextColumn, TextTable};

/// The table as a `table` environment; it needs `\usepackage{booktabs}`. Columns of the runs themselves (time, memory, finished) are
/// not in it, nor are columns that no run fills.
pub fn latex(table: &TextTable, caption: &str, label: &str) -> String {
    let columns: Vec<&TextColumn> = table.columns.iter().filter(|column| belongs(column)).collect();
    let places: String = columns.iter().map(|column| if column.number { 'r' } else { 'l' }).collect();
    let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
    let mut text = String::from("% \\usepackage{booktabs}\n\\begin{table}\n\\centering\n");
    text += &format!("\\caption{{{}}}\n\\label{{tab:{label}}}\n", escape::latex(caption));
    text += &format!("\\begin{{tabular}}{{{places}}}\n\\toprule\n");
    text += &line(columns.iter().map(|column| escape::latex(&column.head)).collect());
    text += "\\midrule\n";
    for row in 0..table.height() {
        text += &line(columns.iter().map(|column| escape::latex(&column.cells[row])).collect());
    }
    text + "\\bottomrule\n\\end{tabular}\n\\end{table}\n"
}

fn belongs(column: &TextColumn) -> bool {
    let of_runs = ["time", "memory", "finished"].contains(&column.head.as_str());
    !of_runs && column.cells.iter().any(|cell| !["", "–", "not run"].contains(&cell.as_str()))
}
