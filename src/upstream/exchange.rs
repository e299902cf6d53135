//! Asking a group of servers: in turn, over UDP, over TCP where UDP does not do.
//!
//! What is said here of a question holds for all; most of them are over before they get here (see [`early`](super::early)).

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;
use tokio::time::{sleep_until, timeout_at};

use super::error::ExchangeError;
use super::server::{ServerCounts, ServerGroup, ServerState, Tried};
use super::settings::Endpoint;
use super::tcp::TcpLink;
use super::udp::{Flight, Reply, UdpPool};
use crate::count::Writer;
use crate::dns::{
    NameRef, Question, Rcode, RecordType, ResponseError, UpstreamResponse, remove_edns, write_upstream_query,
};

/// The wait before a question is sent again.
const PATIENCE: Duration = Duration::from_millis(800);
/// How long the sockets to a server are kept that nothing is asked of.
const LINK_IDLE: Duration = Duration::from_secs(10);
/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

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
    tcp: TcpLink,
    used: Cell<Instant>,
    pub(super) counts: Writer<ServerCounts>,
    /// While there are sockets to a server it is known, and a reload that takes it back finds its health and its counts.
    _server: Arc<ServerState>,
}

/// A first try that has come so far.
pub(super) struct Head {
    /// The server's number in its group.
    pub(super) server: usize,
    /// The question as it was sent.
    pub(super) asked: Question,
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
    /// A reply that says the server failed is not of use while there is another server to ask.
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
        let mut last = Err(ExchangeError::NoServer);
        let mut tried = Tried::default();
        while let Some(server) = match &head {
            Some(head) => group.take(head.server, &mut tried),
            None => group.next(&mut tried),
        } {
            let outcome = self.ask_server(server, ask, group.timeout, head.take()).await;
            match &outcome {
                Ok(response) if !is_server_failure(response.rcode()) => return outcome,
                Ok(_) => last = outcome,
                // What a server said weighs more than another's silence.
                Err(_) if last.is_err() => last = outcome,
                Err(_) => {}
            }
        }
        last
    }

    async fn ask_server(
        self: &Rc<Self>,
        server: &Arc<ServerState>,
        ask: &Ask,
        timeout: Duration,
        head: Option<Head>,
    ) -> Result<UpstreamResponse, ExchangeError> {
        let (now, millis) = self.times();
        let (asked_at, begun) = head.as_ref().map_or((millis, now), |head| (head.asked_at, head.sent));
        let link = self.link(server, now);
        let outcome = ask_link(&link, server, ask, timeout, head).await;
        let (now, millis) = self.times();
        link.counts.note(&outcome, now.duration_since(begun));
        match &outcome {
            Err(error) if error.is_about_server() => {
                if server.failed(millis, asked_at) {
                    tracing::warn!(name: "server-avoided", server = %server.endpoint, %error, "server avoided until it answers a probe");
                    self.probe(server);
                }
            }
            // It was not asked.
            Err(ExchangeError::Overload) => {}
            _ => self.note_answer(server, millis),
        }
        outcome
    }

    pub(super) fn note_answer(&self, server: &ServerState, millis: u64) {
        if server.answered(millis) {
            tracing::info!(name: "server-back", server = %server.endpoint, "server answers again");
        }
    }

    /// Asks avoided servers, whose turn it is, for the root's name servers.
    pub(super) fn probe_avoided(self: &Rc<Self>, group: &ServerGroup) {
        for server in group.servers.iter().filter(|server| !server.is_up()) {
            self.probe(server);
        }
    }

    fn probe(self: &Rc<Self>, server: &Arc<ServerState>) {
        let (now, asked_at) = self.times();
        if !server.take_probe(asked_at) {
            return;
        }
        let (exchanger, server) = (Rc::clone(self), Arc::clone(server));
        tokio::task::spawn_local(async move {
            let question = Question::new(NameRef::ROOT, RecordType::NS);
            let ask = Ask { question, dnssec_ok: false, checking_disabled: false };
            let link = exchanger.link(&server, now);
            let outcome = ask_link(&link, &server, &ask, PROBE_TIMEOUT, None).await;
            let (_, millis) = exchanger.times();
            match outcome {
                Err(error) if error.is_about_server() => {
                    server.failed(millis, asked_at);
                }
                Err(ExchangeError::Overload) => {}
                _ => exchanger.note_answer(&server, millis),
            }
        });
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

/// The wait before a question is sent again: a name that takes a resolver long to find is no lost datagram, and asking
/// again too soon doubles its work.
pub(super) fn patience(timeout: Duration) -> Duration {
    PATIENCE.min(timeout * 2 / 5)
}

/// Asks over UDP, twice if need be, and over TCP where the reply is truncated or its letter case in doubt.
async fn ask_link(
    link: &Link,
    server: &ServerState,
    ask: &Ask,
    timeout: Duration,
    head: Option<Head>,
) -> Result<UpstreamResponse, ExchangeError> {
    let (asked, begun, start) = match head {
        Some(Head { asked, sent, start, .. }) => (asked, sent, Some(start)),
        None => (server.write_case(&ask.question), Instant::now(), None),
    };
    let mut message = Vec::with_capacity(320);
    write_upstream_query(&asked, 0, ask.dnssec_ok, ask.checking_disabled, &mut message);
    let times = Times { again: begun + patience(timeout), end: begun + timeout };
    let first = ask_once(link, server, ask, &asked, &mut message, times, start).await;
    if !is_puzzled(&first) {
        return first;
    }
    // Old servers do not know EDNS (RFC 6891 §7): "the requestor SHOULD retry without it".
    remove_edns(&mut message, &asked);
    ask_once(link, server, ask, &asked, &mut message, times, None).await
}

/// FORMERR or NOTIMP, with the question or as a bare header.
fn is_puzzled(outcome: &Result<UpstreamResponse, ExchangeError>) -> bool {
    let rcode = match outcome {
        Ok(response) => response.rcode(),
        Err(ExchangeError::Rcode(rcode)) => *rcode,
        Err(_) => return false,
    };
    matches!(rcode, Rcode::FORMERR | Rcode::NOTIMP)
}

async fn ask_once(
    link: &Link,
    server: &ServerState,
    ask: &Ask,
    asked: &Question,
    message: &mut [u8],
    times: Times,
    start: Option<Start>,
) -> Result<UpstreamResponse, ExchangeError> {
    let reply = over_udp(link, server, message, asked, times, start).await;
    match reply.and_then(|mut wire| accept(server, ask, asked, &mut wire)) {
        Err(ExchangeError::CaseMismatch) => {
            let outcome = over_tcp(link, server, ask, asked, message, times.end).await;
            if matches!(outcome, Err(ExchangeError::NoTcp(_))) && server.doubt_case() {
                let server = server.endpoint;
                tracing::warn!(%server, "server changes letter case and has no TCP: 0x20 is off for it");
            }
            outcome
        }
        Err(ExchangeError::Response(ResponseError::Truncated)) => {
            over_tcp(link, server, ask, asked, message, times.end).await
        }
        outcome => outcome,
    }
}

/// Reads a reply that came over UDP to what was `asked`.
pub(super) fn accept(
    server: &ServerState,
    ask: &Ask,
    asked: &Question,
    wire: &mut [u8],
) -> Result<UpstreamResponse, ExchangeError> {
    if asked.name().as_wire().iter().any(u8::is_ascii_uppercase) {
        server.case_was_kept();
    }
    restore_case(wire, &ask.question);
    Ok(UpstreamResponse::parse(wire, &ask.question, ask.dnssec_ok)?)
}

/// When a question is sent again, and when it is given up.
#[derive(Clone, Copy)]
struct Times {
    again: Instant,
    end: Instant,
}

/// Sends the query, and again after a while: from another socket, under another id. Waits for either reply.
async fn over_udp(
    link: &Link,
    server: &ServerState,
    message: &mut [u8],
    asked: &Question,
    times: Times,
    start: Option<Start>,
) -> Reply {
    let address = server.endpoint.address();
    let mut first = match start {
        Some(Start::Reply(Err(ExchangeError::Overload))) => None,
        Some(Start::Reply(reply)) => return reply,
        Some(Start::Flight(flight)) => Some(flight),
        None => Some(link.udp.send(address, message, asked)?),
    };
    let mut alarm = pin!(sleep_until(times.again.into()));
    let in_time = tokio::select! {
        answered = reply_to(&mut first) => Some(answered),
        () = &mut alarm => None,
    };
    let (reply, took) = match in_time {
        Some(answered) => answered,
        None => {
            let mut second = match link.udp.send(address, message, asked) {
                Ok(flight) => Some(flight),
                Err(error) if first.is_none() => return Err(error),
                Err(_) => None,
            };
            alarm.as_mut().reset(times.end.into());
            tokio::select! {
                answered = reply_to(&mut first) => answered,
                answered = reply_to(&mut second) => answered,
                () = &mut alarm => return Err(ExchangeError::Timeout),
            }
        }
    };
    if reply.is_ok() {
        server.note_round_trip(took);
    }
    reply
}

/// Waits for the reply to a sending, and says how long it took. Where there is none, or its socket had to make room, it is as if
/// it were lost on the way.
async fn reply_to(sending: &mut Option<Flight>) -> (Reply, Duration) {
    if let Some(flight) = sending {
        let reply = flight.reply().await;
        if !matches!(reply, Err(ExchangeError::Overload)) {
            return (reply, flight.age());
        }
        *sending = None;
    }
    std::future::pending().await
}

async fn over_tcp(
    link: &Link,
    server: &ServerState,
    ask: &Ask,
    asked: &Question,
    message: &[u8],
    end: Instant,
) -> Result<UpstreamResponse, ExchangeError> {
    let read = |mut wire: Vec<u8>| {
        let name = asked.name().as_wire();
        let folded = wire.get(12..12 + name.len()) != Some(name);
        restore_case(&mut wire, &ask.question);
        let response = UpstreamResponse::parse(&wire, &ask.question, ask.dnssec_ok)?;
        if folded && server.note_folded_case() {
            tracing::warn!(server = %server.endpoint, "server changes the question's letter case: 0x20 is off for it");
        }
        Ok(response)
    };
    // Half of what is left is for another connection.
    let patience = PATIENCE.min(end.saturating_duration_since(Instant::now()) / 2);
    let asking = link.tcp.ask(server.endpoint.address(), message, patience, read);
    let outcome = timeout_at(end.into(), asking).await.unwrap_or(Err(ExchangeError::Timeout));
    outcome.map_err(|error| match error {
        // That it has no TCP is no reason to avoid a server that has just answered over UDP.
        ExchangeError::Unreachable(kind) => ExchangeError::NoTcp(kind),
        ExchangeError::Timeout => ExchangeError::NoTcp(ErrorKind::TimedOut),
        other => other,
    })
}

/// Puts the question's own letter case in place of the random one: names in the reply are compressed against it.
fn restore_case(wire: &mut [u8], question: &Question) {
    let name = question.name().as_wire();
    if let Some(echoed) = wire.get_mut(12..12 + name.len()).filter(|echoed| echoed.eq_ignore_ascii_case(name))
    {
        echoed.copy_from_slice(name);
    }
}
