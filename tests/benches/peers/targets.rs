//! What stubborn has to reach, beside what it reached.

use crate::figures::Figures;
use crate::measures::memory::LARGE_CACHE;
use crate::table::shown;

/// A number of [`Figures`]: the measurement, the server, what of it.
type Number = (&'static str, &'static str, &'static str);

/// What is held against the limit.
enum Value {
    /// The median of the ratios in each round.
    Ratio(Number, Number),
    /// The median.
    Median(Number),
    /// The largest of all rounds.
    Worst(Number),
}
use Value::{Median, Ratio, Worst};

struct Target {
    what: &'static str,
    value: Value,
    /// The most it may be.
    limit: f64,
    unit: &'static str,
}

const fn target(what: &'static str, value: Value, limit: f64, unit: &'static str) -> Target {
    Target { what, value, limit, unit }
}

const fn time(measure: &'static str, server: &'static str) -> Number {
    (measure, server, "µs")
}

const TARGETS: &[Target] = &[
    target(
        "cache hit over UDP, to Unbound's",
        Ratio(time("hit", "stubborn"), time("hit", "unbound")),
        0.75,
        "µs",
    ),
    target(
        "cache hit over UDP, to a bare echo's",
        Ratio(time("hit", "stubborn"), time("hit", "echo")),
        1.25,
        "µs",
    ),
    target(
        "cache miss over UDP, to Unbound's",
        Ratio(time("miss", "stubborn"), time("miss", "unbound")),
        0.3,
        "µs",
    ),
    target(
        "cache miss over UDP, to dnsdist's",
        Ratio(time("miss", "stubborn"), time("miss", "dnsdist")),
        1.0,
        "µs",
    ),
    target("guard on to off, misses", Ratio(time("guard", "on"), time("guard", "off")), 1.05, "µs"),
    target(
        "hits over TCP, pipelined, to dnsdist's",
        Ratio(time("tcp", "stubborn"), time("tcp", "dnsdist")),
        0.95,
        "µs",
    ),
    target(
        "hits over TCP, one query each, to Unbound's",
        Ratio(time("tcp-once", "stubborn"), time("tcp-once", "unbound")),
        1.0,
        "µs",
    ),
    target("memory, idle", Median(("memory", "stubborn", "idle")), 8.0, "MB"),
    target("memory after 10,000 names", Median(("memory", "stubborn", "10,000")), 16.0, "MB"),
    target(
        "memory after 1,000,000 names, 64 MiB of cache",
        Median(("million", "stubborn", "RSS")),
        LARGE_CACHE as f64 / 1e6 + 16.0,
        "MB",
    ),
    target("start to first answer", Median(("start", "stubborn", "ms")), 5.0, "ms"),
    target("p99 of a polite client in a flood", Median(("flood", "stubborn", "p99")), 1.5, "ms"),
    target("lost by it, in the worst round", Worst(("flood", "stubborn", "lost")), 0.0, ""),
    target("program, stripped", Median(("size", "stubborn", "MB")), 8.0, "MB"),
    target(
        "p99 of hits at half load, to Unbound's",
        Ratio(("half", "stubborn", "p99"), ("half", "unbound", "p99")),
        1.0,
        "ms",
    ),
    target(
        "hit, large configuration to none",
        Ratio(time("crowd-hit", "many"), time("crowd-hit", "none")),
        1.1,
        "µs",
    ),
    target(
        "miss, large configuration to none",
        Ratio(time("crowd-miss", "many"), time("crowd-miss", "none")),
        1.1,
        "µs",
    ),
    target("reload of it, local names in a hosts file", Median(("reload", "hosts", "ms")), 200.0, "ms"),
    target("reload of it, local names in tables", Median(("reload", "tables", "ms")), 200.0, "ms"),
];

/// One target with what was measured for it.
pub(crate) struct Held {
    pub(crate) what: &'static str,
    pub(crate) value: f64,
    pub(crate) limit: f64,
    /// The value for people to read.
    text: String,
    limit_text: String,
}

impl Held {
    pub(crate) fn met(&self) -> bool {
        self.value <= self.limit
    }
}

/// The targets something was measured for.
pub(crate) fn held(figures: &Figures) -> Vec<Held> {
    TARGETS.iter().filter_map(|target| target.held(figures)).collect()
}

impl Target {
    fn held(&self, figures: &Figures) -> Option<Held> {
        let Self { what, unit, limit, .. } = *self;
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let (value, text, limit_text) = match self.value {
            Ratio(ours, theirs) => {
                let value = figures.ratio(ours, theirs)?;
                let (ours, theirs) = (figures.median(ours)?, figures.median(theirs)?);
                let text = format!("{value:.2} ({}{unit} to {}{unit})", shown(ours), shown(theirs));
                (value, text, format!("≤ {limit:.2}"))
            }
            Median(number) | Worst(number) => {
                let value = if matches!(self.value, Worst(_)) {
                    figures.worst(number)
                } else {
                    figures.median(number)
                };
                let value = value?;
                (value, format!("{}{unit}", shown(value)), format!("≤ {}{unit}", shown(limit)))
            }
        };
        Some(Held { what, value, limit, text, limit_text })
    }
}

/// The table of targets.
pub(crate) fn table(held: &[Held]) -> Vec<Vec<String>> {
    let mut rows = vec![["of stubborn", "measured", "target", ""].map(str::to_owned).to_vec()];
    for held in held {
        let met = if held.met() { "met" } else { "missed" };
        rows.push(vec![held.what.to_owned(), held.text.clone(), held.limit_text.clone(), met.to_owned()]);
    }
    rows
}
