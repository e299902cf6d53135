//! Memory, and the size of the program.

use std::process::Command;
use std::thread;
use std::time::Duration;

use super::Bench;
use crate::dnsperf::{self, Load, Names};
use crate::figures::Figures;
use crate::orders::Task;
use crate::process::find;

/// Octets of cache for a million names: it is full well before they all were asked.
pub(crate) const LARGE_CACHE: u64 = 64 << 20;
/// A server that has not answered a million names in this many seconds is left out.
const PATIENCE: u32 = 120;

/// How long after its first answer a server counts as idle.
const SETTLED: Duration = Duration::from_secs(1);

/// Memory once it has nothing to do, and after ten thousand names.
pub(super) fn memory(bench: &Bench<'_>, figures: &mut Figures) {
    for found in bench.resolvers() {
        let running = bench.start(found);
        thread::sleep(SETTLED);
        let idle = running.process.resident();
        dnsperf::once(running.address, &Names::unique(10_000), &Load::usual(PATIENCE));
        let used = running.process.resident();
        crate::say!("  memory: {}: {} and {} MB", found.name(), idle / 1_000_000, used / 1_000_000);
        figures.add("memory", found.name(), "idle", idle as f64 / 1e6);
        figures.add("memory", found.name(), "10,000", used as f64 / 1e6);
    }
}

/// Memory after a million names, in the first round only: it is slow, and hardly varies.
pub(super) fn million(bench: &Bench<'_>, figures: &mut Figures) {
    let only = bench.arguments.only.iter().any(|only| only == "million");
    let known = figures.median(("million", "stubborn", "RSS")).is_some();
    if known || (bench.arguments.brief && !only) {
        return;
    }
    for found in bench.resolvers() {
        let running = found.start(&Task { cache: LARGE_CACHE, ..bench.task() });
        let outcome = dnsperf::once(running.address, &Names::unique(1_000_000), &Load::usual(PATIENCE));
        if outcome.completed + outcome.lost < 1_000_000 {
            crate::say!("  million: {}: only {} in {PATIENCE} s", found.name(), outcome.completed);
            continue;
        }
        let used = running.process.resident();
        crate::say!("  million: {}: {} MB", found.name(), used / 1_000_000);
        figures.add("million", found.name(), "RSS", used as f64 / 1e6);
    }
}

/// The program without its symbols.
pub(super) fn size(bench: &Bench<'_>, figures: &mut Figures) {
    let program = &bench.arguments.stubborn;
    let copy = tempfile::NamedTempFile::new().expect("a file can be made");
    let stripped = find("strip").is_some_and(|strip| {
        let status = Command::new(strip).arg("-o").arg(copy.path()).arg(program).status();
        status.is_ok_and(|status| status.success())
    });
    let path = if stripped { copy.path() } else { program };
    let size = std::fs::metadata(path).expect("it was just written").len();
    crate::say!("  size: {size} octets{}", if stripped { "" } else { ", with symbols: there is no strip" });
    figures.add("size", "stubborn", "MB", size as f64 / 1e6);
}
