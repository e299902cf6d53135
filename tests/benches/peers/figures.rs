//! What was measured: at most one number for each round.

use std::collections::{BTreeMap, BTreeSet};

/// Which number: of what measurement, of what server, and what of it.
pub(crate) type Key = (&'static str, &'static str, &'static str);

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    round: u32,
    numbers: BTreeMap<Key, BTreeMap<u32, f64>>,
    /// Rounds in which others disturbed the measurement of a server.
    disturbed: BTreeSet<(&'static str, &'static str, u32)>,
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

    /// What was measured of this server in this round was disturbed by others.
    pub(crate) fn disturbed(&mut self, measure: &'static str, server: &'static str) {
        self.disturbed.insert((measure, server, self.round));
    }

    /// How many were, of how many measurements of a server in a round.
    pub(crate) fn disturbed_of(&self) -> (usize, usize) {
        let all =
            self.numbers.iter().flat_map(|(key, rounds)| rounds.keys().map(|round| (key.0, key.1, *round)));
        (self.disturbed.len(), all.collect::<BTreeSet<_>>().len())
    }

    /// The median of the rounds that were not disturbed; of all, if all were.
    pub(crate) fn median(&self, key: Key) -> Option<f64> {
        let rounds = self.numbers.get(&key)?;
        median(self.rounds(&[key]).into_iter().filter_map(|round| rounds.get(&round).copied()).collect())
    }

    /// The largest of all rounds.
    pub(crate) fn worst(&self, key: Key) -> Option<f64> {
        self.numbers.get(&key)?.values().copied().max_by(f64::total_cmp)
    }

    /// The median of what one is of the other in each round, so that drift between rounds does not count; of rounds in which
    /// neither was disturbed, if there are any.
    pub(crate) fn ratio(&self, ours: Key, theirs: Key) -> Option<f64> {
        let rounds = self.rounds(&[ours, theirs]);
        let (ours, theirs) = (self.numbers.get(&ours)?, self.numbers.get(&theirs)?);
        median(rounds.into_iter().filter_map(|round| Some(ours.get(&round)? / theirs.get(&round)?)).collect())
    }

    /// The rounds that count for these numbers.
    fn rounds(&self, keys: &[Key]) -> Vec<u32> {
        let calm = |round: &u32| !keys.iter().any(|key| self.disturbed.contains(&(key.0, key.1, *round)));
        let all: Vec<u32> = (1..=self.round).collect();
        let counting: Vec<u32> = all.iter().copied().filter(calm).collect();
        if counting.is_empty() { all } else { counting }
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
