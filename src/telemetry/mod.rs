//! What is said about what happened: log lines, folded where they repeat, and counters.

mod fold;
mod logging;
mod settings;

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::dns::{Query, Question};
use crate::policy::{Category, Subject, Verdict};
use crate::resolve::{Outcome, Source};

pub use fold::{Fold, FoldDecision, Folded};
pub use logging::{LogError, LogHandle, Logging};
pub use settings::{Format, Level, LogSettings};

/// How long repeated reports are folded.
const FOLD_INTERVAL: Duration = Duration::from_secs(60);
/// Reports that are folded at a time.
const FOLD_KEYS: usize = 1024;

/// What happened so far.
#[derive(Debug, Default)]
pub struct Counters {
    answered: [AtomicU64; 5],
    blocked: AtomicU64,
    sinkhole: AtomicU64,
    monitored: AtomicU64,
    refused: AtomicU64,
    shed: AtomicU64,
}

/// Counts, and reports what the guard did.
pub struct Telemetry {
    /// The counts.
    pub counters: Counters,
    fold: Fold<ReportKey>,
}

/// What makes two reports the same one to a reader: category, client, question, and what is reported first. Made without
/// an allocation, since a page that tries to rebind asks for what is cached.
#[derive(Debug, Clone)]
struct ReportKey {
    client: IpAddr,
    question: Question,
    verdict: Arc<Verdict>,
}

impl ReportKey {
    fn subject(&self) -> Option<&Subject> {
        self.verdict.leading().map(|finding| &finding.subject)
    }
}

impl PartialEq for ReportKey {
    fn eq(&self, other: &Self) -> bool {
        self.client == other.client
            && self.question.rtype == other.question.rtype
            && self.question.name().same(other.question.name())
            && self.verdict.category == other.verdict.category
            && self.subject() == other.subject()
    }
}

impl Eq for ReportKey {}

impl Hash for ReportKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Subjects differ only where the upstream changes its mind.
        (self.client, self.question.rtype.0).hash(state);
        for octet in self.question.name().as_wire() {
            state.write_u8(octet.to_ascii_lowercase());
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { counters: Counters::default(), fold: Fold::new(FOLD_INTERVAL, FOLD_KEYS) }
    }
}

impl Telemetry {
    /// A query was answered.
    pub fn answered(&self, client: IpAddr, query: &Query, outcome: &Outcome) {
        if let Some(count) = self.counters.answered.get(outcome.source.index()) {
            count.fetch_add(1, Relaxed);
        }
        tracing::debug!(%client, question = %query.question, rcode = %outcome.response.rcode(), source = outcome.source.label(), "answered");
        if let Some(verdict) = outcome.verdict.as_ref().filter(|verdict| verdict.category != Category::Clean)
        {
            self.report(client, &query.question, verdict);
        }
    }

    /// A message was not a query worth an answer of its own.
    pub fn refused(&self) {
        self.counters.refused.fetch_add(1, Relaxed);
    }

    /// A query was dropped for want of room.
    pub fn shed(&self) {
        self.counters.shed.fetch_add(1, Relaxed);
    }

    fn report(&self, client: IpAddr, question: &Question, verdict: &Arc<Verdict>) {
        let count = match verdict.category {
            Category::Clean => return,
            Category::Blocked => &self.counters.blocked,
            Category::Sinkhole => &self.counters.sinkhole,
            Category::Monitored => &self.counters.monitored,
        };
        count.fetch_add(1, Relaxed);
        let Some(finding) = verdict.leading() else { return };
        let key = ReportKey { client, question: *question, verdict: Arc::clone(verdict) };
        if self.fold.note(&key, Instant::now()) != FoldDecision::First {
            return;
        }
        let (category, subject) = (verdict.category, &finding.subject);
        let name = question.name().to_name();
        let (rtype, rule, carrier) = (question.rtype, finding.subject.rule(), finding.carrier);
        let (address, range) = finding.subject.parts();
        let more = verdict.reported().count().saturating_sub(1);
        let allow = finding.subject.allow_line(question.name());
        let category = category.label();
        match verdict.category {
            Category::Clean => {}
            Category::Blocked => tracing::warn!(
                category, %client, %name, r#type = %rtype, address, range, rule, %carrier, more, allow, "blocked: {subject}"
            ),
            Category::Monitored => tracing::warn!(
                category, %client, %name, r#type = %rtype, address, range, rule, %carrier, more, allow, "would be blocked: {subject}"
            ),
            Category::Sinkhole => tracing::info!(
                category, %client, %name, r#type = %rtype, address, range, rule, %carrier, "blocked by the upstream: {subject}"
            ),
        }
    }

    /// Writes what was folded in intervals that are over; to be called every second or so.
    pub fn write_folded(&self, now: Instant) {
        self.write(self.fold.due(now));
    }

    /// Writes all that was folded.
    pub fn finish(&self, now: Instant) {
        self.write(self.fold.finish(now));
    }

    fn write(&self, folded: Vec<Folded<ReportKey>>) {
        for entry in folded {
            match entry {
                Folded::Repeats { key, more, within } => {
                    let Some(subject) = key.subject() else { continue };
                    let (category, seconds) = (key.verdict.category.label(), within.as_secs());
                    let (client, question) = (key.client, key.question.to_string());
                    tracing::warn!(category, %client, question, more, seconds, "{more} more in {seconds} s: {subject}");
                }
                Folded::Overflow { events, within } => {
                    let seconds = within.as_secs();
                    tracing::warn!(
                        events,
                        seconds,
                        "{events} more reports of other names in {seconds} s, not written"
                    );
                }
            }
        }
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
