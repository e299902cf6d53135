//! What upstreams said, bounded by octets. Beside it stands what the present policy makes of it, only to save the work of
//! saying it again: the cache is never the place of a verdict.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use foldhash::quality::RandomState;
use quick_cache::sync::{Cache, DefaultLifecycle, EntryAction};
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use super::key::Key;
use super::settings::CacheSettings;
use crate::dns::{NameRef, UpstreamResponse};

/// Octets an entry takes besides its contents: its place in the index, half of which may be empty, and what the allocator
/// rounds up.
const OVERHEAD: usize = 128;
/// An entry of usual size, to size the index.
const USUAL_ENTRY: u64 = 512;
/// A name is asked often if it was asked this many times since it was stored.
const OFTEN: u32 = 3;

/// A reply with its times. `J` is what the policy made of it.
#[derive(Debug)]
pub struct Entry<J> {
    /// What the upstream said.
    pub upstream: UpstreamResponse,
    /// What the policy made of it.
    pub judged: J,
    /// Milliseconds on the caller's clock.
    stored: u64,
    /// Seconds.
    ttl: u32,
    uses: AtomicU32,
    refreshing: AtomicBool,
    weight: u32,
}

/// An entry found, with its age.
#[derive(Debug)]
pub struct Found<J> {
    /// The entry.
    pub entry: Arc<Entry<J>>,
    /// Seconds since it was stored.
    pub age: u32,
    /// Its TTL is over; it may be given only when nothing better can be had (RFC 8767).
    pub stale: bool,
    /// It is asked often and runs out soon: whoever gets this should ask again. Said once for an entry.
    pub refresh: bool,
}

#[derive(Clone)]
struct ByWeight;

impl<J> Weighter<Box<[u8]>, Arc<Entry<J>>> for ByWeight {
    fn weight(&self, key: &Box<[u8]>, entry: &Arc<Entry<J>>) -> u64 {
        (key.len() + OVERHEAD + size_of::<Entry<J>>()) as u64 + u64::from(entry.weight)
    }
}

type Item<J> = Arc<Entry<J>>;
type Entries<J> = Cache<Box<[u8]>, Item<J>, ByWeight, RandomState, Evictions<J>>;
type Leaving<J> = DefaultLifecycle<Box<[u8]>, Item<J>>;

/// Counts what has to make room.
struct Evictions<J>(Arc<AtomicU64>, Leaving<J>);

impl<J> Clone for Evictions<J> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1.clone())
    }
}

impl<J> Lifecycle<Box<[u8]>, Item<J>> for Evictions<J> {
    type RequestState = <Leaving<J> as Lifecycle<Box<[u8]>, Item<J>>>::RequestState;

    fn before_evict(&self, _: &mut Self::RequestState, _: &Box<[u8]>, _: &mut Item<J>) {
        self.0.fetch_add(1, Relaxed);
    }

    fn on_evict(&self, state: &mut Self::RequestState, key: Box<[u8]>, entry: Item<J>) {
        self.1.on_evict(state, key, entry);
    }
}

/// The cache.
pub struct Store<J> {
    entries: Entries<J>,
    evictions: Arc<AtomicU64>,
    settings: CacheSettings,
}

impl<J> Store<J> {
    /// An empty cache. With a size of 0 nothing is ever found.
    pub fn new(settings: &CacheSettings) -> Self {
        let items = usize::try_from(settings.size / USUAL_ENTRY).unwrap_or(usize::MAX).max(16);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items.min(1 << 16))
            .weight_capacity(settings.size)
            .shards(if settings.size < 1 << 20 { 1 } else { 8 })
            .build();
        let hasher = RandomState::default();
        let evictions = Arc::new(AtomicU64::new(0));
        let lifecycle = Evictions(Arc::clone(&evictions), DefaultLifecycle::default());
        let entries = match options {
            Ok(options) => Cache::with_options(options, ByWeight, hasher, lifecycle),
            // Every option is set, so this cannot be; a cache by defaults is right all the same.
            Err(_) => Cache::with(items, settings.size, ByWeight, hasher, lifecycle),
        };
        Self { entries, evictions, settings: settings.clone() }
    }

    /// What is kept for `key` at `now` milliseconds, fresh, or stale by no more than the settings allow.
    pub fn get(&self, key: &Key, now: u64) -> Option<Found<J>> {
        let entry = self.entries.get(key.as_bytes())?;
        let age = u32::try_from(now.saturating_sub(entry.stored) / 1000).unwrap_or(u32::MAX);
        if age < entry.ttl {
            let refresh = self.settings.prefetch && entry.wants_refresh(age);
            return Some(Found { entry, age, stale: false, refresh });
        }
        let stale_for = u64::from(age - entry.ttl);
        (stale_for < self.settings.serve_stale.as_secs()).then_some(Found {
            entry,
            age,
            stale: true,
            refresh: false,
        })
    }

    /// A reply with longer TTLs cut to what the settings allow.
    pub fn cut(&self, upstream: UpstreamResponse) -> UpstreamResponse {
        let most = self.most(&upstream);
        upstream.with_ttl_at_most(most)
    }

    /// Keeps a reply for as long as its TTL and the settings say; gives it back as it will be found.
    pub fn insert(
        &self,
        key: &Key,
        upstream: UpstreamResponse,
        judged: J,
        weight: usize,
        now: u64,
    ) -> Arc<Entry<J>> {
        let ttl = self.lifetime(&upstream);
        let entry = Arc::new(Entry::new(upstream, judged, now, ttl, weight));
        if ttl > 0 && self.settings.size > 0 {
            self.entries.insert(key.as_bytes().into(), Arc::clone(&entry));
        }
        entry
    }

    /// Puts what another policy makes of an entry in its place, if it still is there. Times stay.
    pub fn rejudge(&self, key: &Key, old: &Entry<J>, judged: J, weight: usize) {
        let is_old = |present: &Arc<Entry<J>>| std::ptr::eq(&raw const **present, &raw const *old);
        if !self.entries.peek(key.as_bytes()).is_some_and(|present| is_old(&present)) {
            return;
        }
        let entry = Entry::new(old.upstream.clone(), judged, old.stored, old.ttl, weight);
        entry.uses.store(old.uses.load(Relaxed), Relaxed);
        let mut entry = Arc::new(entry);
        // Compared again under the lock: a newer entry may have come. An evicted entry is not inserted again.
        let _ = self.entries.entry(&Box::from(key.as_bytes()), Some(Duration::ZERO), |_, present| {
            if is_old(present) {
                // The old entry is dropped after the lock is released.
                std::mem::swap(present, &mut entry);
            }
            EntryAction::Retain(())
        });
    }

    /// The number of entries and the octets they take.
    pub fn usage(&self) -> (usize, u64) {
        (self.entries.len(), self.entries.weight())
    }

    /// How many entries had to make room so far.
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Relaxed)
    }

    /// Takes out what is kept for `name` and the names below it, or everything; returns how many entries.
    pub fn flush(&self, name: Option<NameRef<'_>>) -> usize {
        let before = self.entries.len();
        match name {
            None => self.entries.clear(),
            Some(name) => self.entries.retain(|key, _| !Key::is_within(key, name)),
        }
        before.saturating_sub(self.entries.len())
    }

    /// Seconds a reply may be kept.
    fn lifetime(&self, upstream: &UpstreamResponse) -> u32 {
        upstream.ttl().unwrap_or(0).min(self.most(upstream))
    }

    /// Seconds a reply of its kind may be kept.
    fn most(&self, upstream: &UpstreamResponse) -> u32 {
        let most =
            if upstream.is_negative() { self.settings.negative_max_ttl } else { self.settings.max_ttl };
        u32::try_from(most.as_secs()).unwrap_or(u32::MAX)
    }
}

impl<J> Entry<J> {
    fn new(upstream: UpstreamResponse, judged: J, stored: u64, ttl: u32, weight: usize) -> Self {
        Self {
            weight: u32::try_from(upstream.weight() + weight).unwrap_or(u32::MAX),
            upstream,
            judged,
            stored,
            ttl,
            uses: AtomicU32::new(0),
            refreshing: AtomicBool::new(false),
        }
    }

    /// In the last tenth of its time, asked often, and nobody was told so yet.
    fn wants_refresh(&self, age: u32) -> bool {
        let uses = self.uses.load(Relaxed);
        if uses < OFTEN {
            self.uses.store(uses + 1, Relaxed);
        }
        let last_tenth = (self.ttl - age).saturating_mul(10) <= self.ttl;
        last_tenth && uses >= OFTEN && !self.refreshing.swap(true, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Name, Question, RecordType};

    fn question(name: &str) -> Question {
        Question::new(Name::from_text(name).unwrap().as_ref(), RecordType::A)
    }

    /// A reply with one A record, or an SOA, of this TTL.
    fn reply(question: &Question, ttl: u32, positive: bool) -> UpstreamResponse {
        let counts = if positive { [0, 1, 0, 0] } else { [0, 0, 0, 1] };
        let mut wire = vec![0, 1, 0x81, 0x80, 0, 1];
        wire.extend_from_slice(&[counts[0], counts[1], counts[2], counts[3], 0, 0]);
        question.write(&mut wire);
        wire.extend_from_slice(&[0xc0, 12, 0, if positive { 1 } else { 6 }, 0, 1]);
        wire.extend_from_slice(&ttl.to_be_bytes());
        if positive {
            wire.extend_from_slice(&[0, 4, 1, 1, 1, 1]);
        } else {
            wire.extend_from_slice(&[0, 22, 0, 0]);
            wire.extend_from_slice(&[0; 16]);
            wire.extend_from_slice(&ttl.to_be_bytes());
        }
        UpstreamResponse::parse(&wire, question, false).unwrap()
    }

    fn store(settings: CacheSettings) -> Store<()> {
        Store::new(&settings)
    }

    #[test]
    fn an_entry_lives_to_the_second_and_then_goes_stale() {
        let store = store(CacheSettings { serve_stale: Duration::from_secs(60), ..CacheSettings::default() });
        let question = question("a.example");
        let key = Key::new(&question, false, false, 0);
        store.insert(&key, reply(&question, 5, true), (), 0, 10_500);
        for (now, expected) in [
            (10_500, Some((0, false))),
            (15_499, Some((4, false))),
            (15_500, Some((5, true))),
            (75_499, Some((64, true))),
            (75_500, None),
        ] {
            let found = store.get(&key, now).map(|found| (found.age, found.stale));
            assert_eq!(found, expected, "{now}");
        }
    }

    #[test]
    fn times_to_live_are_capped_and_nothing_is_kept_without_one() {
        let settings = CacheSettings {
            max_ttl: Duration::from_secs(100),
            negative_max_ttl: Duration::from_secs(10),
            serve_stale: Duration::ZERO,
            ..CacheSettings::default()
        };
        for (ttl, positive, lives) in
            [(1000, true, 100), (50, true, 50), (1000, false, 10), (0, true, 0), (u32::MAX, true, 0)]
        {
            let store = store(settings.clone());
            let question = question("a.example");
            let key = Key::new(&question, false, false, 0);
            store.insert(&key, reply(&question, ttl, positive), (), 0, 0);
            assert_eq!(store.get(&key, lives * 1000).map(|_| ()), None, "{ttl} {positive}");
            assert_eq!(
                lives > 0,
                lives > 0 && store.get(&key, lives * 1000 - 1).is_some(),
                "{ttl} {positive}"
            );
        }
    }

    #[test]
    fn a_name_asked_often_is_refreshed_once_before_it_runs_out() {
        let store = store(CacheSettings::default());
        let question = question("a.example");
        let key = Key::new(&question, false, false, 0);
        store.insert(&key, reply(&question, 100, true), (), 0, 0);
        let refreshes = |now| store.get(&key, now).is_some_and(|found| found.refresh);
        assert!(!refreshes(91_000), "asked once");
        assert!(!refreshes(0) && !refreshes(0));
        assert!(!refreshes(89_000), "not yet the last tenth");
        assert!(refreshes(91_000));
        assert!(!refreshes(92_000), "said once");
    }

    #[test]
    fn a_new_judgement_of_an_old_entry_never_takes_the_place_of_a_newer_entry() {
        const ROUNDS: u64 = 20_000;
        let store = store(CacheSettings::default());
        let question = question("a.example");
        let key = Key::new(&question, false, false, 0);
        let upstream = reply(&question, 100, true);
        store.insert(&key, upstream.clone(), (), 0, 0);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    let found = store.get(&key, 0).expect("nothing takes it out");
                    store.rejudge(&key, &found.entry, (), 1);
                }
            });
            for round in 1..=ROUNDS {
                store.insert(&key, upstream.clone(), (), 0, round);
                // Long enough for a thread that found the entry before.
                (0..100).for_each(|_| std::hint::spin_loop());
                let stored = store.get(&key, round).map(|found| found.entry.stored);
                if stored != Some(round) {
                    done.store(true, Relaxed);
                }
                assert_eq!(stored, Some(round));
            }
            done.store(true, Relaxed);
        });
    }

    #[test]
    fn an_entry_is_judged_anew_in_its_place_and_one_that_is_gone_stays_gone() {
        let store = Store::new(&CacheSettings::default());
        let question = question("a.example");
        let key = Key::new(&question, false, false, 0);
        let old = store.insert(&key, reply(&question, 100, true), 1, 0, 7);
        store.rejudge(&key, &old, 2, 1_000);
        let found = store.get(&key, 7).unwrap().entry;
        assert_eq!((found.judged, found.stored, store.usage().0), (2, 7, 1));
        assert!(store.usage().1 >= 1_000, "its weight is counted anew");
        store.flush(None);
        store.rejudge(&key, &found, 3, 0);
        assert!(store.get(&key, 7).is_none() && store.usage() == (0, 0));
    }

    #[test]
    fn the_size_is_a_bound() {
        let size = 256 * 1024;
        let store = store(CacheSettings { size, ..CacheSettings::default() });
        for number in 0..20_000 {
            let question = question(&format!("n{number}.example"));
            store.insert(&Key::new(&question, false, false, 0), reply(&question, 100, true), (), 0, 0);
        }
        let (entries, octets) = store.usage();
        assert!(octets <= size && entries > 100, "{entries} entries, {octets} octets");
        assert_eq!(store.evictions() as usize, 20_000 - entries);
    }

    #[test]
    fn a_name_is_flushed_with_all_below_it_and_no_other() {
        let store = store(CacheSettings::default());
        let names = ["example", "a.example", "b.a.example", "xa.example", "a.example.org"];
        for name in names {
            let question = question(name);
            for dnssec in [true, false] {
                store.insert(&Key::new(&question, dnssec, false, 0), reply(&question, 9, true), (), 0, 0);
            }
        }
        let kept = || -> Vec<&str> {
            let found = |name: &&str| store.get(&Key::new(&question(name), true, false, 0), 0).is_some();
            names.into_iter().filter(found).collect()
        };
        assert_eq!(store.flush(Some(Name::from_text("A.example").unwrap().as_ref())), 4);
        assert_eq!(kept(), ["example", "xa.example", "a.example.org"]);
        assert_eq!(store.flush(None), 6);
        assert_eq!(kept(), [""; 0]);
    }
}
