//! How tables look, and the one of all servers.

use crate::figures::Figures;
use crate::servers::Found;

/// The columns of the table of servers: title, and the numbers that stand in it.
const COLUMNS: &[(&str, &[(&str, &str)])] = &[
    ("hit, µs", &[("hit", "µs")]),
    ("miss, µs", &[("miss", "µs")]),
    ("hit over TCP, µs", &[("tcp", "µs")]),
    ("one connection each, µs", &[("tcp-once", "µs")]),
    ("idle, MB", &[("memory", "idle")]),
    ("10,000 names, MB", &[("memory", "10,000")]),
    ("1,000,000 names, MB", &[("million", "RSS")]),
    ("start, ms", &[("start", "ms")]),
    ("half load: p50 / p99, ms", &[("half", "p50"), ("half", "p99")]),
    ("flood: p50 / p99, ms", &[("flood", "p50"), ("flood", "p99")]),
    ("lost", &[("flood", "lost")]),
];

/// All servers, with medians.
pub(crate) fn servers(figures: &Figures, found: &[Found]) -> Vec<Vec<String>> {
    let mut columns = COLUMNS.to_vec();
    columns.retain(|(_, numbers)| figures.iter().any(|(key, _)| key.0 == numbers[0].0));
    let titles = columns.iter().map(|(title, _)| (*title).to_owned());
    let mut rows = vec![[String::new()].into_iter().chain(titles).collect::<Vec<_>>()];
    for server in found {
        let cells = columns.iter().map(|(_, numbers)| {
            let medians =
                numbers.iter().map(|(measure, what)| figures.median((measure, server.name(), what)));
            let medians: Option<Vec<String>> = medians.map(|median| median.map(shown)).collect();
            medians.map_or_else(|| "–".to_owned(), |medians| medians.join(" / "))
        });
        rows.push([server.title()].into_iter().chain(cells).collect());
    }
    rows
}

/// Three digits of it, more where it is large, none behind a whole number.
pub(crate) fn shown(number: f64) -> String {
    let decimals = match number.abs() {
        whole if whole.fract() == 0.0 => 0,
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        small if small >= 1.0 => 2,
        _ => 3,
    };
    format!("{number:.decimals$}")
}

/// The rows below each other, the first as their titles.
pub(crate) fn print(rows: &[Vec<String>], markdown: bool) {
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for (number, row) in rows.iter().enumerate() {
        if markdown {
            // An empty cell is one blank.
            println!("{}", format!("| {} |", row.join(" | ")).replace("|  |", "| |").replace("|  |", "| |"));
            if number == 0 {
                println!("|{}", "---|".repeat(row.len()));
            }
        } else {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            println!("{}", cells.join("  ").trim_end());
        }
    }
}
