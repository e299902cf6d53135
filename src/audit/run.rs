//! Plays cases against a resolver through real sockets and says what was wrong with what came back.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::cases::{Ask, Case, Group};
use super::expect;
use super::oracle::{Leak, Secrets, leaks, parse::u16_at, shape};
use super::upstream::{AttackUpstream, NONCE, nonce};
use super::wire::{self, Query, flag};

/// How long a reply may take. Longer than any sane resolver's own timeouts, since some cases make it wait.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Where a resolver listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// For datagrams.
    pub udp: SocketAddr,
    /// For streams.
    pub tcp: SocketAddr,
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self { udp: address, tcp: address }
    }
}

/// How many cases are under way at a time: over TCP fewer, as a resolver may count connections that just ended.
const fn at_once(transport: Transport) -> usize {
    match transport {
        Transport::Udp => 16,
        Transport::Tcp => 8,
    }
}

/// How the questions travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// One datagram there, one back; TCP after a truncated one.
    Udp,
    /// A connection for each question.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

/// What was wrong with a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// Somebody could read what nobody may.
    Leak(Leak),
    /// The reply has a shape none of ours may have.
    Shape(String),
    /// It is not the reply the case expects.
    Unexpected(String),
    /// The question reached the upstream.
    Forwarded,
    /// No reply came.
    Silence(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leak(leak) => leak.fmt(f),
            Self::Shape(fault) => write!(f, "bad reply: {fault}"),
            Self::Unexpected(what) => f.write_str(what),
            Self::Forwarded => f.write_str("the name reached the upstream"),
            Self::Silence(why) => write!(f, "no reply: {why}"),
        }
    }
}

/// Something that went wrong with a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The row.
    pub id: &'static str,
    /// Its group.
    pub group: Group,
    /// What is attempted.
    pub title: &'static str,
    /// The variant of the row.
    pub variant: String,
    /// The case's own label.
    pub slug: String,
    /// How the question travelled.
    pub transport: Transport,
    /// Whether it had been asked before, so that the reply may come from a cache.
    pub again: bool,
    /// The type that was asked for.
    pub qtype: u16,
    /// What was wrong.
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.title)?;
        if !self.variant.is_empty() {
            write!(f, " ({})", self.variant)?;
        }
        let round = if self.again { "asked again" } else { "first" };
        write!(f, ", {} {round}: {}", self.transport, self.problem)
    }
}

/// A question that was asked, and every octet of the reply that counts.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The question.
    pub query: Query,
    /// How it travelled at first.
    pub transport: Transport,
    /// The replies in order: after a truncated datagram also the one over TCP.
    pub replies: Vec<Vec<u8>>,
}

/// Asks `target` every question of `cases`, `twice` if wanted, and returns what was wrong, in the order of the cases.
pub fn play(
    target: impl Into<Target>,
    cases: &[Case],
    upstream: &AttackUpstream,
    transport: Transport,
    twice: bool,
) -> Vec<Finding> {
    play_and_watch(target, cases, upstream, transport, twice, |_, _| {})
}

/// The same; `watch` sees every exchange, for a second opinion.
pub fn play_and_watch(
    target: impl Into<Target>,
    cases: &[Case],
    upstream: &AttackUpstream,
    transport: Transport,
    twice: bool,
    watch: impl Fn(&Case, &Exchange) + Sync,
) -> Vec<Finding> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let nonce = nonce();
    let target = target.into();
    thread::scope(|scope| {
        for _ in 0..at_once(transport).min(cases.len()) {
            scope.spawn(|| {
                while let Some((place, case)) = take(cases, &next) {
                    let round = Round { target, case, upstream, transport, nonce: &nonce, watch: &watch };
                    let mut findings = round.play(false);
                    if twice {
                        findings.extend(round.play(true));
                    }
                    let findings = findings.into_iter().map(|finding| (place, finding));
                    found.lock().unwrap_or_else(PoisonError::into_inner).extend(findings);
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, finding)| finding).collect()
}

fn take<'a>(cases: &'a [Case], next: &AtomicUsize) -> Option<(usize, &'a Case)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    cases.get(place).map(|case| (place, case))
}

struct Round<'a, W> {
    target: Target,
    case: &'a Case,
    upstream: &'a AttackUpstream,
    transport: Transport,
    nonce: &'a str,
    watch: &'a W,
}

impl<W: Fn(&Case, &Exchange)> Round<'_, W> {
    fn play(&self, again: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        for step in &self.case.steps {
            let name = step.ask.name.replace(NONCE, self.nonce);
            let query = query(&step.ask, &name, again);
            let problems = match ask(self.target, &query, self.transport) {
                Ok(exchange) => {
                    (self.watch)(self.case, &exchange);
                    let mut problems = judge(self.case, &step.expect, &exchange, self.nonce);
                    if self.case.stays_here && self.upstream.asked(&name) > 0 {
                        problems.push(Problem::Forwarded);
                    }
                    problems
                }
                Err(error) => vec![Problem::Silence(error.to_string())],
            };
            findings.extend(problems.into_iter().map(|problem| Finding {
                id: self.case.id,
                group: self.case.group,
                title: self.case.title,
                variant: self.case.variant.clone(),
                slug: self.case.slug.clone(),
                transport: self.transport,
                again,
                qtype: step.ask.qtype,
                problem,
            }));
        }
        findings
    }
}

/// The query for a question; the second time in the other letter case, which a cache must not mind.
fn query(ask: &Ask, name: &str, again: bool) -> Query {
    let mut qname = wire::name(name);
    if again {
        let mut letters = 0usize;
        for octet in qname.iter_mut().filter(|octet| octet.is_ascii_alphabetic()) {
            letters += 1;
            if letters.is_multiple_of(2) {
                *octet ^= 0x20;
            }
        }
    }
    Query {
        id: rand::random(),
        qname,
        qtype: ask.qtype,
        qclass: ask.qclass,
        flags: ask.flags,
        edns: ask.edns,
    }
}

/// Everything wrong with the replies to one question.
pub fn judge(case: &Case, expected: &super::cases::Expect, exchange: &Exchange, nonce: &str) -> Vec<Problem> {
    let names: Vec<Vec<u8>> =
        case.forbidden_names.iter().map(|name| wire::name(&name.replace(NONCE, nonce))).collect();
    let only: Vec<_> = expected.addresses().into_iter().chain(case.allowed.iter().copied()).collect();
    let secrets = Secrets { addresses: &case.forbidden, names: &names, only: Some(&only) };
    let query = &exchange.query;
    let mut problems = Vec::new();
    for (place, reply) in exchange.replies.iter().enumerate() {
        let datagram = exchange.transport == Transport::Udp && place == 0;
        let limit = datagram.then(|| query.edns.map_or(512, |(size, _)| usize::from(size.max(512))));
        problems.extend(leaks(reply, query.qtype, secrets).into_iter().map(Problem::Leak));
        problems.extend(shape::faults(reply, query, limit).into_iter().map(Problem::Shape));
    }
    if let Some(last) = exchange.replies.last() {
        problems.extend(expect::check(expected, last, query, case).map(Problem::Unexpected));
    }
    let mut seen = BTreeSet::new();
    problems.retain(|problem| seen.insert(problem.to_string()));
    problems
}

/// Asks one question, over TCP also when the datagram was cut short.
pub fn ask(target: impl Into<Target>, query: &Query, transport: Transport) -> io::Result<Exchange> {
    let target = target.into();
    let octets = query.encode();
    let mut replies = Vec::new();
    if transport == Transport::Udp {
        let reply = ask_udp(target.udp, &octets, PATIENCE)?;
        let cut = u16_at(&reply, 2).unwrap_or(0) & flag::TC != 0;
        replies.push(reply);
        if !cut {
            return Ok(Exchange { query: query.clone(), transport, replies });
        }
    }
    replies.push(ask_tcp(target.tcp, &octets, PATIENCE)?);
    Ok(Exchange { query: query.clone(), transport, replies })
}

/// One datagram there; the first one back that has its ID.
pub fn ask_udp(target: SocketAddr, query: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    let from: SocketAddr =
        if target.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(from)?;
    socket.connect(target)?;
    socket.send(query)?;
    let deadline = Instant::now() + patience;
    let mut buffer = vec![0; 65_535];
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut buffer)?;
        let reply = buffer.get(..length).unwrap_or(&[]);
        if reply.get(..2) == query.get(..2) {
            return Ok(reply.to_vec());
        }
    }
}

/// One message there and one back over a connection of its own.
pub fn ask_tcp(target: SocketAddr, query: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&target, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}
