//! A server to ask: what is known of its health, shared by all workers and kept over reloads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rand::Rng;

use super::edns::EdnsState;
use super::error::ExchangeError;
use super::loops::LoopState;
use super::settings::Endpoint;
use crate::count::{Blocks, Counter, Histogram, HistogramTotal, Writer};
use crate::dns::{Name, Question};

/// The first wait before a server that failed is probed, doubled with every failed probe.
const FIRST_PROBE: Duration = Duration::from_millis(250);
const LAST_PROBE: Duration = Duration::from_secs(30);
/// Doubtful replies in a row that settle that a server folds letter case.
const CASE_DOUBTS: u32 = 8;

/// A server with its health. Times are milliseconds on the caller's monotonic clock.
#[derive(Debug)]
pub struct ServerState {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Smoothed round-trip time in microseconds; 0 is not known.
    srtt: AtomicU32,
    /// Failed exchanges and probes since the last answer.
    failures: AtomicU32,
    /// When it last answered.
    answered_at: AtomicU64,
    /// When it may be probed again.
    probe_at: AtomicU64,
    /// It repeats the question in other letter case than it was asked in, as was seen over TCP.
    folds_case: AtomicBool,
    /// Replies in other letter case that could not be asked for over TCP, since the last one that kept it.
    case_doubts: AtomicU32,
    /// It did not answer a question, and is being probed.
    suspected: AtomicBool,
    pub(super) edns: EdnsState,
    counts: Blocks<ServerCounts>,
}

/// What one worker counts of a server; written by that worker only.
#[derive(Debug, Default)]
pub struct ServerCounts {
    queries: Counter,
    errors: [Counter; ExchangeError::LABELS.len()],
    took: Histogram,
}

/// What all workers counted of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerTotals {
    /// Queries it was asked; its part in one query of a client, however many datagrams that took.
    pub queries: u64,
    /// Queries it left without an answer of use, by [`ExchangeError::LABELS`].
    pub errors: [u64; ExchangeError::LABELS.len()],
    /// How long its answers took, with whatever was lost, asked again or truncated on the way.
    pub took: HistogramTotal,
}

impl ServerCounts {
    /// It was asked, and this came of it after `took`.
    pub fn note<T>(&self, outcome: &Result<T, ExchangeError>, took: Duration) {
        self.queries.add(1);
        match outcome {
            Ok(_) => self.took.note(took),
            Err(error) => {
                if let Some(counter) = self.errors.get(error.index()) {
                    counter.add(1);
                }
            }
        }
    }
}

impl ServerState {
    /// A server nothing is known of.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            srtt: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            answered_at: AtomicU64::new(0),
            probe_at: AtomicU64::new(0),
            folds_case: AtomicBool::new(false),
            case_doubts: AtomicU32::new(0),
            suspected: AtomicBool::new(false),
            edns: EdnsState::default(),
            counts: Blocks::default(),
        }
    }

    /// Where one worker counts what it asks this server, for as long as it has sockets to it.
    pub fn counts(&self) -> Writer<ServerCounts> {
        self.counts.writer()
    }

    /// What all workers counted so far.
    pub fn totals(&self) -> ServerTotals {
        let mut totals = ServerTotals::default();
        self.counts.for_each(|counts| {
            totals.queries += counts.queries.get();
            for (total, counter) in totals.errors.iter_mut().zip(&counts.errors) {
                *total += counter.get();
            }
            totals.took.add(&counts.took);
        });
        totals
    }

    /// It is not avoided.
    pub fn is_up(&self) -> bool {
        self.failures.load(Relaxed) == 0
    }

    /// Failed exchanges and probes since the last answer.
    pub fn failures(&self) -> u32 {
        self.failures.load(Relaxed)
    }

    /// Smoothed round-trip time, where one is known.
    pub fn round_trip(&self) -> Option<Duration> {
        match self.srtt.load(Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(u64::from(micros))),
        }
    }

    /// A reply over UDP came so long after the query it is to. The wait before a query is sent again is not part of it:
    /// or else each loss would make the next one cost more.
    pub fn note_round_trip(&self, took: Duration) {
        let sample = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
        let old = self.srtt.load(Relaxed);
        let smoothed = if old == 0 { sample } else { old - old / 8 + sample / 8 };
        self.srtt.store(smoothed.max(1), Relaxed);
    }

    /// It answered. Says if it had been avoided.
    pub fn answered(&self, now: u64) -> bool {
        self.answered_at.store(now, Relaxed);
        !self.is_up() && self.failures.swap(0, Relaxed) > 0
    }

    /// Whether it has answered another query since `asked_at`.
    pub fn has_answered_since(&self, asked_at: u64) -> bool {
        self.answered_at.load(Relaxed) > asked_at
    }

    /// It left a query of `asked_at` without an answer. Says if it is avoided from now on.
    ///
    /// A server that has answered another query since is alive: one name it cannot resolve must not take it away.
    pub fn failed(&self, now: u64, asked_at: u64) -> bool {
        if self.has_answered_since(asked_at) {
            return false;
        }
        let before = self.failures.fetch_add(1, Relaxed);
        let wait = FIRST_PROBE.saturating_mul(1 << before.min(10)).min(LAST_PROBE);
        self.probe_at.store(now + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), Relaxed);
        before == 0
    }

    /// Notes that it did not answer a query of `asked_at`. Until it is known whether it answers anything, other servers are
    /// asked first. Returns whether the caller has to probe it, and to call
    /// [`suspicion_is_over`](Self::suspicion_is_over) afterwards.
    ///
    /// Silence proves little: many routers drop questions of unknown types, and a name may take a resolver too long.
    pub fn suspect(&self, asked_at: u64) -> bool {
        !self.has_answered_since(asked_at) && self.is_up() && !self.suspected.swap(true, Relaxed)
    }

    /// Ends the suspicion; the outcome was noted with [`answered`](Self::answered) or [`failed`](Self::failed).
    pub fn suspicion_is_over(&self) {
        self.suspected.store(false, Relaxed);
    }

    /// Notes that there was no free socket for a probe: the next one is due soon.
    pub fn was_not_probed(&self, now: u64) {
        let wait = u64::try_from(FIRST_PROBE.as_millis()).unwrap_or(u64::MAX);
        self.probe_at.store(now.saturating_add(wait), Relaxed);
    }

    /// Whether it is tried before the other servers.
    fn is_preferred(&self) -> bool {
        self.is_up() && !self.suspected.load(Relaxed)
    }

    /// Takes the turn to probe an avoided server; `false` where it is not due or another has the turn.
    pub fn take_probe(&self, now: u64) -> bool {
        let due = self.probe_at.load(Relaxed);
        let next = now + u64::try_from(LAST_PROBE.as_millis()).unwrap_or(u64::MAX);
        !self.is_up() && due <= now && self.probe_at.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }

    /// The question in letter case drawn at random, against forged replies (draft-vixie-dnsext-dns0x20), where the server
    /// keeps letter case.
    pub fn write_case(&self, question: &Question) -> Question {
        if self.folds_case.load(Relaxed) {
            return *question;
        }
        let mut coins = [0; 32];
        rand::rng().fill(&mut coins);
        question.with_case(&coins)
    }

    /// A reply repeated the question's letter case.
    pub fn case_was_kept(&self) {
        if self.case_doubts.load(Relaxed) > 0 {
            self.case_doubts.store(0, Relaxed);
        }
    }

    /// A reply did not, and over TCP there was none. Says when that happened so often, with no other reply between, that
    /// forgery no longer explains it, and letter case is of no use with this server.
    pub fn doubt_case(&self) -> bool {
        self.case_doubts.fetch_add(1, Relaxed) + 1 >= CASE_DOUBTS && self.note_folded_case()
    }

    /// Over TCP, where nobody can forge, it did not repeat the question's letter case.
    pub fn note_folded_case(&self) -> bool {
        !self.folds_case.swap(true, Relaxed)
    }
}

/// The servers in use by endpoint, so that a reload finds their health again.
#[derive(Debug, Default)]
pub struct Servers {
    known: Mutex<HashMap<Endpoint, Weak<ServerState>>>,
}

impl Servers {
    /// The server at `endpoint`.
    pub fn get(&self, endpoint: Endpoint) -> Arc<ServerState> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, server| server.strong_count() > 0);
        if let Some(server) = known.get(&endpoint).and_then(Weak::upgrade) {
            return server;
        }
        let server = Arc::new(ServerState::new(endpoint));
        known.insert(endpoint, Arc::downgrade(&server));
        server
    }
}

/// Servers that are asked for the same names, in order of preference.
#[derive(Debug)]
pub struct ServerGroup {
    /// The servers.
    pub servers: Vec<Arc<ServerState>>,
    /// Whether each of them leads back here, in the same order.
    pub(super) loops: Vec<Arc<LoopState>>,
    /// How long each may take.
    pub timeout: Duration,
}

/// The servers of a group that one question has been put to.
#[derive(Debug, Default)]
pub struct Tried(Vec<usize>);

impl ServerGroup {
    /// The servers of the route with this domain, or of none.
    pub fn new(servers: Vec<Arc<ServerState>>, timeout: Duration, domain: Option<&Name>) -> Self {
        let loops = servers.iter().map(|_| Arc::new(LoopState::new(domain))).collect();
        Self { servers, loops, timeout }
    }

    /// The server to try first, with its number.
    pub fn first(&self) -> Option<(usize, &Arc<ServerState>)> {
        let mut servers = self.servers.iter().enumerate();
        servers.clone().find(|(_, server)| server.is_preferred()).or_else(|| servers.next())
    }

    /// The server of this number, which is being tried.
    pub fn take(&self, number: usize, tried: &mut Tried) -> Option<&Arc<ServerState>> {
        tried.0.push(number);
        self.servers.get(number)
    }

    /// The server to try next: the first that is up, then, since nothing else is left, the others; each once.
    pub fn next(&self, tried: &mut Tried) -> Option<&Arc<ServerState>> {
        let untried = || self.untried(tried);
        let (index, server) =
            untried().find(|(_, server)| server.is_preferred()).or_else(|| untried().next())?;
        tried.0.push(index);
        Some(server)
    }

    /// The next server among those that are up.
    pub fn next_up(&self, tried: &mut Tried) -> Option<&Arc<ServerState>> {
        let (index, server) = self.untried(tried).find(|(_, server)| server.is_preferred())?;
        tried.0.push(index);
        Some(server)
    }

    fn untried(&self, tried: &Tried) -> impl Iterator<Item = (usize, &Arc<ServerState>)> {
        self.servers.iter().enumerate().filter(|(index, _)| !tried.0.contains(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> ServerState {
        ServerState::new(Endpoint::Do53(([127, 0, 0, 1], 53).into()))
    }

    #[test]
    fn a_server_is_avoided_after_one_failure_and_back_after_one_answer() {
        let server = server();
        assert!(server.failed(2000, 0));
        assert!(!server.is_up());
        assert!(!server.failed(2100, 100), "it was avoided already");
        assert!(server.answered(3000));
        assert!(server.is_up());
    }

    #[test]
    fn a_server_that_answers_others_is_not_avoided_for_one_silence() {
        let server = server();
        server.answered(1500);
        assert!(!server.failed(3000, 1000));
        assert!(server.is_up());
    }

    #[test]
    fn only_one_task_at_a_time_probes_a_silent_server() {
        let server = server();
        assert!(server.suspect(1000));
        assert!(!server.suspect(1001), "it is being probed");
        assert!(server.is_up() && !server.is_preferred());
        server.suspicion_is_over();
        server.answered(2000);
        assert!(!server.suspect(1500), "it has answered since");
        assert!(server.suspect(2000));
        server.suspicion_is_over();
        server.failed(3000, 2000);
        assert!(!server.suspect(2500), "it is avoided");
    }

    #[test]
    fn a_probe_that_could_not_be_sent_is_due_again_soon() {
        let server = server();
        server.failed(1000, 0);
        assert!(server.take_probe(1250));
        server.was_not_probed(1300);
        assert!(!server.take_probe(1549));
        assert!(server.take_probe(1550));
    }

    #[test]
    fn a_probe_is_taken_once_and_later_each_time() {
        let server = server();
        server.failed(1000, 0);
        assert!(!server.take_probe(1249));
        assert!(server.take_probe(1250));
        assert!(!server.take_probe(1250), "taken");
        server.failed(1300, 1250);
        assert!(!server.take_probe(1799));
        assert!(server.take_probe(1800));
    }
}
