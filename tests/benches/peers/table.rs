//! What is printed.

use crate::figures::Figures;
use crate::servers::Found;

/// A column of the table of servers.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("hit µs", "hit", "µs"),
    ("hits a second", "hit", "a second"),
    ("miss µs", "miss", "µs"),
    ("misses a second", "miss", "a second"),
    ("TCP µs", "tcp", "µs"),
    ("TCP once µs", "tcp-once", "µs"),
];

pub(crate) fn servers(figures: &Figures, found: &[Found]) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(COLUMNS.iter().map(|(title, ..)| (*title).to_owned()));
    for server in found {
        let mut row = vec![server.name().to_owned()];
        for (_, measure, what) in COLUMNS {
            let number = figures.median(measure, server.name(), what);
            row.push(number.map_or("–".to_owned(), shown));
        }
        rows.push(row);
    }
    rows
}

fn shown(number: f64) -> String {
    match number {
        large if large >= 1000.0 => format!("{:.0}", large),
        middle if middle >= 100.0 => format!("{middle:.0}"),
        small if small >= 10.0 => format!("{small:.1}"),
        tiny => format!("{tiny:.2}"),
    }
}

/// The rows below each other.
pub(crate) fn print(rows: &[Vec<String>], markdown: bool) {
    for (number, row) in rows.iter().enumerate() {
        if markdown {
            println!("| {} |", row.join(" | "));
            if number == 0 {
                println!("|{}", "---|".repeat(row.len()));
            }
        } else {
            let cells: Vec<String> = row.iter().map(|cell| format!("{cell:>16}")).collect();
            println!("{}", cells.join(""));
        }
    }
}
