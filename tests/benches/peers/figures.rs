//! What was measured: at most one number for each round.

use std::collections::BTreeMap;

/// Which number: of what measurement, of what server, and what of it.
pub(crate) type Key = (&'static str, &'static str, &'static str);

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    round: u32,
    numbers: BTreeMap<Key, BTreeMap<u32, f64>>,
}

impl Figures {
    /// From now on numbers are of this round.
    pub(crate) fn begin(&mut self, round: u32) {
        self.round = round;
    }

    /// Adds a number of this round.
    pub(crate) fn add(
        &mut self,
        measure: &'static str,
        server: &'static str,
        what: &'static str,
        number: f64,
    ) {
        self.numbers.entry((measure, server, what)).or_default().insert(self.round, number);
    }

    /// The median of all rounds.
    pub(crate) fn median(&self, key: Key) -> Option<f64> {
        median(self.numbers.get(&key)?.values().copied().collect())
    }

    /// The largest of all rounds.
    pub(crate) fn worst(&self, key: Key) -> Option<f64> {
        self.numbers.get(&key)?.values().copied().max_by(f64::total_cmp)
    }

    /// The median of what one is of the other in each round, so that drift between rounds does not count.
    pub(crate) fn ratio(&self, ours: Key, theirs: Key) -> Option<f64> {
        let (ours, theirs) = (self.numbers.get(&ours)?, self.numbers.get(&theirs)?);
        median(ours.iter().filter_map(|(round, number)| Some(number / theirs.get(round)?)).collect())
    }

    /// The largest of this of whatever measurement and server.
    pub(crate) fn worst_of_all(&self, what: &str) -> Option<f64> {
        let numbers =
            self.numbers.iter().filter(|(key, _)| key.2 == what).flat_map(|(_, rounds)| rounds.values());
        numbers.copied().max_by(f64::total_cmp)
    }

    /// Every number, with its round.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &BTreeMap<u32, f64>)> {
        self.numbers.iter()
    }
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(numbers[middle]),
        _ => Some(f64::midpoint(numbers[middle - 1], numbers[middle])),
    }
}
