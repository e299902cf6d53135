//! Asking a group of servers: in turn, over UDP, over TCP where UDP does not do.
//!
//! What is said here of a question holds for all; most of them are over before they get here (see [`early`](super::early)).

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::dialogue::{Dialogue, Edns, Heard, patience};
use super::error::ExchangeError;
use super::loops::LoopState;
use super::server::{ServerCounts, ServerGroup, ServerState, Tried};
use super::settings::Endpoint;
use super::tcp::TcpLink;
use super::udp::{Flight, Reply, UdpPool};
use crate::count::Writer;
use crate::dns::{Question, Rcode, UpstreamResponse};
use foldhash::quality::RandomState;

/// How long the sockets to a server are kept that nothing is asked of.
const LINK_IDLE: Duration = Duration::from_secs(10);

/// What is asked of an upstream.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// The question.
    pub question: Question,
    /// DO
    pub dnssec_ok: bool,
    /// CD
    pub checking_disabled: bool,
}

/// The sockets and connections of one worker. Lives on its thread.
pub struct Exchanger {
    pub(super) links: RefCell<HashMap<Endpoint, Rc<Link>, RandomState>>,
    /// When links were last looked for that nothing is asked over.
    swept: Cell<Instant>,
    epoch: Instant,
    /// A task looks for questions without a reply.
    pub(super) sweeping: Cell<bool>,
}

/// The sockets and connections to one server.
pub(super) struct Link {
    pub(super) udp: UdpPool,
    pub(super) tcp: TcpLink,
    used: Cell<Instant>,
    pub(super) counts: Writer<ServerCounts>,
    /// While there are sockets to a server it is known, and a reload that takes it back finds its health and its counts.
    _server: Arc<ServerState>,
}

/// How a server is asked.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) timeout: Duration,
    /// Whether the server leads back here, where that is to be found out.
    pub(super) loops: Option<&'a Arc<LoopState>>,
}

impl Terms<'_> {
    /// For a question of our own.
    pub(super) fn of_probe(timeout: Duration) -> Self {
        Self { timeout, loops: None }
    }
}

/// A first try that has come so far.
pub(super) struct Head {
    /// The server's number in its group.
    pub(super) server: usize,
    /// The question as it was sent.
    pub(super) asked: Question,
    /// With EDNS.
    pub(super) edns: bool,
    /// When it was sent, on both clocks.
    pub(super) sent: Instant,
    pub(super) asked_at: u64,
    pub(super) start: Start,
}

/// How far.
pub(super) enum Start {
    /// No reply yet, in good time.
    Flight(Flight),
    /// A reply that does not end it, or the news that there will be none.
    Reply(Reply),
}

impl Link {
    fn new(server: &Arc<ServerState>, now: Instant) -> Self {
        Self {
            udp: UdpPool::default(),
            tcp: TcpLink::default(),
            used: Cell::new(now),
            counts: server.counts(),
            _server: Arc::clone(server),
        }
    }
}

impl Exchanger {
    /// Without a socket so far. `epoch` is the zero of the clock that all workers' exchangers share.
    pub fn new(epoch: Instant) -> Self {
        let (links, swept) = (RefCell::default(), Cell::new(Instant::now()));
        Self { links, swept, epoch, sweeping: Cell::new(false) }
    }

    /// Asks the servers of `group` in turn until one gives an answer of use.
    ///
    /// A reply that is a failure or empty is not used while there is another server to ask.
    ///
    /// # Errors
    /// The last server's error where none answered.
    pub async fn exchange(
        self: &Rc<Self>,
        group: &ServerGroup,
        ask: &Ask,
    ) -> Result<UpstreamResponse, ExchangeError> {
        self.probe_avoided(group);
        self.exchange_from(group, ask, None).await
    }

    /// The same, going on with a first try.
    pub(super) async fn exchange_from(
        self: &Rc<Self>,
        group: &ServerGroup,
        ask: &Ask,
        mut head: Option<Head>,
    ) -> Result<UpstreamResponse, ExchangeError> {
        let mut best = Err(ExchangeError::NoServer);
        let mut tried = Tried::default();
        while let Some(server) = match &head {
            Some(head) => group.take(head.server, &mut tried),
            // If this may be the best reply, do not wait for silent servers.
            None if best.is_ok() && !is_failure(&best) => group.next_up(&mut tried),
            None => group.next(&mut tried),
        } {
            let outcome = self.ask_server(group, server, ask, head.take()).await;
            match &outcome {
                Ok(response) if is_usable(response) => return outcome,
                // A reply counts more than another server's silence, and NODATA more than a failure.
                Ok(_) if is_failure(&best) => best = outcome,
                Err(_) if best.is_err() => best = outcome,
                _ => {}
            }
        }
        best
    }

    async fn ask_server(
        self: &Rc<Self>,
        group: &ServerGroup,
        server: &Arc<ServerState>,
        ask: &Ask,
        head: Option<Head>,
    ) -> Result<UpstreamResponse, ExchangeError> {
        let (now, millis) = self.times();
        let (asked_at, begun) = head.as_ref().map_or((millis, now), |head| (head.asked_at, head.sent));
        let link = self.link(server, now);
        let terms = Terms { timeout: group.timeout, loops: group.loop_state(server) };
        let outcome = self.converse(&link, server, ask, terms, head).await;
        let (now, millis) = self.times();
        link.counts.note(&outcome, now.duration_since(begun));
        match &outcome {
            Err(ExchangeError::Timeout | ExchangeError::Loop(_)) if server.is_up() => {
                self.suspect(server, ask, asked_at)
            }
            Err(error) if error.is_about_server() => self.note_failure(server, error, millis, asked_at),
            // It was not asked.
            Err(ExchangeError::Overload) => {}
            _ => self.note_answer(server, millis),
        }
        outcome
    }

    /// Asks one server, and notes what its reply shows about its EDNS.
    pub(super) async fn converse(
        self: &Rc<Self>,
        link: &Link,
        server: &Arc<ServerState>,
        ask: &Ask,
        terms: Terms<'_>,
        head: Option<Head>,
    ) -> Result<UpstreamResponse, ExchangeError> {
        let Terms { timeout, loops } = terms;
        let (begun, now) = self.times();
        let (asked, begun, asked_at, edns, start) = match head {
            Some(Head { asked, sent, asked_at, edns, start, .. }) => {
                (asked, sent, asked_at, edns, Some(start))
            }
            None => (server.write_case(&ask.question), begun, now, self.wants_edns(server), None),
        };
        let dialogue = Dialogue { link, server, loops, ask, asked, begun, timeout, asked_at };
        let edns = Edns::of(server, edns);
        let heard = self.run_dialogue(&dialogue, server, edns, start).await;
        let is_answer = !is_failure(&heard.outcome);
        let in_vain = matches!(heard.outcome, Err(ExchangeError::Timeout));
        if is_answer {
            self.doubt_loop(server, loops);
        }
        if is_answer && edns.first && !heard.edns && server.edns.doubt() {
            self.try_edns(server);
        }
        if heard.needs_proof {
            self.try_edns(server);
        }
        if in_vain && heard.edns {
            server.edns.forget(asked_at);
        }
        // In a loop, the failure is our own answer coming back.
        if !is_answer && heard.outcome.is_ok() {
            self.suspect_loop(server, loops);
        }
        let leads_back = !is_answer && loops.is_some_and(|loops| loops.is_found());
        if leads_back && (in_vain || heard.outcome.is_ok()) {
            return Err(ExchangeError::Loop(server.endpoint));
        }
        heard.outcome
    }

    /// Runs the dialogue. When the first query has waited long enough, a question of our own shows whether the server still
    /// speaks EDNS, if nothing else does.
    async fn run_dialogue(
        self: &Rc<Self>,
        dialogue: &Dialogue<'_>,
        server: &Arc<ServerState>,
        edns: Edns,
        start: Option<Start>,
    ) -> Heard {
        let mut running = pin!(dialogue.run(edns, start));
        let alarm = sleep_until((dialogue.begun + patience(dialogue.timeout)).into());
        tokio::select! {
            biased;
            heard = running.as_mut() => return heard,
            () = alarm => {}
        }
        if edns.first && server.edns.needs_proof(self.times().1, dialogue.asked_at) {
            self.try_edns(server);
        }
        running.await
    }

    /// The link to a server. Those that a reload has left behind go, now and then.
    pub(super) fn link(&self, server: &Arc<ServerState>, now: Instant) -> Rc<Link> {
        let mut links = self.links.borrow_mut();
        if now.duration_since(self.swept.get()) >= LINK_IDLE {
            self.swept.set(now);
            links.retain(|_, link| now.duration_since(link.used.get()) < LINK_IDLE);
        }
        if let Some(link) = links.get(&server.endpoint) {
            link.used.set(now);
            return Rc::clone(link);
        }
        let link = Rc::new(Link::new(server, now));
        links.insert(server.endpoint, Rc::clone(&link));
        link
    }

    /// Now, and the milliseconds of the shared clock: from 1, since a time of 0 means never.
    pub(super) fn times(&self) -> (Instant, u64) {
        let now = Instant::now();
        let millis = u64::try_from(now.duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX);
        (now, millis.saturating_add(1))
    }
}

/// A server that says this may well have a neighbour that knows better.
pub(super) fn is_server_failure(rcode: Rcode) -> bool {
    !matches!(rcode, Rcode::NOERROR | Rcode::NXDOMAIN)
}

/// Whether no other server can say more.
pub(super) fn is_usable(response: &UpstreamResponse) -> bool {
    !is_server_failure(response.rcode()) && !response.is_lame()
}

/// Whether there is no answer, or only the news that the server failed.
pub(super) fn is_failure(outcome: &Result<UpstreamResponse, ExchangeError>) -> bool {
    outcome.as_ref().map_or(true, |response| is_server_failure(response.rcode()))
}
