//! The recent blocks, and the names that are blocked most: what an operator looks at. Names come from attackers, so
//! neither takes more memory than it was given, whatever comes.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;
use jiff::Timestamp;
use tokio::sync::watch;

use super::ReportKey;
use crate::dns::{Name, NameRef, Question};
use crate::policy::{Category, Finding, Verdict};

/// Blocks that are kept.
const BLOCKS: usize = 1024;
/// Block answers of upstreams that are kept, apart from the others: a list of advertisers makes so many of them that no
/// attack would be seen among them.
const SINKHOLES: usize = 256;
/// Names that no server was asked for, kept apart for the same reason.
const NOT_PUBLIC: usize = 256;
/// Names that are counted for the top list.
const TOP_NAMES: usize = 256;
/// A block that comes again within this time is the same one.
const SAME: Duration = Duration::from_secs(60);

/// An answer that led inside, or a name that was not looked up.
#[derive(Debug, Clone)]
pub struct BlockEvent {
    /// Its number; later ones have greater ones.
    pub number: u64,
    /// When it was first seen.
    pub first: Timestamp,
    /// When it was last seen; within a minute of the first.
    pub last: Timestamp,
    /// How often it was seen.
    pub times: u64,
    /// Who asked.
    pub client: IpAddr,
    /// For what.
    pub question: Question,
    /// How many more things than the first led inside in the same answer.
    pub more: usize,
    verdict: Arc<Verdict>,
}

impl BlockEvent {
    /// What it amounted to; never [`Category::Clean`].
    pub fn category(&self) -> Category {
        self.verdict.category
    }

    /// What led inside; the first where there was more.
    pub fn finding(&self) -> Option<&Finding> {
        self.verdict.leading()
    }

    /// What would let it through; see [`Verdict::allow_line`].
    pub fn allow_line(&self) -> String {
        let finding = self.finding();
        finding.map(|finding| self.verdict.allow_line(finding, self.question.name())).unwrap_or_default()
    }

    /// What led inside, or the first of it where there was very much.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.verdict.reported()
    }
}

/// A name with how often it was blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopName {
    /// The name.
    pub name: Name,
    /// How often, at most.
    pub count: u64,
    /// By how much that may be too high: with more names than are counted, the rarest make room for new ones, which take
    /// their counts over.
    pub error: u64,
}

/// The recent blocks, shared by all workers.
#[derive(Debug)]
pub(super) struct Recent {
    state: Mutex<State>,
    hasher: RandomState,
    /// The number of the newest event.
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    blocks: Ring,
    sinkholes: Ring,
    not_public: Ring,
    top: Top,
    newest: u64,
    /// Reports so far, repeats included.
    reports: u64,
}

impl Default for Recent {
    fn default() -> Self {
        Self::new(BLOCKS, SINKHOLES, TOP_NAMES)
    }
}

impl Recent {
    fn new(blocks: usize, sinkholes: usize, top: usize) -> Self {
        let state = State {
            blocks: Ring::new(blocks),
            sinkholes: Ring::new(sinkholes),
            not_public: Ring::new(NOT_PUBLIC),
            top: Top::new(top),
            newest: 0,
            reports: 0,
        };
        Self { state: Mutex::new(state), hasher: RandomState::default(), newest: watch::Sender::new(0) }
    }

    /// Takes note of a report; equal ones within a minute are one event. One that repeats takes no allocation.
    pub(super) fn note(&self, report: &ReportKey, now: Instant, time: Timestamp) {
        let key = self.hasher.hash_one(report);
        let mut state = self.lock();
        let category = report.verdict.category;
        if category == Category::Blocked {
            state.top.note(report.question.name());
        }
        let number = state.newest + 1;
        state.reports += 1;
        let report_number = state.reports;
        let ring = match category {
            Category::Sinkhole => &mut state.sinkholes,
            Category::NotPublic => &mut state.not_public,
            Category::Clean | Category::Blocked | Category::Monitored => &mut state.blocks,
        };
        if ring.repeats(key, now, time, report_number) {
            return;
        }
        let more = report.verdict.reported().count().saturating_sub(1);
        let ReportKey { client, question, verdict } = report.to_kept();
        let event = BlockEvent { number, first: time, last: time, times: 1, client, question, more, verdict };
        ring.push(Kept { key, since: now, reported: report_number, event });
        state.newest = number;
        drop(state);
        self.newest.send_replace(number);
    }

    /// The events with a number above `after`, oldest first and at most `limit`, with or without those of upstreams.
    pub(super) fn after(&self, after: u64, sinkholes: bool, limit: usize) -> Vec<BlockEvent> {
        let state = self.lock();
        let others = sinkholes.then_some(&state.sinkholes);
        let rings = [&state.blocks, &state.not_public].into_iter().chain(others);
        let kept = rings.flat_map(|ring| &ring.kept);
        let mut events: Vec<&BlockEvent> =
            kept.map(|kept| &kept.event).filter(|event| event.number > after).collect();
        events.sort_by_key(|event| event.number);
        events.into_iter().take(limit).cloned().collect()
    }

    /// Of the events up to the number `until`, those that were repeated after the report `mark`, in the order of their last
    /// report and at most `limit`; and the mark to go on from.
    pub(super) fn repeated(
        &self,
        mark: u64,
        until: u64,
        sinkholes: bool,
        limit: usize,
    ) -> (Vec<BlockEvent>, u64) {
        let state = self.lock();
        let others = sinkholes.then_some(&state.sinkholes);
        let rings = [&state.blocks, &state.not_public].into_iter().chain(others);
        let kept = rings.flat_map(|ring| &ring.kept);
        let mut repeated: Vec<&Kept> = kept
            .filter(|kept| kept.reported > mark && kept.event.times > 1 && kept.event.number <= until)
            .collect();
        repeated.sort_by_key(|kept| kept.reported);
        repeated.truncate(limit);
        let mark = if repeated.len() < limit {
            state.reports
        } else {
            repeated.last().map_or(mark, |kept| kept.reported)
        };
        (repeated.into_iter().map(|kept| kept.event.clone()).collect(), mark)
    }

    /// The number of reports so far.
    pub(super) fn mark(&self) -> u64 {
        self.lock().reports
    }

    /// The names that were blocked most, at most `count`.
    pub(super) fn top(&self, count: usize) -> Vec<TopName> {
        let mut names = self.lock().top.names();
        names.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        names.truncate(count);
        names
    }

    /// Tells of new events by the number of the newest.
    pub(super) fn follow(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Kept {
    key: u64,
    since: Instant,
    /// The number of the last report of it.
    reported: u64,
    event: BlockEvent,
}

/// The last events, by the hash of their key; the hash is seeded, so that nobody can make two of them equal.
#[derive(Debug)]
struct Ring {
    kept: VecDeque<Kept>,
    /// How many have left at the front.
    gone: u64,
    /// Where the last event with a key is, counted from the first there ever was.
    places: HashMap<u64, u64, RandomState>,
    most: usize,
}

impl Ring {
    fn new(most: usize) -> Self {
        Self { kept: VecDeque::new(), gone: 0, places: HashMap::default(), most }
    }

    fn repeats(&mut self, key: u64, now: Instant, time: Timestamp, report: u64) -> bool {
        let place =
            self.places.get(&key).and_then(|place| usize::try_from(place.checked_sub(self.gone)?).ok());
        let Some(kept) = place.and_then(|place| self.kept.get_mut(place)) else { return false };
        if now.saturating_duration_since(kept.since) >= SAME {
            return false;
        }
        kept.event.times += 1;
        kept.event.last = time;
        kept.reported = report;
        true
    }

    fn push(&mut self, kept: Kept) {
        if self.kept.len() >= self.most
            && let Some(oldest) = self.kept.pop_front()
        {
            // Unless a later event with the same key has taken its place.
            if self.places.get(&oldest.key) == Some(&self.gone) {
                self.places.remove(&oldest.key);
            }
            self.gone += 1;
        }
        self.places.insert(kept.key, self.gone + self.kept.len() as u64);
        self.kept.push_back(kept);
    }
}

/// The most frequent of any number of names, by the space-saving algorithm of Metwally, Agrawal and El Abbadi (2005):
/// every name that is more than one in `most` of all is among them.
#[derive(Debug)]
struct Top {
    counts: HashMap<Name, (u64, u64), RandomState>,
    most: usize,
}

impl Top {
    fn new(most: usize) -> Self {
        Self { counts: HashMap::default(), most }
    }

    fn note(&mut self, name: NameRef<'_>) {
        if let Some((count, _)) = self.counts.get_mut(name.fold().as_ref().as_wire()) {
            *count += 1;
            return;
        }
        let mut error = 0;
        if self.counts.len() >= self.most {
            // The one that came with the greater error is the less certain.
            let rarest = self.counts.iter().min_by_key(|(_, (count, error))| (*count, Reverse(*error)));
            let Some((rarest, count)) = rarest.map(|(name, (count, _))| (name.clone(), *count)) else {
                return;
            };
            self.counts.remove(&rarest);
            error = count;
        }
        self.counts.insert(name.to_name(), (error + 1, error));
    }

    fn names(&self) -> Vec<TopName> {
        let row = |(name, (count, error)): (&Name, &(u64, u64))| TopName {
            name: name.clone(),
            count: *count,
            error: *error,
        };
        self.counts.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Carrier, RecordType};
    use crate::policy::{Action, Subject};

    fn note(recent: &Recent, name: &str, category: Category, now: Instant) {
        let finding = Finding {
            carrier: Carrier::Rdata(RecordType::A),
            subject: Subject::Port(22),
            action: Action::Removed,
        };
        let question = Question::new(Name::from_text(name).unwrap().as_ref(), RecordType::A);
        let verdict = Arc::new(Verdict { findings: vec![finding], category, ..Verdict::default() });
        let report = ReportKey { client: [127, 0, 0, 1].into(), question, verdict };
        recent.note(&report, now, Timestamp::UNIX_EPOCH);
    }

    fn names(events: &[BlockEvent]) -> Vec<(u64, String, u64)> {
        events.iter().map(|event| (event.number, event.question.name().to_string(), event.times)).collect()
    }

    #[test]
    fn what_repeats_within_a_minute_is_one_event() {
        let recent = Recent::default();
        let start = Instant::now();
        for (second, name) in
            [(0, "a.example"), (1, "b.example"), (59, "A.example"), (60, "a.example"), (61, "a.example")]
        {
            note(&recent, name, Category::Blocked, start + Duration::from_secs(second));
        }
        let row = |number, name: &str, times| (number, name.to_owned(), times);
        assert_eq!(
            names(&recent.after(0, false, usize::MAX)),
            [row(1, "a.example", 2), row(2, "b.example", 1), row(3, "a.example", 2)]
        );
        assert_eq!(names(&recent.after(2, false, usize::MAX)), [row(3, "a.example", 2)]);
        assert_eq!(names(&recent.after(0, false, 1)), [row(1, "a.example", 2)]);
    }

    #[test]
    fn repeats_are_told_once_to_whoever_has_seen_the_event() {
        let recent = Recent::default();
        let now = Instant::now();
        let note = |name: &str| note(&recent, name, Category::Blocked, now);
        ["a.example", "b.example", "a.example"].into_iter().for_each(note);
        let mark = recent.mark();
        assert_eq!(names(&recent.repeated(mark, 2, false, 9).0), [], "before the mark");
        ["b.example", "c.example", "a.example", "a.example", "c.example"].into_iter().for_each(note);
        let row = |number, name: &str, times| (number, name.to_owned(), times);
        let (first, mark) = recent.repeated(mark, 2, false, 1);
        assert_eq!(names(&first), [row(2, "b.example", 2)]);
        let (second, mark) = recent.repeated(mark, 2, false, 9);
        assert_eq!(names(&second), [row(1, "a.example", 4)], "c.example is not seen yet");
        assert_eq!(names(&recent.repeated(mark, 3, false, 9).0), []);
    }

    #[test]
    fn upstreams_block_answers_and_names_that_are_not_public_do_not_drown_the_attacks() {
        let recent = Recent::default();
        let now = Instant::now();
        note(&recent, "attack.example", Category::Blocked, now);
        for number in 0..5_000 {
            note(&recent, &format!("ad{number}.example"), Category::Sinkhole, now);
        }
        note(&recent, "monitored.example", Category::Monitored, now);
        for number in 0..5_000 {
            note(&recent, &format!("n{number}.lan"), Category::NotPublic, now);
        }
        assert_eq!(recent.after(0, false, usize::MAX).len(), 2 + NOT_PUBLIC);
        let all = recent.after(0, true, usize::MAX);
        assert_eq!(all.len(), 2 + SINKHOLES + NOT_PUBLIC);
        assert!(all.is_sorted_by_key(|event| event.number));
        assert_eq!(names(&recent.after(0, false, usize::MAX))[0].1, "attack.example");
        assert_eq!(recent.top(10).len(), 1, "only what was blocked here is in the top list");
    }

    #[test]
    fn a_flood_of_names_takes_no_more_room_and_the_newest_are_kept() {
        let recent = Recent::new(10, 10, 10);
        let now = Instant::now();
        for number in 0..1_000 {
            note(&recent, &format!("n{number}.example"), Category::Blocked, now);
            // Of each key only the last event counts as present.
            note(&recent, "often.example", Category::Blocked, now + Duration::from_secs(61 * number));
        }
        let state = recent.lock();
        assert_eq!((state.blocks.kept.len(), state.top.counts.len()), (10, 10));
        assert!(state.blocks.places.len() <= 10);
        drop(state);
        assert_eq!(
            recent.after(0, true, usize::MAX).last().unwrap().question.name().to_string(),
            "often.example"
        );
        let first = recent.top(1).remove(0);
        assert_eq!(first.name.to_string(), "often.example");
        assert!(first.count >= 1_000 && first.count - first.error <= 1_000, "{first:?}");
    }

    #[test]
    fn whoever_follows_is_told_of_each_new_event() {
        let recent = Recent::default();
        let mut newest = recent.follow();
        assert!(!newest.has_changed().unwrap());
        note(&recent, "a.example", Category::Blocked, Instant::now());
        assert!(newest.has_changed().unwrap());
        assert_eq!(*newest.borrow_and_update(), 1);
        note(&recent, "a.example", Category::Blocked, Instant::now());
        assert!(!newest.has_changed().unwrap(), "a repeat");
    }
}
