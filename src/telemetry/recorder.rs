//! What one worker counts, and the sum over all.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use super::{QueryLog, Telemetry};
use crate::count::{Counter, Writer};
use crate::dns::{Query, Rcode};
use crate::policy::{Category, Verdict, range_names};
use crate::resolve::{Outcome, Source};

/// Transports of clients, in the order of their counters.
pub const TRANSPORTS: [Transport; 2] = [Transport::Udp, Transport::Tcp];
/// Sources of answers, in the order of their counters.
pub const SOURCES: [Source; 5] =
    [Source::Local, Source::Cache, Source::Stale, Source::Upstream, Source::Failure];
/// The words for the response codes that are counted by themselves, by their number; then that for all others.
pub const RCODES: [&str; 7] = ["noerror", "formerr", "servfail", "nxdomain", "notimp", "refused", "other"];
/// What a guarded answer may amount to besides [`Category::Clean`] and [`Category::NotPublic`], in the order of the counters.
pub const CATEGORIES: [Category; 3] = [Category::Blocked, Category::Sinkhole, Category::Monitored];

/// Rules that are not rows of the range table.
const OTHER_RULES: [&str; 11] = [
    "own-address",
    "blocked-by-configuration",
    "alias-special-use",
    "alias-single-label",
    "alias-numeric",
    "alias-not-a-host",
    "alias-to-exempt",
    "alias-into-zone",
    "alias-above-inside",
    "service-port",
    "other",
];
/// Room for the rules.
const MAX_RULES: usize = 96;

/// The names of all rules an answer may meet; the last is for those not listed. Nothing from outside is among them.
pub static RULES: LazyLock<Vec<&'static str>> = LazyLock::new(|| range_names().chain(OTHER_RULES).collect());

/// How a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// On a connection.
    Tcp,
}

impl Transport {
    /// The word for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// The counters of one worker.
#[derive(Debug)]
pub(super) struct Counts {
    queries: [Counter; TRANSPORTS.len()],
    answers: [Counter; SOURCES.len()],
    rcodes: [Counter; RCODES.len()],
    malformed: Counter,
    shed: Counter,
    rules: [[Counter; CATEGORIES.len()]; MAX_RULES],
    not_public: Counter,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            queries: Default::default(),
            answers: Default::default(),
            rcodes: Default::default(),
            malformed: Counter::default(),
            shed: Counter::default(),
            rules: std::array::from_fn(|_| Default::default()),
            not_public: Counter::default(),
        }
    }
}

/// Counts for one worker, and reports for all; made by [`Telemetry::worker`].
///
/// Counting takes no lock, no formatting and no allocation, and neither does [`Recorder::answered`] for an answer in which
/// nothing leads inside.
#[derive(Debug)]
pub struct Recorder {
    counts: Writer<Counts>,
    shared: Arc<Telemetry>,
}

impl Recorder {
    pub(super) fn new(counts: Writer<Counts>, shared: Arc<Telemetry>) -> Self {
        Self { counts, shared }
    }

    /// A query came.
    #[inline]
    pub fn received(&self, transport: Transport) {
        add(&self.counts.queries, transport as usize);
    }

    /// A query was answered.
    pub fn answered(&self, client: IpAddr, query: &Query, outcome: &Outcome) {
        self.count(outcome.source, outcome.response().rcode());
        tracing::debug!(
            %client,
            question = %query.question,
            rcode = %outcome.response().rcode(),
            source = outcome.source.label(),
            why = why_here(outcome),
            "answered"
        );
        match self.shared.logs_queries() {
            QueryLog::Off => {}
            log => log_query(client, query, outcome, log == QueryLog::WithNames),
        }
        let verdict = outcome.verdict();
        if self.shared.probes.note(query.question.name(), verdict.map(|verdict| verdict.category)) {
            return;
        }
        if let Some(verdict) = verdict.filter(|verdict| verdict.category != Category::Clean) {
            self.count_verdict(verdict);
            self.shared.report(client, &query.question, verdict);
        }
    }

    /// An answer from `source` with `rcode` was given: the part of [`Recorder::answered`] that costs two stores.
    #[inline]
    pub fn count(&self, source: Source, rcode: Rcode) {
        add(&self.counts.answers, source.index());
        add(&self.counts.rcodes, usize::from(rcode.0).min(RCODES.len() - 1));
    }

    /// A message was not a query worth an answer of its own.
    pub fn refused(&self) {
        self.counts.malformed.add(1);
    }

    /// A query was dropped for want of room.
    pub fn shed(&self) {
        self.counts.shed.add(1);
    }

    fn count_verdict(&self, verdict: &Verdict) {
        if verdict.category == Category::NotPublic {
            self.counts.not_public.add(1);
        }
        let Some(category) = CATEGORIES.iter().position(|category| *category == verdict.category) else {
            return;
        };
        let rule = verdict.leading().map_or("other", |finding| finding.subject.rule());
        let last = RULES.len().saturating_sub(1);
        let index = RULES.iter().position(|known| *known == rule).unwrap_or(last);
        if let Some(rule) = self.counts.rules.get(index) {
            add(rule, category);
        }
    }
}

/// Why this answer was made here although the upstream might know the name.
fn why_here(outcome: &Outcome) -> Option<&str> {
    let error = outcome.response().errors().first();
    error.filter(|_| outcome.source == Source::Local).map(|error| &*error.text)
}

fn log_query(client: IpAddr, query: &Query, outcome: &Outcome, with_name: bool) {
    let (rtype, rcode, source) = (query.question.rtype, outcome.response().rcode(), outcome.source.label());
    let verdict = outcome.verdict().map_or(Category::Clean, |verdict| verdict.category).label();
    let name = with_name.then(|| tracing::field::display(query.question.name()));
    tracing::info!(name: "query", %client, name, r#type = %rtype, %rcode, source, verdict, "query");
}

#[inline]
fn add(counters: &[Counter], index: usize) {
    if let Some(counter) = counters.get(index) {
        counter.add(1);
    }
}

/// What all workers counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Queries, by [`TRANSPORTS`].
    pub queries: [u64; TRANSPORTS.len()],
    /// Answers, by [`SOURCES`].
    pub answers: [u64; SOURCES.len()],
    /// Answers, by [`RCODES`].
    pub rcodes: [u64; RCODES.len()],
    /// Messages that were not a query worth an answer of its own.
    pub malformed: u64,
    /// Queries dropped for want of room.
    pub shed: u64,
    /// Guarded answers: the rule that decided, and how often, by [`CATEGORIES`]. As long as [`RULES`].
    pub rules: Vec<(&'static str, [u64; CATEGORIES.len()])>,
    /// Names that no server was asked for, and that somebody may miss.
    pub not_public: u64,
}

impl Totals {
    pub(super) fn of(counts: &crate::count::Blocks<Counts>) -> Self {
        let mut totals = Self {
            queries: Default::default(),
            answers: Default::default(),
            rcodes: Default::default(),
            malformed: 0,
            shed: 0,
            rules: RULES.iter().map(|rule| (*rule, Default::default())).collect(),
            not_public: 0,
        };
        counts.for_each(|counts| totals.add(counts));
        totals
    }

    fn add(&mut self, counts: &Counts) {
        sum(&mut self.queries, &counts.queries);
        sum(&mut self.answers, &counts.answers);
        sum(&mut self.rcodes, &counts.rcodes);
        self.malformed += counts.malformed.get();
        self.shed += counts.shed.get();
        self.not_public += counts.not_public.get();
        for ((_, totals), counters) in self.rules.iter_mut().zip(&counts.rules) {
            sum(totals, counters);
        }
    }

    /// Answers from the cache, stale ones aside.
    pub fn cache_hits(&self) -> u64 {
        self.answers.get(Source::Cache.index()).copied().unwrap_or(0)
    }

    /// Queries for which an upstream had to be asked, or should have been.
    pub fn cache_misses(&self) -> u64 {
        let asked = [Source::Stale, Source::Upstream, Source::Failure];
        let asked = asked.iter().filter_map(|source| self.answers.get(source.index()));
        asked.sum::<u64>() + self.shed
    }

    /// How many answers amounted to the category with this place in [`CATEGORIES`].
    pub fn of_category(&self, category: Category) -> u64 {
        let index = CATEGORIES.iter().position(|known| *known == category);
        let count = |counts: &[u64; CATEGORIES.len()]| index.and_then(|index| counts.get(index)).copied();
        self.rules.iter().filter_map(|(_, counts)| count(counts)).sum()
    }
}

fn sum(totals: &mut [u64], counters: &[Counter]) {
    for (total, counter) in totals.iter_mut().zip(counters) {
        *total = total.wrapping_add(counter.get());
    }
}

impl Source {
    /// The word for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Cache => "cache",
            Self::Stale => "stale",
            Self::Upstream => "upstream",
            Self::Failure => "failure",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Local => 0,
            Self::Cache => 1,
            Self::Stale => 2,
            Self::Upstream => 3,
            Self::Failure => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::SPECIAL_RANGES;

    #[test]
    fn every_rule_has_a_counter_and_one_name() {
        assert!(RULES.len() <= MAX_RULES, "{}", RULES.len());
        assert_eq!(RULES.last(), Some(&"other"));
        for range in SPECIAL_RANGES {
            let blocked = crate::policy::range_named(range.name).is_some();
            assert_eq!(blocked, RULES.contains(&range.name), "{}", range.name);
        }
        for (index, rule) in RULES.iter().enumerate() {
            assert_eq!(RULES.iter().position(|other| other == rule), Some(index), "{rule} is listed twice");
        }
    }

    #[test]
    fn what_workers_count_adds_up() {
        let telemetry = Arc::new(Telemetry::default());
        let (first, second) = (telemetry.worker(), telemetry.worker());
        first.received(Transport::Udp);
        second.received(Transport::Udp);
        second.received(Transport::Tcp);
        for (source, rcode) in [
            (Source::Cache, Rcode::NOERROR),
            (Source::Cache, Rcode::NXDOMAIN),
            (Source::Local, Rcode::REFUSED),
            (Source::Failure, Rcode::SERVFAIL),
            (Source::Upstream, Rcode(9)),
            (Source::Upstream, Rcode::BADVERS),
        ] {
            first.count(source, rcode);
        }
        first.refused();
        second.shed();
        let totals = telemetry.totals();
        assert_eq!(totals.queries, [2, 1]);
        assert_eq!(totals.answers, [1, 2, 0, 2, 1]);
        assert_eq!(totals.rcodes, [1, 0, 1, 1, 0, 1, 2]);
        assert_eq!((totals.malformed, totals.shed), (1, 1));
        assert_eq!(totals.of_category(Category::Blocked), 0);
    }
}
