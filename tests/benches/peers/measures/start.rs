//! How soon a server answers after its start.

use super::Bench;
use crate::figures::Figures;
use crate::process::Stretch;
use crate::servers::SERVER_CORE;

/// Starts in a round.
const STARTS: usize = 9;

pub(super) fn start(bench: &Bench<'_>, figures: &mut Figures) {
    for found in bench.resolvers() {
        let stretch = Stretch::begin();
        let mut times: Vec<f64> = (0..STARTS)
            .map(|_| found.spawn(&bench.task(), SERVER_CORE).answered().as_secs_f64() * 1000.0)
            .collect();
        times.sort_by(f64::total_cmp);
        let middle = times[STARTS / 2];
        crate::say!("  start: {}: {middle:.1} ms", found.name());
        figures.add("start", found.name(), "ms", middle);
        if stretch.was_disturbed() {
            figures.disturbed("start", found.name());
        }
    }
}
