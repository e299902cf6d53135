//! What the guard costs on the way of a miss.

use std::collections::BTreeSet;

use super::{Bench, load};
use crate::figures::Figures;

/// The page of all ranges. (Not the table itself: the library would be built into this program only for it.)
const RANGES: &str = include_str!("../../../../docs/ranges.md");

/// stubborn as it is, and with every range allowed. The guard cannot be left out: it goes through each reply all the
/// same, and finds nothing to look up. (What it takes as a whole is in the benches of parts.)
pub(super) fn guard(bench: &Bench<'_>, figures: &mut Figures) {
    let ranges: BTreeSet<String> = names().map(|name| format!("{name:?}")).collect();
    let ranges: Vec<String> = ranges.into_iter().collect();
    let off =
        format!("[guard]\nmode = \"monitor\"\nown-addresses = false\nunblock = [{}]\n", ranges.join(", "));
    let tasks = [("on", ""), ("off", off.as_str())].map(|(server, more)| (server, bench.task_with(more)));
    load::in_turns("guard", &tasks, &load::MISSES, bench, figures);
}

/// The names of the ranges that are blocked by default: a row has the network, the name and what is done.
fn names() -> impl Iterator<Item = &'static str> {
    RANGES.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let (_network, name, treatment) = (cells.next()?, cells.next()?, cells.next()?);
        (treatment == "block").then_some(name)
    })
}
