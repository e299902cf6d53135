//! The way of a query, on one screen: [`Resolver::begin`] for what can be said at once, [`Resolver::finish`] for the rest.
//!
//! ```text
//! who asks ─ local names ─ route ─ cache ─ coalesce ─ upstream ─ guard ─ cache ─▶ Outcome
//! ```
//!
//! Every way out is a [`ClientResponse`](crate::policy::ClientResponse). Cached replies lie below the decision: each is judged by the generation the
//! query found, and the judgement is kept beside it only to be reused by that generation.

mod asking;
mod clock;
mod home;
mod hosts;
mod inflight;
mod local;
mod lookup;
mod outcome;
mod searched;
mod settings;
mod snapshot;
mod special;
mod witness;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::time::timeout;

use crate::cache::{CacheSettings, Entry, Failures, Found, Store};
use crate::dns::{Class, EdeCode, LocalAnswer, NameRef, Query, Rcode, RecordType, UpstreamResponse};
use crate::policy::{Judgement, enforce};
use crate::upstream::{ExchangeError, Exchanger};
use asking::Asking;
use clock::Clock;
use inflight::{Duty, InFlight, Place};
use local::Said;
use lookup::key_of;
use special::not_looked_up;
use witness::Witness;

pub use home::home_routes;
pub use hosts::{Hosts, HostsError, HostsFault, LARGEST_HOSTS_FILE};
pub use lookup::Lookup;
pub use outcome::{Outcome, Source};
pub use searched::is_made_by_search;
pub use settings::{HostName, LocalName, NamesSettings, NetworkSettings, Route, Types};
pub use snapshot::{ChosenRoute, Current, Ingredients, Snapshot};
pub use witness::may_be_watched;

/// How long a client waits for a fresh answer where there is a stale one: most give up after 5 s (RFC 8767 §5 recommends
/// 1.8 s).
const STALE_PATIENCE: Duration = Duration::from_millis(1800);

/// The moment of a query, on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Milliseconds since the resolver was made, those that the machine slept among them.
    pub millis: u64,
    /// Unix seconds, for `until`. They never go back, even where the system's clock does.
    pub unix: i64,
}

/// What queries read at one time have in common.
#[derive(Debug)]
pub struct Turn {
    /// The generation that answers them.
    pub snapshot: Current,
    /// When they were read.
    pub now: Now,
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

/// A judgement with the generation it is of.
#[derive(Debug, Clone)]
pub struct Judged {
    generation: u64,
    judgement: Judgement,
}

impl Judged {
    /// What was judged would be judged the same by `snapshot` for anybody now.
    fn holds(&self, snapshot: &Snapshot, now: &Now) -> bool {
        let validity = &self.judgement.validity;
        self.generation == snapshot.generation
            && validity.any_client
            && validity.until.is_none_or(|until| now.unix < until)
    }
}

type Answer = Result<Arc<Entry<Judged>>, ExchangeError>;

/// Resolves queries. Shared by all workers.
pub struct Resolver {
    snapshots: ArcSwap<Snapshot>,
    cache: Store<Judged>,
    failures: Failures<Answer>,
    in_flight: Arc<InFlight<Answer>>,
    witness: Witness,
    epoch: Instant,
    clock: Clock,
}

impl Resolver {
    /// With an empty cache.
    pub fn new(snapshot: Snapshot, cache: &CacheSettings) -> Self {
        Self {
            snapshots: ArcSwap::from_pointee(snapshot),
            cache: Store::new(cache),
            failures: Failures::default(),
            in_flight: Arc::default(),
            witness: Witness::default(),
            epoch: Instant::now(),
            clock: Clock::new(),
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

    /// The zero of the clock that exchangers share.
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
        self.failures.flush(name);
        self.cache.flush(name)
    }

    /// Watches a name for a minute, and says how often clients have asked for it since it was first named here. See
    /// [`may_be_watched`].
    pub fn watch(&self, name: NameRef<'_>) -> u64 {
        self.witness.watch(name, self.now().millis)
    }

    /// This moment.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// How far the system's clock is behind [`Now::unix`], since somebody set it back.
    pub fn clock_behind(&self) -> Duration {
        self.clock.behind()
    }

    /// What queries read now have in common.
    pub fn turn(&self) -> Turn {
        Turn { snapshot: self.snapshot(), now: self.now() }
    }

    /// What can be said at once: refusals, names answered here, cached replies.
    pub fn begin(self: &Arc<Self>, turn: &Turn, query: &Query, client: IpAddr) -> Step {
        let Turn { snapshot, now } = turn;
        let question = &query.question;
        if !snapshot.allows(client) {
            return Step::Done(Outcome::refused(
                question,
                EdeCode::PROHIBITED,
                "this client is not in allow-clients",
            ));
        }
        if question.class != Class::IN || question.rtype == RecordType::ANY {
            return Step::Done(Outcome::local(not_looked_up(question)));
        }
        let default_route = key_of(query, snapshot, 0);
        match self.cache.get(&default_route, now.millis) {
            // What this generation judged on the default route, it had found to be neither local nor of another route.
            Some(found) if !found.stale && found.entry.judged.holds(snapshot, now) => {
                let refresh = found.refresh;
                let outcome = Outcome::kept(found, now);
                match refresh {
                    false => Step::Done(outcome),
                    true => Step::Refresh(outcome, Box::new(lookup_again(turn, query, client))),
                }
            }
            found => self.begin_anew(turn, query, client, found),
        }
    }

    /// The same for what this generation has not judged yet.
    fn begin_anew(
        self: &Arc<Self>,
        turn: &Turn,
        query: &Query,
        client: IpAddr,
        on_default_route: Option<Found<Judged>>,
    ) -> Step {
        let Turn { snapshot, now } = turn;
        let question = &query.question;
        if let Some(answer) = self.witness.answer(question, now.millis) {
            return Step::Done(Outcome::local(answer));
        }
        if let Some(answer) = snapshot.own_question(question) {
            return Step::Done(Outcome::local(answer));
        }
        let name = question.name().fold();
        let said = match snapshot.special.loopback(question) {
            Some(answer) => Said::Answer(answer),
            None => snapshot.local.find(question, name.as_ref()),
        };
        let is_local = match said {
            Said::Answer(answer) => return Step::Done(Outcome::local(answer)),
            Said::OtherType => true,
            Said::Nothing => false,
        };
        let mut lookup = Lookup::new(turn, query, client, is_local);
        if let Some(answer) = snapshot.not_asked(question, name.as_ref(), lookup.route) {
            return Step::Done(match is_local {
                true => Outcome::local(LocalAnswer::nodata(question)),
                false => Outcome::denied(answer, snapshot.refusal(question, lookup.route)),
            });
        }
        let found = match lookup.route {
            0 => on_default_route,
            _ => self.cache.get(&lookup.key, now.millis),
        };
        match found {
            Some(found) if !found.stale => {
                let judgement = self.judge(&lookup, *now, &found.entry);
                let outcome = Outcome::judged(judgement, found.age, Source::Cache, *now);
                match found.refresh {
                    false => Step::Done(outcome),
                    true => Step::Refresh(outcome, Box::new(lookup)),
                }
            }
            _ if !query.asker.recursion_desired => Step::Done(Outcome::refused(
                question,
                EdeCode::NOT_AUTHORITATIVE,
                "not asked for recursion, and not in the cache",
            )),
            found => {
                lookup.stale = found.map(|found| found.entry);
                if let Some(failure) = self.failures.get(&lookup.key, now.millis) {
                    return Step::Done(self.conclude(&lookup, failure, Source::Cache, *now));
                }
                match &lookup.stale {
                    // Asked they are all the same, and as soon as one answers, clients wait for fresh answers again.
                    Some(entry) if lookup.all_servers_failed() => {
                        let outcome = Outcome::stale(self.judge(&lookup, *now, entry), *now);
                        Step::Refresh(outcome, Box::new(lookup))
                    }
                    _ => Step::Ask(Box::new(lookup)),
                }
            }
        }
    }

    /// Asks an upstream, or waits for whoever asks the same already, and calls `then` with the outcome.
    ///
    /// The first of those who ask the same does the asking for all, and goes on whatever becomes of its client. Where there is a
    /// stale answer to fall back on, [`refresh`](Self::refresh) has to be called before: that client waits for a short time, and
    /// the asking goes on without it. Has to be called within the worker's tasks.
    pub fn finish_then(
        self: &Arc<Self>,
        exchanger: &Rc<Exchanger>,
        lookup: Box<Lookup>,
        then: impl FnOnce(&Lookup, Outcome) + 'static,
    ) {
        let place = match self.in_flight.join(&lookup.key) {
            Place::First(duty) if lookup.stale.is_none() => {
                return self.ask_then(exchanger, lookup, duty, then);
            }
            // Nobody asks for who has a stale answer, for want of room.
            Place::First(_) => Place::Full,
            behind_or_full => behind_or_full,
        };
        let asking = Asking::new(Arc::clone(self), lookup, then);
        let exchanger = Rc::clone(exchanger);
        tokio::task::spawn_local(async move {
            let outcome = asking.resolver.finish_at(place, &exchanger, &asking.lookup).await;
            asking.finish(outcome);
        });
    }

    /// Asks an upstream for whoever comes next, where nobody does so already, and calls `then` when that is done.
    ///
    /// Has to be called within the worker's tasks.
    pub fn refresh(
        self: &Arc<Self>,
        exchanger: &Rc<Exchanger>,
        lookup: &Lookup,
        then: impl FnOnce() + 'static,
    ) {
        if let Some(duty) = self.in_flight.first(&lookup.key) {
            self.ask_then(exchanger, Box::new(lookup.for_others()), duty, |_, _| then());
        }
    }

    fn ask_then(
        self: &Arc<Self>,
        exchanger: &Rc<Exchanger>,
        lookup: Box<Lookup>,
        duty: Duty<Answer>,
        then: impl FnOnce(&Lookup, Outcome) + 'static,
    ) {
        let asked =
            lookup.snapshot.route(lookup.route).map(|chosen| (Arc::clone(&chosen.group), lookup.ask()));
        let asking = Asking::new(Arc::clone(self), lookup, then);
        match asked {
            Some((group, ask)) => {
                exchanger.ask(&group, ask, move |response| asking.answered(response, duty));
            }
            None => asking.answered(Err(ExchangeError::NoServer), duty),
        }
    }

    /// The same, to be awaited. Dropped, it releases who waits for it.
    pub async fn finish(self: &Arc<Self>, exchanger: &Rc<Exchanger>, lookup: &Lookup) -> Outcome {
        let place = self.in_flight.join(&lookup.key);
        self.finish_at(place, exchanger, lookup).await
    }

    async fn finish_at(&self, place: Place<Answer>, exchanger: &Rc<Exchanger>, lookup: &Lookup) -> Outcome {
        let answer = match place {
            Place::First(duty) => {
                let answer = self.ask(exchanger, lookup).await;
                duty.fulfil(&answer);
                answer
            }
            Place::Behind(receiver) => {
                let answer = async { receiver.await.unwrap_or(Err(ExchangeError::Overload)) };
                match lookup.stale {
                    None => answer.await,
                    Some(_) => timeout(STALE_PATIENCE, answer).await.unwrap_or(Err(ExchangeError::Timeout)),
                }
            }
            Place::Full => Err(ExchangeError::Overload),
        };
        self.conclude(lookup, answer, Source::Upstream, self.now())
    }

    /// What becomes of an answer, or of none: an answer past its TTL is better than a failure.
    fn conclude(&self, lookup: &Lookup, answer: Answer, source: Source, now: Now) -> Outcome {
        match (answer, &lookup.stale) {
            (Ok(entry), None) => Outcome::judged(self.judge(lookup, now, &entry), 0, source, now),
            (Ok(entry), Some(_)) if !is_failure(&entry) => {
                Outcome::judged(self.judge(lookup, now, &entry), 0, source, now)
            }
            (_, Some(entry)) => Outcome::stale(self.judge(lookup, now, entry), now),
            (Err(error), None) => Outcome::failed(&lookup.query.question, &error),
        }
    }

    /// Asks the route's servers, and keeps what they say.
    async fn ask(&self, exchanger: &Rc<Exchanger>, lookup: &Lookup) -> Answer {
        let chosen = lookup.snapshot.route(lookup.route).ok_or(ExchangeError::NoServer)?;
        let response = exchanger.exchange(&chosen.group, &lookup.ask()).await;
        self.keep(lookup, response, self.now())
    }

    /// Judges a reply and keeps it; a failure for a short time.
    fn keep(&self, lookup: &Lookup, response: Result<UpstreamResponse, ExchangeError>, now: Now) -> Answer {
        let Lookup { snapshot, key, .. } = lookup;
        let answer = response.map(|response| {
            let response = self.cache.cut(response);
            let judgement = judgement_of(lookup, now, &response);
            let weight = judgement.extra_weight();
            let judged = Judged { generation: snapshot.generation, judgement };
            self.cache.insert(key, response, judged, weight, now.millis)
        });
        if let Some(lasts) = failure_lasts(&answer) {
            self.failures.insert(key, answer.clone(), now.millis, lasts);
        }
        answer
    }

    /// What the lookup's generation makes of an entry for its client, now: its own earlier judgement where that still
    /// holds.
    fn judge(&self, lookup: &Lookup, now: Now, entry: &Entry<Judged>) -> Judgement {
        let snapshot = &lookup.snapshot;
        if entry.judged.holds(snapshot, &now) {
            return entry.judged.judgement.clone();
        }
        let judgement = judgement_of(lookup, now, &entry.upstream);
        if judgement.validity.any_client {
            let judged = Judged { generation: snapshot.generation, judgement: judgement.clone() };
            self.cache.rejudge(&lookup.key, entry, judged, judgement.extra_weight());
        }
        judgement
    }
}

/// The lookup of a query that this generation has answered before.
fn lookup_again(turn: &Turn, query: &Query, client: IpAddr) -> Lookup {
    let question = &query.question;
    let said = turn.snapshot.local.find(question, question.name().fold().as_ref());
    Lookup::new(turn, query, client, matches!(said, Said::OtherType))
}

/// The only way through the guard for an upstream's reply.
fn judgement_of(lookup: &Lookup, now: Now, response: &UpstreamResponse) -> Judgement {
    let judgement = enforce(&lookup.snapshot.policy, &lookup.circumstances(now), response);
    // RFC 8020 §2: NXDOMAIN denies the name and all names below it. The upstream may not know the name, but here it exists: a
    // stub resolver that believed the NXDOMAIN would forget its addresses.
    if !lookup.is_local || judgement.response.rcode() != Rcode::NXDOMAIN {
        return judgement;
    }
    let response = LocalAnswer::nodata(&lookup.query.question).into();
    Judgement { response, is_ours: true, ..judgement }
}

fn is_failure(entry: &Entry<Judged>) -> bool {
    !matches!(entry.upstream.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN)
}

/// How long a failure is remembered; `None` for what is none. "Resolvers MUST cache resolution failures" for 1 s at least,
/// and 5 s are recommended (RFC 9520 §3.2). A network that was away must not be missed for longer than need be.
fn failure_lasts(answer: &Answer) -> Option<Duration> {
    match answer {
        Ok(entry) if !is_failure(entry) => None,
        Err(ExchangeError::Overload) => None,
        Err(error) if error.is_about_server() => Some(Duration::from_secs(1)),
        Ok(_) | Err(_) => Some(Duration::from_secs(5)),
    }
}
