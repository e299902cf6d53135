//! How long clients wait for what the server has in its cache.

use std::time::Duration;

use super::Bench;
use crate::client::{self, LONGEST, Latencies};
use crate::dnsperf::{self, Load, Names, Run};
use crate::figures::Figures;
use crate::servers::Running;

/// Names that are asked over and over.
const KNOWN: u64 = 100;
/// More than any server answers in a second on one core beside all that a flood brings.
const UNIQUE_A_SECOND: u64 = 200_000;
/// The share of a sample, in hundredths, that others disturbed.
pub(crate) const DISTURBED: &str = "% disturbed";

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
        let latencies =
            client::sample(running.address, &names.list(), 1000, Duration::from_secs(seconds.into()));
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
        let latencies =
            client::sample(running.address, &names.list(), 200, Duration::from_secs(seconds.into()));
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
    let (lost, disturbed) = (latencies.lost, 100.0 * latencies.disturbed);
    crate::say!(
        "  {measure}: {server}: p50 {p50:.3} ms, p99 {p99:.3} ms, {lost} lost; disturbed {disturbed:.0} %"
    );
    figures.add(measure, server, "p50", p50);
    figures.add(measure, server, "p99", p99);
    figures.add(measure, server, "lost", lost as f64);
    figures.add(measure, server, DISTURBED, disturbed);
}
