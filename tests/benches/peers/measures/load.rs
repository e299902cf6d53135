//! Processor time for a query under full load.

use std::time::Duration;

use super::Bench;
use crate::client;
use crate::dnsperf::{self, Load, Names, Outcome};
use crate::figures::Figures;
use crate::orders::Task;
use crate::process::core_time;
use crate::servers::{Found, Running, SERVER_CORE};

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

/// What differs by little is measured in turns of this many seconds,
const TURN: u32 = 1;
/// in so many for each second that a load lasts.
const TURNS: usize = 3;

/// A kind of load.
pub(super) struct Kind {
    /// What has to be done once before it.
    warm: fn(&Running),
    /// Puts it for so many seconds.
    put: fn(&Running, u32) -> Outcome,
}

/// Answers from the cache, over UDP.
pub(super) const HITS: Kind = Kind {
    warm: |running| warm(running, &Load::usual(1)),
    put: |running, seconds| dnsperf::repeat(running.address, &Names::known(KNOWN), &Load::usual(seconds)),
};

/// Names that were never asked before, over UDP.
pub(super) const MISSES: Kind = Kind {
    warm: |running| {
        dnsperf::once(running.address, &Names::unique(2_000), &Load::usual(1));
    },
    put: |running, seconds| {
        let names = Names::unique(UNIQUE_A_SECOND * u64::from(seconds));
        dnsperf::once(running.address, &names, &Load::usual(seconds))
    },
};

/// Answers from the cache, over eight TCP connections with many queries under way in each.
const HITS_OVER_TCP: Kind = Kind {
    warm: |running| warm(running, &Load::over_tcp(1)),
    put: |running, seconds| dnsperf::repeat(running.address, &Names::known(KNOWN), &Load::over_tcp(seconds)),
};

/// Answers from the cache, with a TCP connection for each query.
const ONE_QUERY_EACH: Kind = Kind {
    warm: |running| {
        client::tcp_once(running.address, &Names::known(KNOWN), Duration::from_millis(300));
    },
    put: |running, seconds| {
        let duration = Duration::from_secs(seconds.into());
        client::tcp_once(running.address, &Names::known(KNOWN), duration)
    },
};

/// Until all known names are kept, and for the server to have done once what it does once.
fn warm(running: &Running, load: &Load) {
    let names = Names::known(KNOWN);
    dnsperf::once(running.address, &names, &Load { outstanding: 20, ..Load::usual(1) });
    dnsperf::repeat(running.address, &names, &Load { rate: Some(20_000), ..load.clone() });
}

pub(super) fn hit(bench: &Bench<'_>, figures: &mut Figures) {
    each("hit", &HITS, bench.servers.iter(), bench, figures);
}

pub(super) fn miss(bench: &Bench<'_>, figures: &mut Figures) {
    each("miss", &MISSES, bench.resolvers(), bench, figures);
}

pub(super) fn tcp(bench: &Bench<'_>, figures: &mut Figures) {
    each("tcp", &HITS_OVER_TCP, with_tcp(bench), bench, figures);
}

pub(super) fn tcp_once(bench: &Bench<'_>, figures: &mut Figures) {
    each("tcp-once", &ONE_QUERY_EACH, with_tcp(bench), bench, figures);
}

fn with_tcp<'a>(bench: &'a Bench<'_>) -> impl Iterator<Item = &'a Found> {
    bench.servers.iter().filter(|found| found.server.tcp)
}

/// Measures one server after the other.
fn each<'a>(
    measure: &'static str,
    kind: &Kind,
    servers: impl Iterator<Item = &'a Found>,
    bench: &Bench<'_>,
    figures: &mut Figures,
) {
    for found in servers {
        let running = bench.start(found);
        (kind.warm)(&running);
        let used = least_disturbed(|| used_by(&running, kind, bench.seconds()));
        record(measure, found.name(), &used, figures);
    }
}

/// A load that is put again while others disturb it.
fn least_disturbed(mut load: impl FnMut() -> Used) -> Used {
    let mut best = load();
    for _ in 1..TRIES {
        if best.others() > CALM {
            let again = load();
            best = if again.others() < best.others() { again } else { best };
        }
    }
    best
}

/// Measures stubborn on two tasks between which it differs by little: in short turns, there and back, so that what drifts does
/// so for both, of processes started anew, since two of one program on one task differ too. The pairs of turns that others
/// disturbed least count.
pub(super) fn in_turns(
    measure: &'static str,
    tasks: &[(&'static str, Task); 2],
    kind: &Kind,
    bench: &Bench<'_>,
    figures: &mut Figures,
) {
    let Some(stubborn) = bench.stubborn() else { return };
    let turn = |(_, task): &(&'static str, Task)| {
        let running = stubborn.start(task);
        (kind.warm)(&running);
        used_by(&running, kind, TURN)
    };
    let wanted = TURNS * bench.seconds() as usize;
    let [one, other] = tasks;
    let mut pairs: Vec<[Used; 2]> = Vec::new();
    while pairs.len() < TRIES * wanted && pairs.iter().filter(|pair| others(pair) <= CALM).count() < wanted {
        if pairs.len().is_multiple_of(2) {
            let used = turn(one);
            pairs.push([used, turn(other)]);
        } else {
            let used = turn(other);
            pairs.push([turn(one), used]);
        }
    }
    pairs.sort_by(|one, other| others(one).total_cmp(&others(other)));
    pairs.truncate(wanted);
    let both = pairs
        .into_iter()
        .reduce(|[one, other], [more, more_of_other]| [one.and(more), other.and(more_of_other)]);
    for ((server, _), used) in tasks.iter().zip(both.into_iter().flatten()) {
        record(measure, server, &used, figures);
    }
}

fn record(measure: &'static str, server: &'static str, used: &Used, figures: &mut Figures) {
    let (micros, others) = (used.micros(), used.others());
    let Outcome { completed, lost, fine, per_second, latency } = used.outcome;
    if fine * 1000 < completed * 999 || completed == 0 {
        crate::say!("  {measure}: {server} answered well {fine} times of {completed} only");
    }
    let numbers = [
        ("µs", micros),
        ("% others", others),
        ("a second", per_second),
        ("latency", latency),
        ("lost", lost as f64),
        ("RSS", used.resident as f64 / 1e6),
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

/// What a load took.
struct Used {
    /// Processor time of the server.
    server: Duration,
    /// The time its core was busy.
    core: Duration,
    outcome: Outcome,
    /// The server's resident memory after it, in octets.
    resident: u64,
}

impl Used {
    /// Processor time for a query.
    fn micros(&self) -> f64 {
        self.server.as_secs_f64() * 1e6 / self.outcome.completed as f64
    }

    /// How much of the core's time others took, in hundredths.
    fn others(&self) -> f64 {
        100.0 * self.core.saturating_sub(self.server).as_secs_f64() / self.core.as_secs_f64()
    }

    /// Both together.
    fn and(self, more: Self) -> Self {
        Self {
            server: self.server + more.server,
            core: self.core + more.core,
            outcome: self.outcome.and(&more.outcome),
            resident: self.resident.max(more.resident),
        }
    }
}

/// Of the turn that was disturbed more.
fn others(pair: &[Used; 2]) -> f64 {
    let [one, other] = pair;
    one.others().max(other.others())
}

fn used_by(running: &Running, kind: &Kind, seconds: u32) -> Used {
    let (before, core_before) = (running.process.processor_time(), core_time(SERVER_CORE));
    let outcome = (kind.put)(running, seconds);
    let server = running.process.processor_time() - before;
    let core = core_time(SERVER_CORE) - core_before;
    Used { server, core, outcome, resident: running.process.resident() }
}
