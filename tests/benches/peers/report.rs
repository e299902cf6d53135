//! All that is said in the end.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use serde_json::{Value, json};

use crate::args::Arguments;
use crate::figures::Figures;
use crate::servers::Found;
use crate::{dnsperf, process, table, targets};

/// Prints the tables, with a line that says where they are from.
pub(crate) fn print(figures: &Figures, found: &[Found], upstream: &str, arguments: &Arguments) {
    table::print(&table::servers(figures, found), arguments.markdown);
    let held = targets::held(figures);
    if !held.is_empty() {
        println!();
        table::print(&targets::table(&held), arguments.markdown);
    }
    println!("\n{}", origin(upstream, arguments));
    let (disturbed, all) = figures.disturbed_of();
    if disturbed > 0 {
        crate::say!(
            "others took much of a core in {disturbed} of {all} measurements, which count only where no round was better: \
             measure again when nothing else runs"
        );
    }
}

/// Writes every number of every round.
pub(crate) fn write(
    path: &Path,
    figures: &Figures,
    found: &[Found],
    upstream: &str,
    arguments: &Arguments,
) -> std::io::Result<()> {
    let numbers: Vec<Value> = figures
        .iter()
        .map(|(key, rounds)| {
            let (measure, server, what) = *key;
            json!({ "measure": measure, "server": server, "what": what, "median": figures.median(*key), "rounds": rounds })
        })
        .collect();
    let targets: Vec<Value> = targets::held(figures)
        .iter()
        .map(|held| json!({ "what": held.what, "value": held.value, "limit": held.limit, "met": held.met() }))
        .collect();
    let servers: Vec<Value> =
        found.iter().map(|found| json!({ "server": found.name(), "title": found.title() })).collect();
    let all = json!({
        "origin": origin(upstream, arguments), "servers": servers, "targets": targets, "numbers": numbers,
    });
    serde_json::to_writer_pretty(BufWriter::new(File::create(path)?), &all)?;
    Ok(())
}

fn origin(upstream: &str, arguments: &Arguments) -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("a processor without a name", |(_, model)| model.trim());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let version = dnsperf::program().and_then(|dnsperf| process::version(&dnsperf, "-h")).unwrap_or_default();
    format!(
        "Medians of {}, {} s a load, on {cores} cores of {model}, Linux {kernel}; dnsperf {version}, upstream {upstream}.",
        match arguments.rounds() {
            1 => "one round".to_owned(),
            rounds => format!("{rounds} rounds"),
        },
        arguments.seconds(),
    )
}
