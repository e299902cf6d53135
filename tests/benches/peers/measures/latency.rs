//! How long clients wait for what the server has in its cache.

use std::time::Duration;

use super::Bench;
use crate::dnsperf::{self, Load, Names, Run};
use crate::figures::Figures;
use crate::sample::{LONGEST, Latencies, sample};
use crate::servers::Running;

/// Names that are asked over and over.
const KNOWN: u64 = 100;
/// More than any server answers in a second on one core beside all that a flood brings.
const UNIQUE_A_SECOND: u64 = 200_000;

/// While others ask for cached names too, half as much as the server can.
pub(super) fn half(bench: &Bench<'_>, figures: &mut Figures) {
    let seconds = bench.seconds();
    for found in bench.resolvers() {
        let running = bench.start(found);
        let names = warm(&running);
        let full = dnsperf::repeat(running.address, &names, &Load::usual(1));
        // Longer than the sample, so that all of that is under load.
        let rate = Some((full.per_second / 2.0) as u64);
        let load = Load { rate, ..Load::usual(LONGEST * seconds + 2) };
        let run = Run::start(running.address, &names, &load, false);
        let latencies = sample(running.address, &names.list(), 1000, Duration::from_secs(seconds.into()));
        drop(run);
        add("half", found.name(), &latencies, figures);
    }
}

/// While a flood asks for names that nobody knows.
pub(super) fn flood(bench: &Bench<'_>, figures: &mut Figures) {
    let seconds = bench.seconds() + 2;
    for found in bench.resolvers() {
        let running = bench.start(found);
        let names = warm(&running);
        let load = Load { clients: 64, outstanding: 5_000, ..Load::usual(LONGEST * seconds + 2) };
        let unknown = Names::unique(UNIQUE_A_SECOND * u64::from(load.seconds));
        let run = Run::start(running.address, &unknown, &load, true);
        let latencies = sample(running.address, &names.list(), 200, Duration::from_secs(seconds.into()));
        drop(run);
        add("flood", found.name(), &latencies, figures);
        figures.add("flood", found.name(), "RSS", running.process.resident() as f64 / 1e6);
    }
}

fn warm(running: &Running) -> Names {
    let names = Names::known(KNOWN);
    let load = Load { outstanding: 20, ..Load::usual(1) };
    dnsperf::once(running.address, &names, &load);
    names
}

fn add(measure: &'static str, server: &'static str, latencies: &Latencies, figures: &mut Figures) {
    let (p50, p99) = (latencies.quantile(0.5), latencies.quantile(0.99));
    let lost = latencies.lost;
    let left_out = match latencies.left_out {
        Some(share) => format!("{:.0} % of the answers left out", 100.0 * share),
        None => "disturbed all along".to_owned(),
    };
    crate::say!("  {measure}: {server}: p50 {p50:.3} ms, p99 {p99:.3} ms, {lost} lost; {left_out}");
    figures.add(measure, server, "p50", p50);
    figures.add(measure, server, "p99", p99);
    figures.add(measure, server, "lost", lost as f64);
    if latencies.left_out.is_none() {
        figures.disturbed(measure, server);
    }
}
