//! What is said about what happened: log lines, folded where they repeat, and counters.

mod fold;
mod history;
mod logging;
mod probes;
mod recent;
mod recorder;
mod settings;

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::count::Blocks;
use crate::dns::{Name, Question};
use crate::policy::{Category, Subject, Verdict};
use history::Chronicle;
use probes::Probes;
use recent::Recent;
use recorder::Counts;

pub use fold::{Fold, FoldDecision, Folded};
pub use history::{History, RefusedReload};
pub use logging::{LogError, LogHandle, Logging, MESSAGE_IDS};
pub use probes::{Probe, ProbeError};
pub use recent::{BlockEvent, TopName};
pub use recorder::{CATEGORIES, RCODES, RULES, Recorder, SOURCES, TRANSPORTS, Totals, Transport};
pub use settings::{Format, Level, LogSettings, QueryLog};

/// How long repeated reports are folded.
const FOLD_INTERVAL: Duration = Duration::from_secs(60);
/// Reports that are folded at a time.
const FOLD_KEYS: usize = 1024;

/// Counts, and reports what the guard did. Shared by all workers, each of which has a [`Recorder`].
#[derive(Debug)]
pub struct Telemetry {
    counts: Blocks<Counts>,
    fold: Fold<ReportKey>,
    recent: Recent,
    probes: Probes,
    chronicle: Chronicle,
    /// A [`QueryLog`]: read for each answer, written by a reload.
    query_log: AtomicU8,
}

/// Findings that are kept of one reply.
const KEPT_FINDINGS: usize = 8;

/// What makes two reports the same one to a reader: category, client, question, and what is reported first. Made without
/// an allocation, since a page that tries to rebind asks for what is cached.
#[derive(Debug)]
struct ReportKey {
    client: IpAddr,
    question: Question,
    verdict: Arc<Verdict>,
}

impl ReportKey {
    fn subject(&self) -> Option<&Subject> {
        self.verdict.leading().map(|finding| &finding.subject)
    }

    /// An equal one to be kept: a reply may hold thousands of findings, and whoever sent it is not to say how much is kept
    /// of them.
    fn to_kept(&self) -> Self {
        let verdict = Verdict {
            findings: self.verdict.reported().take(KEPT_FINDINGS).cloned().collect(),
            category: self.verdict.category,
            arguments: self.verdict.arguments.clone(),
        };
        Self { client: self.client, question: self.question, verdict: Arc::new(verdict) }
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
        (self.client, self.question.rtype.0, self.verdict.category).hash(state);
        for octet in self.question.name().as_wire() {
            state.write_u8(octet.to_ascii_lowercase());
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            counts: Blocks::default(),
            fold: Fold::new(FOLD_INTERVAL, FOLD_KEYS),
            recent: Recent::default(),
            probes: Probes::default(),
            chronicle: Chronicle::default(),
            query_log: AtomicU8::new(0),
        }
    }
}

impl Telemetry {
    /// What a worker counts with, on its own thread.
    pub fn worker(self: &Arc<Self>) -> Recorder {
        Recorder::new(self.counts.writer(), Arc::clone(self))
    }

    /// What all workers counted so far.
    pub fn totals(&self) -> Totals {
        Totals::of(&self.counts)
    }

    /// Logs each query from now on, or none.
    pub fn log_queries(&self, log: QueryLog) {
        self.query_log.store(log as u8, Ordering::Relaxed);
    }

    fn logs_queries(&self) -> QueryLog {
        match self.query_log.load(Ordering::Relaxed) {
            0 => QueryLog::Off,
            1 => QueryLog::WithoutNames,
            _ => QueryLog::WithNames,
        }
    }

    /// Another policy is in use.
    pub fn policy_replaced(&self) {
        self.chronicle.replaced();
    }

    /// A configuration was taken.
    pub fn reloaded(&self) {
        self.chronicle.reloaded();
    }

    /// A configuration was refused, for these reasons.
    pub fn reload_refused(&self, lines: Vec<String>) {
        self.chronicle.refused(lines);
    }

    /// Since when the daemon runs, and what became of reloads.
    pub fn history(&self) -> History {
        self.chronicle.history()
    }

    /// Announces names whose blocks are not reported, and says what became so far of each.
    ///
    /// # Errors
    /// They are not random, or too many.
    pub fn announce_probes(&self, names: &[Name]) -> Result<Vec<Probe>, ProbeError> {
        self.probes.announce(names, Instant::now())
    }

    /// The blocks with a number above `after` that are still kept, oldest first and at most `limit`. With `sinkholes`,
    /// those of upstreams too.
    pub fn blocks_after(&self, after: u64, sinkholes: bool, limit: usize) -> Vec<BlockEvent> {
        self.recent.after(after, sinkholes, limit)
    }

    /// The number of all reports so far, from which [`blocks_repeated`](Self::blocks_repeated) goes on.
    pub fn block_mark(&self) -> u64 {
        self.recent.mark()
    }

    /// Of the blocks up to the number `until`, those that were repeated after `mark`, at most `limit`; and the next mark.
    pub fn blocks_repeated(
        &self,
        mark: u64,
        until: u64,
        sinkholes: bool,
        limit: usize,
    ) -> (Vec<BlockEvent>, u64) {
        self.recent.repeated(mark, until, sinkholes, limit)
    }

    /// Tells of new blocks, by the number of the newest.
    pub fn follow_blocks(&self) -> watch::Receiver<u64> {
        self.recent.follow()
    }

    /// The names blocked most since the start, at most `count`.
    pub fn top_blocked(&self, count: usize) -> Vec<TopName> {
        self.recent.top(count)
    }

    fn report(&self, client: IpAddr, question: &Question, verdict: &Arc<Verdict>) {
        let Some(finding) = verdict.leading() else { return };
        let (key, now) =
            (ReportKey { client, question: *question, verdict: Arc::clone(verdict) }, Instant::now());
        self.recent.note(&key, now, Timestamp::now());
        if self.fold.note(&key, now, || key.to_kept()) != FoldDecision::First {
            return;
        }
        let (category, subject) = (verdict.category, &finding.subject);
        let (name, rtype) = (question.name().to_name(), question.rtype);
        let (rule, carrier) = (finding.subject.rule(), finding.carrier);
        let (address, range) = finding.subject.parts();
        let more = verdict.reported().count().saturating_sub(1);
        let allow = verdict.allow_line(finding, question.name());
        let category = category.label();
        match verdict.category {
            Category::Clean => {}
            Category::Blocked => tracing::warn!(
                name: "blocked",
                category, %client, %name, r#type = %rtype, address, range, rule, %carrier, more, allow, "blocked: {subject}"
            ),
            Category::Monitored => tracing::warn!(
                name: "monitored",
                category, %client, %name, r#type = %rtype, address, range, rule, %carrier, more, allow, "would be blocked: {subject}"
            ),
            Category::NotPublic => tracing::info!(
                name: "not-public",
                category, %client, %name, r#type = %rtype, rule, allow, "not looked up: {subject}"
            ),
            Category::Sinkhole => tracing::info!(
                name: "sinkhole",
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
                    tracing::warn!(name: "repeated", category, %client, question, more, seconds, "{more} more in {seconds} s: {subject}");
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
