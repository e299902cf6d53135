//! Times, counted by how long they were.

use std::time::Duration;

use super::Counter;

/// The upper bounds of the buckets, from a neighbour's cache to the end of all patience; a last bucket has none.
pub const BOUNDS: [Duration; 13] = [
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
];

/// How many times were within each of [`BOUNDS`], and their sum. Written by one thread, as a [`Counter`] is.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BOUNDS.len() + 1],
    microseconds: Counter,
}

impl Histogram {
    /// Counts `took`.
    pub fn note(&self, took: Duration) {
        let index = BOUNDS.partition_point(|bound| *bound < took);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.add(1);
        }
        self.microseconds.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
}

/// The sum of histograms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistogramTotal {
    /// How many were in each bucket and no lower one; the last has no bound.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// The sum of all times.
    pub sum: Duration,
}

impl HistogramTotal {
    /// Adds one histogram.
    pub fn add(&mut self, histogram: &Histogram) {
        for (total, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *total = total.saturating_add(bucket.get());
        }
        self.sum = self.sum.saturating_add(Duration::from_micros(histogram.microseconds.get()));
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        for (micros, bucket) in [
            (0, 0),
            (250, 0),
            (251, 1),
            (1_000, 2),
            (1_001, 3),
            (2_500_000, 12),
            (2_500_001, 13),
            (u64::MAX, 13),
        ] {
            let histogram = Histogram::default();
            histogram.note(Duration::from_micros(micros));
            let mut total = HistogramTotal::default();
            total.add(&histogram);
            assert_eq!(total.buckets.iter().position(|count| *count == 1), Some(bucket), "{micros}");
            assert_eq!((total.count(), total.sum), (1, Duration::from_micros(micros)));
        }
    }
}
