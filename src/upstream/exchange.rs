//! Asking a group of servers: in turn, over UDP, over TCP where UDP does not do.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use tokio::time::{sleep_until, timeout_at};

use super::error::ExchangeError;
use super::server::{ServerGroup, ServerState, Tried};
use super::settings::Endpoint;
use super::tcp::TcpLink;
use super::udp::UdpPool;
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
pub struct Ask<'a> {
    /// The question.
    pub question: &'a Question,
    /// DO
    pub dnssec_ok: bool,
    /// CD
    pub checking_disabled: bool,
}

/// The sockets and connections of one worker. Lives on its thread.
pub struct Exchanger {
    links: RefCell<HashMap<Endpoint, Rc<Link>>>,
    /// How long a link is kept that nothing is asked over, and when that was last looked after.
    idle: Duration,
    swept: Cell<Instant>,
    epoch: Instant,
}

struct Link {
    udp: UdpPool,
    tcp: TcpLink,
    used: Cell<Instant>,
}

impl Link {
    fn new() -> Self {
        Self { udp: UdpPool::default(), tcp: TcpLink::default(), used: Cell::new(Instant::now()) }
    }
}

impl Exchanger {
    /// Without a socket so far. `epoch` is the zero of the clock that all workers' exchangers share.
    pub fn new(epoch: Instant) -> Self {
        let (links, swept) = (RefCell::default(), Cell::new(Instant::now()));
        Self { links, idle: LINK_IDLE, swept, epoch }
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
        ask: &Ask<'_>,
    ) -> Result<UpstreamResponse, ExchangeError> {
        self.probe_avoided(group);
        let mut last = Err(ExchangeError::NoServer);
        let mut tried = Tried::default();
        while let Some(server) = group.next(&mut tried) {
            let outcome = self.ask_server(server, ask, group.timeout).await;
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
        ask: &Ask<'_>,
        timeout: Duration,
    ) -> Result<UpstreamResponse, ExchangeError> {
        let asked_at = self.millis();
        let link = self.link(server.endpoint);
        let outcome = ask_link(&link, server, ask, timeout).await;
        match &outcome {
            Err(error) if error.is_about_server() => {
                if server.failed(self.millis(), asked_at) {
                    tracing::warn!(server = %server.endpoint, %error, "server avoided until it answers a probe");
                    self.probe(server);
                }
            }
            _ => {
                if server.answered(self.millis()) {
                    tracing::info!(server = %server.endpoint, "server answers again");
                }
            }
        }
        outcome
    }

    /// Asks avoided servers, whose turn it is, for the root's name servers.
    fn probe_avoided(self: &Rc<Self>, group: &ServerGroup) {
        for server in group.servers.iter().filter(|server| !server.is_up()) {
            self.probe(server);
        }
    }

    fn probe(self: &Rc<Self>, server: &Arc<ServerState>) {
        if !server.take_probe(self.millis()) {
            return;
        }
        let (exchanger, server) = (Rc::clone(self), Arc::clone(server));
        tokio::task::spawn_local(async move {
            let question = Question::new(NameRef::ROOT, RecordType::NS);
            let ask = Ask { question: &question, dnssec_ok: false, checking_disabled: false };
            let link = exchanger.link(server.endpoint);
            let asked_at = exchanger.millis();
            match ask_link(&link, &server, &ask, PROBE_TIMEOUT).await {
                Err(error) if error.is_about_server() => {
                    server.failed(exchanger.millis(), asked_at);
                }
                _ => {
                    if server.answered(exchanger.millis()) {
                        tracing::info!(server = %server.endpoint, "server answers again");
                    }
                }
            }
        });
    }

    /// The link to a server. Now and then those go that nothing was asked over: a reload may have left them behind.
    fn link(&self, endpoint: Endpoint) -> Rc<Link> {
        let mut links = self.links.borrow_mut();
        let now = Instant::now();
        let link = Rc::clone(links.entry(endpoint).or_insert_with(|| Rc::new(Link::new())));
        link.used.set(now);
        if now.duration_since(self.swept.get()) >= self.idle {
            self.swept.set(now);
            links.retain(|_, link| now.duration_since(link.used.get()) <= self.idle);
        }
        link
    }

    fn millis(&self) -> u64 {
        // From 1: a time of 0 means never.
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// A server that says this may well have a neighbour that knows better.
fn is_server_failure(rcode: Rcode) -> bool {
    !matches!(rcode, Rcode::NOERROR | Rcode::NXDOMAIN)
}

/// Asks over UDP, twice if need be, and over TCP where the reply is truncated or its letter case in doubt.
async fn ask_link(
    link: &Link,
    server: &ServerState,
    ask: &Ask<'_>,
    timeout: Duration,
) -> Result<UpstreamResponse, ExchangeError> {
    let asked = if server.keeps_case() { with_random_case(ask.question) } else { *ask.question };
    let mut message = Vec::with_capacity(320);
    write_upstream_query(&asked, 0, ask.dnssec_ok, ask.checking_disabled, &mut message);
    let begun = Instant::now();
    let times = Times {
        // A name that takes a resolver long to find is no lost datagram: asking again too soon doubles its work.
        again: begun + PATIENCE.min(timeout * 2 / 5),
        end: begun + timeout,
    };
    let first = ask_once(link, server, ask, &asked, &mut message, times).await;
    if !is_puzzled(&first) {
        return first;
    }
    // Old servers do not know EDNS (RFC 6891 §7): "the requestor SHOULD retry without it".
    remove_edns(&mut message, &asked);
    ask_once(link, server, ask, &asked, &mut message, times).await
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
    ask: &Ask<'_>,
    asked: &Question,
    message: &mut [u8],
    times: Times,
) -> Result<UpstreamResponse, ExchangeError> {
    let mut wire = match over_udp(link, server, message, asked.wire_length(), times).await {
        Ok(wire) => wire,
        Err(ExchangeError::CaseMismatch) => {
            let outcome = over_tcp(link, server, ask, asked, message, times.end).await;
            if matches!(outcome, Err(ExchangeError::NoTcp(_))) && server.doubt_case() {
                let server = server.endpoint;
                tracing::warn!(%server, "server changes letter case and has no TCP: 0x20 is off for it");
            }
            return outcome;
        }
        Err(error) => return Err(error),
    };
    if asked.name().as_wire().iter().any(u8::is_ascii_uppercase) {
        server.case_was_kept();
    }
    restore_case(&mut wire, ask.question);
    match UpstreamResponse::parse(&wire, ask.question, ask.dnssec_ok) {
        Err(ResponseError::Truncated) => over_tcp(link, server, ask, asked, message, times.end).await,
        parsed => Ok(parsed?),
    }
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
    question: usize,
    times: Times,
) -> Result<Vec<u8>, ExchangeError> {
    let address = server.endpoint.address();
    let mut first = link.udp.send(address, message, question)?;
    let mut alarm = pin!(sleep_until(times.again.into()));
    let in_time = tokio::select! {
        reply = first.reply() => Some((reply, first.age())),
        () = &mut alarm => None,
    };
    let (reply, took) = match in_time {
        Some(answered) => answered,
        None => {
            let mut second = link.udp.send(address, message, question)?;
            alarm.as_mut().reset(times.end.into());
            tokio::select! {
                reply = first.reply() => (reply, first.age()),
                reply = second.reply() => (reply, second.age()),
                () = &mut alarm => return Err(ExchangeError::Timeout),
            }
        }
    };
    if reply.is_ok() {
        server.note_round_trip(took);
    }
    reply
}

async fn over_tcp(
    link: &Link,
    server: &ServerState,
    ask: &Ask<'_>,
    asked: &Question,
    message: &[u8],
    end: Instant,
) -> Result<UpstreamResponse, ExchangeError> {
    let reply = timeout_at(end.into(), link.tcp.ask(server.endpoint.address(), message)).await;
    let reply = reply.unwrap_or(Err(ExchangeError::Timeout)).map_err(|error| match error {
        // That it has no TCP is no reason to avoid a server that answers over UDP.
        ExchangeError::Unreachable(kind) => ExchangeError::NoTcp(kind),
        other => other,
    });
    let mut wire = reply?;
    let folded = wire.get(12..12 + asked.name().as_wire().len()) != Some(asked.name().as_wire());
    restore_case(&mut wire, ask.question);
    let response = UpstreamResponse::parse(&wire, ask.question, ask.dnssec_ok)?;
    if folded && server.note_folded_case() {
        tracing::warn!(server = %server.endpoint, "server changes the question's letter case: 0x20 is off for it");
    }
    Ok(response)
}

/// Puts the question's own letter case in place of the random one: names in the reply are compressed against it.
fn restore_case(wire: &mut [u8], question: &Question) {
    let name = question.name().as_wire();
    if let Some(echoed) = wire.get_mut(12..12 + name.len()).filter(|echoed| echoed.eq_ignore_ascii_case(name))
    {
        echoed.copy_from_slice(name);
    }
}

/// The question with the case of each letter drawn at random (draft-vixie-dnsext-dns0x20).
fn with_random_case(question: &Question) -> Question {
    let mut bits = rand::rng().random::<u128>();
    let mut left = 128;
    question.map_letters(|letter| {
        if left == 0 {
            (bits, left) = (rand::rng().random(), 128);
        }
        let upper = bits & 1 == 1;
        (bits, left) = (bits >> 1, left - 1);
        if upper { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
    })
}
