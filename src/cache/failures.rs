//! Failures to resolve, for a short time (RFC 9520): who asks again at once gets the same answer without another try.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use foldhash::quality::RandomState;
use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;

use super::key::Key;
use crate::dns::NameRef;

/// Failures that are remembered.
const MAX_FAILURES: usize = 4096;

/// What could not be resolved just now, with the answer `A` that came of it.
pub struct Failures<A> {
    /// When the last of them will be forgotten: mostly there are none, and nothing has to be looked up.
    last: AtomicU64,
    entries: Cache<Box<[u8]>, Failure<A>, UnitWeighter, RandomState>,
}

#[derive(Clone)]
struct Failure<A> {
    answer: A,
    /// Milliseconds on the caller's clock.
    until: u64,
}

impl<A: Clone> Default for Failures<A> {
    fn default() -> Self {
        let entries = Cache::with(
            256,
            MAX_FAILURES as u64,
            UnitWeighter,
            RandomState::default(),
            quick_cache::sync::DefaultLifecycle::default(),
        );
        Self { last: AtomicU64::new(0), entries }
    }
}

impl<A: Clone> Failures<A> {
    /// What came of `key` a moment ago.
    pub fn get(&self, key: &Key, now: u64) -> Option<A> {
        if now >= self.last.load(Relaxed) {
            return None;
        }
        let failure = self.entries.get(key.as_bytes())?;
        (now < failure.until).then_some(failure.answer)
    }

    /// Forgets what is known of `name` and the names below it, or everything.
    pub fn flush(&self, name: Option<NameRef<'_>>) {
        match name {
            None => self.entries.clear(),
            Some(name) => self.entries.retain(|key, _| !Key::is_within(key, name)),
        }
    }

    /// Remembers a failure for as long as it `lasts`.
    pub fn insert(&self, key: &Key, answer: A, now: u64, lasts: Duration) {
        let until = now.saturating_add(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
        self.last.fetch_max(until, Relaxed);
        self.entries.insert(key.as_bytes().into(), Failure { answer, until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{NameRef, Question, RecordType};

    #[test]
    fn a_failure_is_remembered_for_its_time() {
        let failures = Failures::default();
        let key = |rtype| Key::new(&Question::new(NameRef::ROOT, rtype), false, false, 7);
        failures.insert(&key(RecordType::A), "refused", 1000, Duration::from_secs(5));
        for (rtype, now, expected) in [
            (RecordType::A, 1000, Some("refused")),
            (RecordType::A, 5999, Some("refused")),
            (RecordType::A, 6000, None),
            (RecordType::NS, 1000, None),
        ] {
            assert_eq!(failures.get(&key(rtype), now), expected, "{rtype} {now}");
        }
    }

    #[test]
    fn their_number_is_bounded() {
        let failures = Failures::default();
        for number in 0..20_000_u16 {
            let question = Question::new(NameRef::ROOT, RecordType(number));
            failures.insert(&Key::new(&question, false, false, 0), (), 0, Duration::from_secs(5));
        }
        assert!(failures.entries.len() <= MAX_FAILURES, "{}", failures.entries.len());
    }
}
