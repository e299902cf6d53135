//! The way of a query, on one screen: [`Resolver::begin`] for what can be said at once, [`Resolver::finish`] for the rest.
//!
//! ```text
//! who asks ─ local names ─ route ─ cache ─ coalesce ─ upstream ─ guard ─ cache ─▶ Outcome
//! ```
//!
//! Every way out is a [`ClientResponse`]. Cached replies lie below the decision: each is judged by the generation the
//! query found, and the judgement is kept beside it only to be reused by that generation.

mod hosts;
mod inflight;
mod local;
mod settings;
mod snapshot;
mod special;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::time::timeout;

use crate::cache::{CacheSettings, Entry, Key, Store};
use crate::dns::{Class, Ede, EdeCode, LocalAnswer, NameRef, Query, Question, Rcode, RecordType};
use crate::policy::{Circumstances, ClientResponse, Judgement, Verdict, enforce};
use crate::upstream::{Ask, ExchangeError, Exchanger};
use inflight::{Duty, InFlight, Place};

pub use hosts::{Hosts, HostsError};
pub use settings::{LocalName, NamesSettings, Route};
pub use snapshot::{ChosenRoute, Current, Ingredients, Snapshot};

/// The TTL of a stale answer in seconds (RFC 8767 §4 recommends 30).
const STALE_TTL: u32 = 30;

/// How long a client waits for a fresh answer where there is a stale one: most give up after 5 s (RFC 8767 §5 recommends
/// 1.8 s).
const STALE_PATIENCE: Duration = Duration::from_millis(1800);

/// The moment of a query, on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Milliseconds since the resolver was made; goes only forward.
    pub millis: u64,
    /// Unix seconds; for `until`.
    pub unix: i64,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Made here: local and special names, refusals.
    Local,
    /// The cache.
    Cache,
    /// The cache, past its TTL.
    Stale,
    /// An upstream.
    Upstream,
    /// Nobody: it failed.
    Failure,
}

/// The answer to a query.
#[derive(Debug)]
pub struct Outcome {
    /// What to send.
    pub response: ClientResponse,
    /// Seconds by which its TTLs are to be lowered.
    pub age: u32,
    /// Where it came from.
    pub source: Source,
    /// What the guard said of it, if it was asked.
    pub verdict: Option<Arc<Verdict>>,
}

/// A query's first step.
#[derive(Debug)]
pub enum Step {
    /// Done.
    Done(Outcome),
    /// Done, and the upstream is to be asked again for whoever comes next.
    Refresh(Outcome, Box<Lookup>),
    /// An upstream has to be asked.
    Ask(Box<Lookup>),
}

/// A query that has to go to an upstream.
#[derive(Debug)]
pub struct Lookup {
    query: Query,
    client: IpAddr,
    snapshot: Current,
    route: usize,
    key: Key,
    stale: Option<Arc<Entry<Judged>>>,
}

impl Lookup {
    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Who asked it.
    pub fn client(&self) -> IpAddr {
        self.client
    }
}

/// A judgement with the generation it is of.
#[derive(Debug, Clone)]
pub struct Judged {
    generation: u64,
    judgement: Judgement,
}

type Answer = Result<Arc<Entry<Judged>>, ExchangeError>;

/// Resolves queries. Shared by all workers.
pub struct Resolver {
    snapshots: ArcSwap<Snapshot>,
    cache: Store<Judged>,
    in_flight: InFlight<Answer>,
    epoch: Instant,
}

impl Resolver {
    /// With an empty cache.
    pub fn new(snapshot: Snapshot, cache: &CacheSettings) -> Self {
        Self {
            snapshots: ArcSwap::from_pointee(snapshot),
            cache: Store::new(cache),
            in_flight: InFlight::new(),
            epoch: Instant::now(),
        }
    }

    /// The generation in use.
    pub fn snapshot(&self) -> Current {
        self.snapshots.load_full()
    }

    /// Puts another generation in use; queries under way keep theirs.
    pub fn replace(&self, snapshot: Snapshot) {
        self.snapshots.store(Arc::new(snapshot));
    }

    /// The zero of [`Now::millis`].
    pub fn epoch(&self) -> Instant {
        self.epoch
    }

    /// The number of entries in the cache and the octets they take.
    pub fn cache_usage(&self) -> (usize, u64) {
        self.cache.usage()
    }

    /// How many entries had to make room in the cache.
    pub fn cache_evictions(&self) -> u64 {
        self.cache.evictions()
    }

    /// Takes out of the cache what is kept for `name` and the names below it, or everything; returns how many entries.
    pub fn flush(&self, name: Option<NameRef<'_>>) -> usize {
        self.cache.flush(name)
    }

    /// This moment.
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now {
            millis: u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX),
            unix: i64::try_from(unix).unwrap_or(i64::MAX),
        }
    }

    /// What can be said at once: refusals, names answered here, cached replies.
    pub fn begin(self: &Arc<Self>, query: &Query, client: IpAddr, now: Now) -> Step {
        let snapshot = self.snapshots.load();
        let question = &query.question;
        if !snapshot.allows(client) {
            return Step::Done(refused(question, EdeCode::PROHIBITED, "this client is not in allow-clients"));
        }
        let name = question.name().fold();
        if let Some(answer) = answer_here(&snapshot, question, name.as_ref()) {
            return Step::Done(Outcome::local(answer));
        }
        let route = snapshot.select_route(name.as_ref());
        if route == 0
            && let Some(answer) = snapshot.special.answer(question)
        {
            return Step::Done(Outcome::local(answer));
        }
        let route_id = snapshot.route(route).map_or(0, |route| route.id);
        let asker = &query.asker;
        let key = Key::new(question, asker.dnssec_ok(), asker.checking_disabled, route_id);
        let lookup = |stale| {
            let snapshot = Arc::clone(&snapshot);
            Box::new(Lookup { query: *query, client, snapshot, route, key, stale })
        };
        match self.cache.get(&key, now.millis) {
            Some(found) if !found.stale => {
                let judgement = self.judge(&snapshot, route, query, client, now, &key, &found.entry);
                let outcome = Outcome::judged(judgement, found.age, Source::Cache);
                if found.refresh { Step::Refresh(outcome, lookup(None)) } else { Step::Done(outcome) }
            }
            _ if !asker.recursion_desired => Step::Done(refused(
                question,
                EdeCode::NOT_AUTHORITATIVE,
                "not asked for recursion, and not in the cache",
            )),
            found => Step::Ask(lookup(found.map(|found| found.entry))),
        }
    }

    /// Asks an upstream, or waits for whoever asks the same already.
    ///
    /// To be run as a task of its own: the first of those who ask the same does the asking for all, and has to go on
    /// whatever becomes of its client. Dropped all the same, it releases who waits.
    pub async fn finish(self: &Arc<Self>, exchanger: &Rc<Exchanger>, lookup: Lookup) -> Outcome {
        let answer = match self.in_flight.join(&lookup.key) {
            Place::First => {
                let duty = Duty::new(&self.in_flight, lookup.key);
                let ask = self.ask(exchanger, &lookup);
                let answer = match lookup.stale {
                    None => ask.await,
                    Some(_) => timeout(STALE_PATIENCE, ask).await.unwrap_or(Err(ExchangeError::Timeout)),
                };
                duty.fulfil(&answer);
                answer
            }
            Place::Behind(receiver) => receiver.await.unwrap_or(Err(ExchangeError::Overload)),
            Place::Full => Err(ExchangeError::Overload),
        };
        let judge = |entry: &Entry<Judged>| {
            let Lookup { query, client, snapshot, route, key, .. } = &lookup;
            self.judge(snapshot, *route, query, *client, self.now(), key, entry)
        };
        match (answer, &lookup.stale) {
            (Ok(entry), None) => Outcome::judged(judge(&entry), 0, Source::Upstream),
            (Ok(entry), Some(_)) if !is_failure(&entry) => {
                Outcome::judged(judge(&entry), 0, Source::Upstream)
            }
            (_, Some(entry)) => Outcome::stale(judge(entry)),
            (Err(error), None) => Outcome::failed(&lookup.query.question, &error),
        }
    }

    /// Asks the route's servers, and keeps what they say.
    async fn ask(&self, exchanger: &Rc<Exchanger>, lookup: &Lookup) -> Answer {
        let Lookup { query, client, snapshot, route, key, .. } = lookup;
        let chosen = snapshot.route(*route).ok_or(ExchangeError::NoServer)?;
        let (question, asker) = (&query.question, &query.asker);
        let ask = Ask { question, dnssec_ok: asker.dnssec_ok(), checking_disabled: asker.checking_disabled };
        let response = exchanger.exchange(&chosen.group, &ask).await?;
        let now = self.now();
        let circumstances =
            Circumstances { question, trust: chosen.trust.as_ref(), client: *client, now: now.unix };
        let judgement = enforce(&snapshot.policy, &circumstances, &response);
        let weight = judgement.extra_weight();
        let judged = Judged { generation: snapshot.generation, judgement };
        Ok(self.cache.insert(key, response, judged, weight, now.millis))
    }

    /// What `snapshot` makes of an entry for this client, now: its own earlier judgement where that still holds.
    #[expect(clippy::too_many_arguments, reason = "each is one circumstance of the decision")]
    fn judge(
        &self,
        snapshot: &Snapshot,
        route: usize,
        query: &Query,
        client: IpAddr,
        now: Now,
        key: &Key,
        entry: &Entry<Judged>,
    ) -> Judgement {
        let Judged { generation, judgement } = &entry.judged;
        let validity = judgement.validity;
        if *generation == snapshot.generation
            && validity.any_client
            && validity.until.is_none_or(|until| now.unix < until)
        {
            return judgement.clone();
        }
        let trust = snapshot.route(route).and_then(|route| route.trust.as_ref());
        let circumstances = Circumstances { question: &query.question, trust, client, now: now.unix };
        let judgement = enforce(&snapshot.policy, &circumstances, &entry.upstream);
        if judgement.validity.any_client {
            let judged = Judged { generation: snapshot.generation, judgement: judgement.clone() };
            self.cache.rejudge(key, entry, judged, judgement.extra_weight());
        }
        judgement
    }
}

/// Answers that need no upstream and that no route changes.
fn answer_here(snapshot: &Snapshot, question: &Question, name: NameRef<'_>) -> Option<LocalAnswer> {
    match question.class {
        Class::IN if question.rtype == RecordType::ANY => Some(LocalAnswer::any(question)),
        Class::IN => snapshot.special.loopback(question).or_else(|| snapshot.local.answer(question, name)),
        Class::CH => Some(chaos(question)),
        _ => Some(LocalAnswer::empty(Rcode::REFUSED, question)),
    }
}

/// Class CHAOS is about the server itself (RFC 4892).
fn chaos(question: &Question) -> LocalAnswer {
    let name = question.name().to_name().to_string();
    match name.as_str() {
        "version.bind" | "version.server" if question.rtype == RecordType::TXT => {
            LocalAnswer::text(question, concat!("stubborn ", env!("CARGO_PKG_VERSION")))
        }
        _ => LocalAnswer::empty(Rcode::REFUSED, question),
    }
}

fn refused(question: &Question, code: EdeCode, why: &str) -> Outcome {
    Outcome::local(LocalAnswer::empty(Rcode::REFUSED, question).with_error(Ede::new(code, why)))
}

fn is_failure(entry: &Entry<Judged>) -> bool {
    !matches!(entry.upstream.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN)
}

impl Outcome {
    fn local(answer: LocalAnswer) -> Self {
        Self { response: answer.into(), age: 0, source: Source::Local, verdict: None }
    }

    fn judged(judgement: Judgement, age: u32, source: Source) -> Self {
        // A reply made here in an upstream's place has a TTL of its own.
        let age = if judgement.is_ours { 0 } else { age };
        Self { response: judgement.response, age, source, verdict: judgement.verdict }
    }

    /// An answer past its TTL, since no better one could be had.
    fn stale(judgement: Judgement) -> Self {
        let response = judgement.response.with_ttl(STALE_TTL).with_error(Ede::new(EdeCode::STALE_ANSWER, ""));
        Self { response, age: 0, source: Source::Stale, verdict: judgement.verdict }
    }

    /// A failure for want of room.
    pub(crate) fn overloaded(question: &Question) -> Self {
        Self::failed(question, &ExchangeError::Overload)
    }

    fn failed(question: &Question, error: &ExchangeError) -> Self {
        let answer = LocalAnswer::empty(Rcode::SERVFAIL, question)
            .with_error(Ede::new(error.ede(), error.to_string()));
        Self { response: answer.into(), age: 0, source: Source::Failure, verdict: None }
    }
}
