//! Asking one server: over UDP, again after a while, without EDNS if the server may not support it, and over TCP if UDP is not
//! enough.

use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout_at};

use super::error::ExchangeError;
use super::exchange::{Ask, Link, Start, is_server_failure};
use super::loops::{LoopState, ask_for_loop};
use super::server::ServerState;
use super::udp::{Flight, Reply};
use crate::dns::{Question, Rcode, ResponseError, UpstreamResponse, remove_edns, write_upstream_query};

/// The longest wait before a question is sent again.
const PATIENCE: Duration = Duration::from_millis(800);

pub(super) type Outcome = Result<UpstreamResponse, ExchangeError>;

/// The wait before a question is sent again. A resolver may need long to resolve a name; asking again too soon doubles its
/// work.
pub(super) fn patience(timeout: Duration) -> Duration {
    PATIENCE.min(timeout * 2 / 5)
}

/// Writes the query `asked`, with EDNS or without.
pub(super) fn write_query(ask: &Ask, asked: &Question, edns: bool, message: &mut Vec<u8>) {
    write_upstream_query(asked, 0, ask.dnssec_ok, ask.checking_disabled, message);
    if !edns {
        remove_edns(message, asked);
    }
}

/// Reads a reply to `asked` that came over UDP.
pub(super) fn accept(server: &ServerState, ask: &Ask, asked: &Question, wire: &mut [u8]) -> Outcome {
    if asked.name().as_wire().iter().any(u8::is_ascii_uppercase) {
        server.case_was_kept();
    }
    restore_case(wire, &ask.question);
    Ok(UpstreamResponse::parse(wire, &ask.question, ask.dnssec_ok)?)
}

/// A question to one server.
pub(super) struct Dialogue<'a> {
    pub(super) link: &'a Link,
    pub(super) server: &'a ServerState,
    /// Whether the server leads back here, where that is to be found out.
    pub(super) loops: Option<&'a Arc<LoopState>>,
    pub(super) ask: &'a Ask,
    /// The question as it is sent, in random letter case.
    pub(super) asked: Question,
    /// How long the whole dialogue may take, and when it began.
    pub(super) timeout: Duration,
    pub(super) begun: Instant,
    /// When it began, on the shared clock.
    pub(super) asked_at: u64,
}

/// Whether queries have an OPT record.
#[derive(Clone, Copy)]
pub(super) struct Edns {
    /// The first query has one.
    pub(super) first: bool,
    /// The second query has one.
    pub(super) again: bool,
}

/// The outcome of a dialogue.
pub(super) struct Heard {
    pub(super) outcome: Outcome,
    /// The query that was answered had an OPT record.
    pub(super) edns: bool,
    /// A question of our own has to show whether the server still speaks EDNS.
    pub(super) needs_proof: bool,
}

/// When a question is sent again, and when it is given up.
#[derive(Clone, Copy)]
struct Times {
    again: Instant,
    end: Instant,
}

impl Edns {
    const NEVER: Self = Self { first: false, again: false };
    pub(super) const ALWAYS: Self = Self { first: true, again: true };

    /// What fits `server`. A server that has not yet shown that it speaks EDNS may ignore such queries.
    pub(super) fn of(server: &ServerState, first: bool) -> Self {
        Self { first, again: first && server.edns.is_spoken() }
    }
}

impl Dialogue<'_> {
    /// Asks until there is a reply to believe, or until the timeout.
    pub(super) async fn run(&self, edns: Edns, start: Option<Start>) -> Heard {
        let times = self.times();
        let mut heard = self.try_once(edns, times, start).await;
        if heard.edns && self.is_doubtful(&heard.outcome) {
            (heard.outcome, heard.needs_proof) = self.without_edns(heard.outcome, times.end).await;
        }
        // Even NXDOMAIN does not excuse a missing question: the reply may be forged.
        if let Err(ExchangeError::Rcode(Rcode::NOERROR | Rcode::NXDOMAIN)) = heard.outcome {
            let over_tcp = self.over_tcp(self.server.edns.is_spoken(), times.end).await;
            if over_tcp.is_ok() {
                heard.outcome = over_tcp;
            }
        }
        heard
    }

    /// Whether a reply to a query with EDNS may only mean that the server does not support EDNS.
    fn is_doubtful(&self, outcome: &Outcome) -> bool {
        match outcome {
            Ok(response) => !self.server.believes(response, self.asked_at),
            Err(ExchangeError::Rcode(_)) => true,
            Err(_) => false,
        }
    }

    /// Asks the same question without EDNS (RFC 6891 §7: "the requestor SHOULD retry without it"). Takes that reply if it says
    /// at least as much. Returns also whether a question of our own has to show what the server makes of EDNS.
    async fn without_edns(&self, first: Outcome, end: Instant) -> (Outcome, bool) {
        let now = Instant::now();
        let times = Times { again: now + patience(end.saturating_duration_since(now)), end };
        let plain = self.try_once(Edns::NEVER, times, None).await.outcome;
        let contradicts = worth(&plain) > worth(&first).max(1);
        let needs_proof = contradicts && self.server.contradicts_edns(self.asked_at);
        (if worth(&plain) >= worth(&first) { plain } else { first }, needs_proof)
    }

    /// Asks, and takes the first reply.
    pub(super) async fn once(&self, edns: Edns) -> Heard {
        self.try_once(edns, self.times(), None).await
    }

    fn times(&self) -> Times {
        Times { again: self.begun + patience(self.timeout), end: self.begun + self.timeout }
    }

    /// Asks over UDP, twice if needed, and over TCP if the reply is truncated or its letter case is wrong.
    async fn try_once(&self, edns: Edns, times: Times, start: Option<Start>) -> Heard {
        let (reply, edns) = self.over_udp(edns, times, start).await;
        let outcome = match reply.and_then(|mut wire| accept(self.server, self.ask, &self.asked, &mut wire)) {
            Err(ExchangeError::CaseMismatch) => {
                let outcome = self.over_tcp(edns, times.end).await;
                if matches!(outcome, Err(ExchangeError::NoTcp(_))) && self.server.doubt_case() {
                    let server = self.server.endpoint;
                    tracing::warn!(%server, "server changes letter case and has no TCP: 0x20 is off for it");
                }
                outcome
            }
            Err(ExchangeError::Response(ResponseError::Truncated)) => self.over_tcp(edns, times.end).await,
            outcome => outcome,
        };
        Heard { outcome, edns, needs_proof: false }
    }

    /// Sends the query, and again after a while from another socket with another id. Waits for either reply, and returns
    /// whether its query had EDNS.
    async fn over_udp(&self, edns: Edns, times: Times, start: Option<Start>) -> (Reply, bool) {
        let mut first = match start {
            Some(Start::Reply(Err(ExchangeError::Overload))) => None,
            Some(Start::Reply(reply)) => return (reply, edns.first),
            Some(Start::Flight(flight)) => Some(flight),
            None => match self.send(edns.first) {
                Ok(flight) => Some(flight),
                Err(error) => return (Err(error), edns.first),
            },
        };
        let mut alarm = pin!(sleep_until(times.again.into()));
        let in_time = tokio::select! {
            answered = reply_to(&mut first) => Some(answered),
            () = &mut alarm => None,
        };
        let ((reply, took), edns) = match in_time {
            Some(answered) => (answered, edns.first),
            None => {
                self.look_for_loop();
                let mut second = match self.send(edns.again) {
                    Ok(flight) => Some(flight),
                    Err(error) if first.is_none() => return (Err(error), edns.again),
                    Err(_) => None,
                };
                alarm.as_mut().reset(times.end.into());
                tokio::select! {
                    biased;
                    answered = reply_to(&mut first) => (answered, edns.first),
                    answered = reply_to(&mut second) => (answered, edns.again),
                    () = &mut alarm => return (Err(ExchangeError::Timeout), edns.first && edns.again),
                }
            }
        };
        if reply.is_ok() {
            self.server.note_round_trip(took);
        }
        (reply, edns)
    }

    /// Sends a question that comes back to us if the server forwards to us. Nobody waits for its reply.
    fn look_for_loop(&self) {
        if self.server.has_answered_since(self.asked_at) {
            return;
        }
        if let Some((_, asked)) = self.loops.and_then(|loops| loops.question(self.asked_at)) {
            let ask = ask_for_loop(asked);
            let mut message = Vec::new();
            write_query(&ask, &asked, false, &mut message);
            let _ = self.link.udp.send(self.server.endpoint.address(), &mut message, &asked);
        }
    }

    fn send(&self, edns: bool) -> Result<Flight, ExchangeError> {
        let mut message = Vec::with_capacity(320);
        write_query(self.ask, &self.asked, edns, &mut message);
        self.link.udp.send(self.server.endpoint.address(), &mut message, &self.asked)
    }

    async fn over_tcp(&self, edns: bool, end: Instant) -> Outcome {
        let mut message = Vec::with_capacity(320);
        write_query(self.ask, &self.asked, edns, &mut message);
        let read = |wire: Vec<u8>| self.read_stream(wire);
        // Half of the remaining time is kept for another connection.
        let patience = PATIENCE.min(end.saturating_duration_since(Instant::now()) / 2);
        let asking = self.link.tcp.ask(self.server.endpoint.address(), &message, patience, read);
        let outcome = timeout_at(end.into(), asking).await.unwrap_or(Err(ExchangeError::Timeout));
        outcome.map_err(|error| match error {
            // The server has just answered over UDP: it is not avoided only because it has no TCP.
            ExchangeError::Unreachable(kind) => ExchangeError::NoTcp(kind),
            ExchangeError::Timeout => ExchangeError::NoTcp(ErrorKind::TimedOut),
            other => other,
        })
    }

    fn read_stream(&self, mut wire: Vec<u8>) -> Outcome {
        let name = self.asked.name().as_wire();
        let folded = wire.get(12..12 + name.len()) != Some(name);
        restore_case(&mut wire, &self.ask.question);
        let response = UpstreamResponse::parse(&wire, &self.ask.question, self.ask.dnssec_ok)?;
        let server = self.server;
        if folded && server.note_folded_case() {
            tracing::warn!(server = %server.endpoint, "server changes the question's letter case: 0x20 is off for it");
        }
        Ok(response)
    }
}

/// How much a reply says. An answer says more than NODATA, and NODATA more than NXDOMAIN, which denies all types.
fn worth(outcome: &Outcome) -> u8 {
    match outcome {
        Ok(response) if is_server_failure(response.rcode()) => 1,
        Ok(response) if response.rcode() == Rcode::NXDOMAIN => 2,
        Ok(response) if response.is_negative() => 3,
        Ok(_) => 4,
        Err(_) => 0,
    }
}

/// Waits for the reply to a query that was sent, and measures how long it took. A query that was not sent, or whose socket was
/// evicted, counts as lost.
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

/// Replaces the random letter case with that of the question: names in the reply are compressed against it.
fn restore_case(wire: &mut [u8], question: &Question) {
    let name = question.name().as_wire();
    if let Some(echoed) = wire.get_mut(12..12 + name.len()).filter(|echoed| echoed.eq_ignore_ascii_case(name))
    {
        echoed.copy_from_slice(name);
    }
}
