//! All that is said in the end.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use serde_json::{Value, json};

use crate::args::Arguments;
use crate::figures::Figures;
use crate::measures::latency::DISTURBED;
use crate::measures::load::OTHERS;
use crate::servers::Found;
use crate::{dnsperf, process, table, targets};

/// From this share on, in hundredths, others took so much of the server's core that the numbers say little.
const MUCH: f64 = 5.0;

/// Prints the tables, with a line that says where they are from.
pub(crate) fn print(figures: &Figures, found: &[Found], upstream: &str, arguments: &Arguments) {
    table::print(&table::servers(figures, found), arguments.markdown);
    let held = targets::held(figures);
    if !held.is_empty() {
        println!();
        table::print(&targets::table(&held), arguments.markdown);
    }
    println!("\n{}", origin(upstream, arguments));
    if let Some(others) = figures.worst_of_all(OTHERS).filter(|others| *others > MUCH) {
        crate::say!(
            "others took up to {others:.0} % of the server's core during a load: measure again when nothing else runs"
        );
    }
    if let Some(disturbed) = figures.worst_of_all(DISTURBED).filter(|disturbed| *disturbed > 0.0) {
        crate::say!(
            "latencies are without the answers given while others took time of a core, up to {disturbed:.0} % of a sample \
             (at 100 % of all answers, since there were too few others)"
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
