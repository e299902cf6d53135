//! What was measured: one number for each round.

use std::collections::BTreeMap;

/// Which number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) measure: &'static str,
    pub(crate) server: &'static str,
    pub(crate) what: &'static str,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<Key, Vec<f64>>);

impl Figures {
    /// Adds the number of another round.
    pub(crate) fn add(
        &mut self,
        measure: &'static str,
        server: &'static str,
        what: &'static str,
        number: f64,
    ) {
        self.0.entry(Key { measure, server, what }).or_default().push(number);
    }

    /// The median of all rounds.
    pub(crate) fn median(
        &self,
        measure: &'static str,
        server: &'static str,
        what: &'static str,
    ) -> Option<f64> {
        median(self.0.get(&Key { measure, server, what })?.clone())
    }

    /// The median of what one is of the other in each round, so that drift between rounds does not count.
    pub(crate) fn ratio(
        &self,
        (measure, server): (&'static str, &'static str),
        (other_measure, other): (&'static str, &'static str),
        what: &'static str,
    ) -> Option<f64> {
        let ours = self.0.get(&Key { measure, server, what })?;
        let theirs = self.0.get(&Key { measure: other_measure, server: other, what })?;
        median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &[f64])> {
        self.0.iter().map(|(key, numbers)| (key, numbers.as_slice()))
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
