//! Processor time for a query under full load.

use std::time::Duration;

use super::Bench;
use crate::client;
use crate::dnsperf::{self, Load, Names, Outcome};
use crate::figures::Figures;
use crate::process::core_time;
use crate::servers::{Running, SERVER_CORE};

/// A load is put again where others took more of the time the server's core was busy than this, in hundredths,
const CALM: f64 = 1.0;
/// but no more than so often; the one that was disturbed least counts.
const TRIES: usize = 3;
/// From this share on, in hundredths, it says little.
const DISTURBED: f64 = 5.0;

/// Names that are asked over and over.
const KNOWN: u64 = 100;
/// More than any server answers in a second on one core.
const UNIQUE_A_SECOND: u64 = 400_000;

/// Answers from the cache, over UDP.
pub(super) fn hit(bench: &Bench<'_>, figures: &mut Figures) {
    let load = Load::usual(bench.seconds());
    for found in bench.servers {
        hits("hit", found.name(), &bench.start(found), &load, figures);
    }
}

/// Answers from the cache, over eight TCP connections with many queries under way in each.
pub(super) fn tcp(bench: &Bench<'_>, figures: &mut Figures) {
    let load = Load::over_tcp(bench.seconds());
    for found in bench.servers.iter().filter(|found| found.server.tcp) {
        hits("tcp", found.name(), &bench.start(found), &load, figures);
    }
}

/// Answers from the cache, with a TCP connection for each query.
pub(super) fn tcp_once(bench: &Bench<'_>, figures: &mut Figures) {
    let duration = Duration::from_secs(bench.seconds().into());
    for found in bench.servers.iter().filter(|found| found.server.tcp) {
        let running = bench.start(found);
        let names = Names::known(KNOWN);
        client::tcp_once(running.address, &names, Duration::from_millis(300));
        let load = || client::tcp_once(running.address, &names, duration);
        under_load("tcp-once", found.name(), &running, figures, load);
    }
}

/// Names that were never asked before, over UDP.
pub(super) fn miss(bench: &Bench<'_>, figures: &mut Figures) {
    for found in bench.resolvers() {
        misses("miss", found.name(), &bench.start(found), bench.seconds(), figures);
    }
}

/// Measures a running server with names it keeps.
pub(super) fn hits(
    measure: &'static str,
    server: &'static str,
    running: &Running,
    load: &Load,
    figures: &mut Figures,
) {
    let names = Names::known(KNOWN);
    // Until all are kept, and for the server to have done once what it does once.
    let warm = Load { outstanding: 20, seconds: 1, ..Load::usual(1) };
    dnsperf::once(running.address, &names, &warm);
    dnsperf::repeat(running.address, &names, &Load { rate: Some(20_000), seconds: 1, ..load.clone() });
    under_load(measure, server, running, figures, || dnsperf::repeat(running.address, &names, load));
}

/// Measures a running server with names it cannot know.
pub(super) fn misses(
    measure: &'static str,
    server: &'static str,
    running: &Running,
    seconds: u32,
    figures: &mut Figures,
) {
    dnsperf::once(running.address, &Names::unique(2_000), &Load::usual(1));
    let load = Load::usual(seconds);
    under_load(measure, server, running, figures, || {
        let names = Names::unique(UNIQUE_A_SECOND * u64::from(seconds));
        dnsperf::once(running.address, &names, &load)
    });
}

/// What a load takes of the server.
fn under_load(
    measure: &'static str,
    server: &'static str,
    running: &Running,
    figures: &mut Figures,
    mut load: impl FnMut() -> Outcome,
) {
    let mut best = used_by(running, &mut load);
    for _ in 1..TRIES {
        if best.others > CALM {
            let again = used_by(running, &mut load);
            best = if again.others < best.others { again } else { best };
        }
    }
    let Used { micros, others, outcome } = best;
    let Outcome { completed, lost, fine, per_second, latency } = outcome;
    if fine * 1000 < completed * 999 || completed == 0 {
        crate::say!("  {measure}: {server} answered well {fine} times of {completed} only");
    }
    let numbers = [
        ("µs", micros),
        ("% others", others),
        ("a second", per_second),
        ("latency", latency),
        ("lost", lost as f64),
        ("RSS", running.process.resident() as f64 / 1e6),
    ];
    for (what, number) in numbers {
        figures.add(measure, server, what, number);
    }
    if others > DISTURBED {
        figures.disturbed(measure, server);
    }
    crate::say!(
        "  {measure}: {server}: {micros:.2} µs, {per_second:.0} a second, {lost} lost of {completed}; others {others:.1} %"
    );
}

/// What one load took.
struct Used {
    /// Processor time of the server for a query.
    micros: f64,
    others: f64,
    outcome: Outcome,
}

fn used_by(running: &Running, load: &mut impl FnMut() -> Outcome) -> Used {
    let (before, core_before) = (running.process.processor_time(), core_time(SERVER_CORE));
    let outcome = load();
    let used = (running.process.processor_time() - before).as_secs_f64();
    let core = (core_time(SERVER_CORE) - core_before).as_secs_f64();
    let others = 100.0 * (core - used).max(0.0) / core;
    Used { micros: used * 1e6 / outcome.completed as f64, others, outcome }
}
