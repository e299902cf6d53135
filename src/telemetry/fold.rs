//! Events of one kind told once: a page that tries to rebind asks every second, and a log of it that fills the disk would
//! be a second attack.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tells first events from repeated ones, for a bounded number of keys; shared by all workers.
///
/// A key is what makes two events the same one to a reader: client, QNAME, address. Its interval begins with its first
/// event and ends with the first [`Fold::due`] after its time is over; until then its further events are counted.
#[derive(Debug)]
pub struct Fold<K> {
    interval: Duration,
    max_keys: usize,
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    windows: HashMap<K, Window>,
    /// The events of keys for which there was no room.
    overflow: Option<Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    /// Events after the first; of the overflow, all.
    more: u64,
}

/// What to do with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoldDecision {
    /// The first of its key: log it in full.
    First,
    /// Counted; [`Fold::due`] will tell.
    Repeat,
    /// Of a new key, and there is no room for one: counted with all such events.
    Overflow,
}

/// What was counted in an interval that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folded<K> {
    /// This many more events of the key, after the one that was logged.
    Repeats {
        /// Whose.
        key: K,
        /// How many; at least one.
        more: u64,
        /// From the first event until now.
        within: Duration,
    },
    /// This many events of keys for which there was no room; none of them was logged.
    Overflow {
        /// How many; at least one.
        events: u64,
        /// From the first such event until now.
        within: Duration,
    },
}

impl<K: Eq + Hash> Fold<K> {
    /// Folds the events within `interval`, and knows at most `max_keys` keys at a time (none: all is overflow).
    pub fn new(interval: Duration, max_keys: usize) -> Self {
        Self { interval, max_keys, state: Mutex::new(State { windows: HashMap::new(), overflow: None }) }
    }

    /// Takes note of an event; `keep` makes what is kept of its key, equal to it, where it is the first.
    pub fn note(&self, key: &K, now: Instant, keep: impl FnOnce() -> K) -> FoldDecision {
        let mut state = self.lock();
        if let Some(window) = state.windows.get_mut(key) {
            window.more = window.more.saturating_add(1);
            return FoldDecision::Repeat;
        }
        if state.windows.len() < self.max_keys {
            state.windows.insert(keep(), Window { since: now, more: 0 });
            return FoldDecision::First;
        }
        let window = state.overflow.get_or_insert(Window { since: now, more: 0 });
        window.more = window.more.saturating_add(1);
        FoldDecision::Overflow
    }

    /// What was counted in the intervals that are over by `now`, oldest first; their keys begin anew. To be called every
    /// second or so, and with [`Fold::finish`] at the end: without it nothing repeated is ever told.
    pub fn due(&self, now: Instant) -> Vec<Folded<K>> {
        self.take(now, self.interval)
    }

    /// What was counted in all intervals, over or not.
    pub fn finish(&self, now: Instant) -> Vec<Folded<K>> {
        self.take(now, Duration::ZERO)
    }

    fn take(&self, now: Instant, age: Duration) -> Vec<Folded<K>> {
        let over = |window: &Window| now.saturating_duration_since(window.since) >= age;
        let mut state = self.lock();
        let mut done: Vec<(Option<K>, Window)> = state
            .windows
            .extract_if(|_, window| over(window))
            .map(|(key, window)| (Some(key), window))
            .collect();
        done.extend(state.overflow.take_if(|window| over(window)).map(|window| (None, window)));
        // A burst's table is not kept for good.
        if state.windows.is_empty() {
            state.windows.shrink_to(64);
        }
        drop(state);
        done.retain(|(_, window)| window.more > 0);
        done.sort_by_key(|(_, window)| window.since);
        let folded = |(key, window): (Option<K>, Window)| {
            let within = now.saturating_duration_since(window.since);
            match key {
                Some(key) => Folded::Repeats { key, more: window.more, within },
                None => Folded::Overflow { events: window.more, within },
            }
        };
        done.into_iter().map(folded).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FoldDecision::{First, Overflow, Repeat};

    const MINUTE: Duration = Duration::from_secs(60);

    enum Step {
        Note(u64, &'static str, FoldDecision),
        /// At this second: the keys (`*` is the overflow) with their counts and the seconds they cover.
        Due(u64, &'static [(&'static str, u64, u64)]),
        Finish(u64, &'static [(&'static str, u64, u64)]),
    }
    use Step::{Due, Finish, Note};

    #[test]
    fn the_first_is_told_at_once_and_the_rest_as_a_number() {
        let tables: &[(&str, usize, &[Step])] = &[
            ("one alone is never told again", 9, &[Note(0, "a", First), Due(60, &[]), Note(61, "a", First)]),
            (
                "repeats are counted until the interval is over",
                9,
                &[
                    Note(0, "a", First),
                    Note(1, "a", Repeat),
                    Due(30, &[]),
                    Note(59, "a", Repeat),
                    Due(59, &[]),
                    Due(60, &[("a", 2, 60)]),
                    Due(60, &[]),
                    Note(60, "a", First),
                ],
            ),
            (
                "an interval is over when it was told, late or not",
                9,
                &[Note(0, "a", First), Note(90, "a", Repeat), Due(95, &[("a", 1, 95)]), Note(96, "a", First)],
            ),
            (
                "keys are apart, the oldest first",
                9,
                &[
                    Note(0, "b", First),
                    Note(1, "a", First),
                    Note(2, "a", Repeat),
                    Note(3, "b", Repeat),
                    Note(3, "c", First),
                    Due(61, &[("b", 1, 61), ("a", 1, 60)]),
                    Note(62, "c", Repeat),
                    Due(63, &[("c", 1, 60)]),
                ],
            ),
            (
                "no room: new keys share one number, known keys keep theirs",
                2,
                &[
                    Note(0, "a", First),
                    Note(0, "b", First),
                    Note(10, "c", Overflow),
                    Note(10, "d", Overflow),
                    Note(11, "c", Overflow),
                    Note(11, "a", Repeat),
                    Due(60, &[("a", 1, 60)]),
                    Note(61, "c", First),
                    Due(70, &[("*", 3, 60)]),
                    Due(140, &[]),
                ],
            ),
            (
                "no room at all",
                0,
                &[Note(0, "a", Overflow), Note(1, "a", Overflow), Due(60, &[("*", 2, 60)])],
            ),
            (
                "at the end all is told",
                1,
                &[
                    Note(0, "a", First),
                    Note(1, "a", Repeat),
                    Note(2, "b", Overflow),
                    Finish(3, &[("a", 1, 3), ("*", 1, 1)]),
                    Finish(3, &[]),
                ],
            ),
            ("time that goes back is no time", 9, &[Note(50, "a", First), Note(9, "a", Repeat), Due(9, &[])]),
        ];
        let start = Instant::now();
        let at = |seconds: &u64| start + Duration::from_secs(*seconds);
        for (what, max_keys, steps) in tables {
            let fold: Fold<String> = Fold::new(MINUTE, *max_keys);
            let told = |folded: Vec<Folded<String>>| -> Vec<(String, u64, u64)> {
                let row = |folded| match folded {
                    Folded::Repeats { key, more, within } => (key, more, within.as_secs()),
                    Folded::Overflow { events, within } => ("*".to_owned(), events, within.as_secs()),
                };
                folded.into_iter().map(row).collect()
            };
            let expected = |rows: &[(&str, u64, u64)]| -> Vec<(String, u64, u64)> {
                rows.iter().map(|(key, count, within)| ((*key).to_owned(), *count, *within)).collect()
            };
            for (number, step) in steps.iter().enumerate() {
                match step {
                    Note(second, key, decision) => {
                        let key = (*key).to_owned();
                        assert_eq!(
                            fold.note(&key, at(second), || key.clone()),
                            *decision,
                            "{what}, step {number}"
                        );
                    }
                    Due(second, rows) => {
                        assert_eq!(told(fold.due(at(second))), expected(rows), "{what}, step {number}")
                    }
                    Finish(second, rows) => {
                        assert_eq!(told(fold.finish(at(second))), expected(rows), "{what}, step {number}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_every_event_is_accounted_for() {
        let fold = Fold::new(MINUTE, 100);
        let now = Instant::now();
        let first = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u32)
                .map(|_| {
                    scope
                        .spawn(|| (0..10_000_u32).filter(|key| fold.note(key, now, || *key) == First).count())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(first, 100);
        assert_eq!(fold.lock().windows.len(), 100);
        let counted = |folded: Folded<u32>| match folded {
            Folded::Repeats { more, .. } => more,
            Folded::Overflow { events, .. } => events,
        };
        let counted: u64 = fold.due(now + MINUTE).into_iter().map(counted).sum();
        assert_eq!(counted + first as u64, 40_000);
        assert!(fold.lock().windows.is_empty());
    }
}
