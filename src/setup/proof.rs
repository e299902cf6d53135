//! Questions asked as programs ask them, and whether they reach the daemon of the control socket.
//!
//! The daemon is told to watch for a name that nobody has, the name is asked for, and the daemon says whether it was asked. It
//! answers that name itself: the cache, the TTLs and the upstream have no part in it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::ending::{Cause, Failed};
use super::patience::Patience;
use crate::audit::oracle::parse::lenient;
use crate::audit::run::{ask_tcp, ask_udp};
use crate::audit::wire::{self, Query, code, flag};
use crate::control::{self, ClientError, Command, Reply, Status};
use crate::machine::Transport;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);
/// How long a server that answers may take to use its new upstream.
const CHANGE: Duration = Duration::from_secs(3);
/// How long an upstream may take until it answers.
const UPSTREAM: Duration = Duration::from_secs(4);
/// How long one question may take that the daemon answers itself.
const ONE_QUESTION: Duration = Duration::from_secs(1);
/// The same for one that an upstream answers: stubborn says by then that none did.
const OUTSIDE: Duration = Duration::from_secs(8);
/// The longest name, in octets of its text, that has room for one more label.
const LONGEST_ZONE: usize = 200;
/// How long to wait before a question is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// The daemon, and the name below which it is asked.
pub(super) struct Proof<'a> {
    pub(super) socket: &'a Path,
    pub(super) name: &'a str,
}

/// How the daemon is.
pub(super) fn status(socket: &Path) -> Result<Status, ClientError> {
    match ask(socket, &Command::Status)? {
        Reply::Status(status) => Ok(*status),
        other => Err(ClientError::Foreign { path: socket.to_owned(), why: format!("{other:?}") }),
    }
}

fn ask(socket: &Path, command: &Command) -> Result<Reply, ClientError> {
    control::ask(socket, command)?.reply()
}

impl Proof<'_> {
    /// Has the daemon read its configuration and the system's servers now, not when it notices.
    pub(super) fn reload(&self, patience: &mut Patience<'_>) -> Result<(), Failed> {
        match self.command(Command::Reload, "the daemon to read its configuration", patience)? {
            Reply::NotReloaded { errors, .. } => {
                let errors: Vec<String> = errors.iter().map(|error| error.line.clone()).collect();
                Err(Failed::new(Cause::NotReloaded, errors.join("; ")))
            }
            _ => Ok(()),
        }
    }

    /// That questions to `address`, over UDP and TCP, reach the daemon. If it `is_starting`, it may not be there yet.
    pub(super) fn listens(
        &self,
        address: SocketAddr,
        is_starting: bool,
        patience: &mut Patience<'_>,
    ) -> Result<(), Failed> {
        for transport in [Transport::Udp, Transport::Tcp] {
            let begun = Instant::now();
            loop {
                let (why, limit) = match self.arrives(address, transport, patience) {
                    Ok(Arrival { seen: true, .. }) => break,
                    Ok(Arrival { answer, .. }) => {
                        let limit = answer.limit();
                        let over = over(transport);
                        (Failed::new(Cause::Deaf, format!("{address} over {over}: {answer}")), limit)
                    }
                    Err(failed) if failed.cause == Cause::Interrupted || !is_starting => return Err(failed),
                    Err(failed) => (failed, START),
                };
                if begun.elapsed() >= limit {
                    return Err(why);
                }
                pause(&format!("stubborn to answer at {address}"), patience)?;
            }
        }
        Ok(())
    }

    /// That the daemon at `address` has an answer to what an upstream has to be asked for.
    pub(super) fn has_upstream(
        &self,
        address: SocketAddr,
        patience: &mut Patience<'_>,
    ) -> Result<(), Failed> {
        // What is kept says nothing about the upstream of now.
        let flush = Command::CacheFlush { name: Some(self.name.to_owned()) };
        self.command(flush, "the daemon to answer on its control socket", patience)?;
        let begun = Instant::now();
        loop {
            let name = self.name.to_owned();
            let what = format!("an answer for {name} from stubborn's upstream");
            let asked = wait(patience, &what, move || question(address, &name, Transport::Udp, OUTSIDE))?;
            if asked == Answer::Good {
                return Ok(());
            }
            if begun.elapsed() >= UPSTREAM {
                let asks = self.upstreams(patience);
                return Err(Failed::new(Cause::NoUpstream, format!("{} from {asks}: {asked}", self.name)));
            }
            pause(&what, patience)?;
        }
    }

    /// The servers that the daemon asks.
    fn upstreams(&self, patience: &mut Patience<'_>) -> String {
        let socket = self.socket.to_owned();
        let Ok(Ok(status)) = patience.wait("the daemon", move || status(&socket)) else {
            return "its upstream".to_owned();
        };
        let servers: Vec<String> = status
            .upstreams
            .iter()
            .filter(|upstream| upstream.route.is_none())
            .map(|upstream| upstream.server.clone())
            .collect();
        match servers.as_slice() {
            [] => "its upstream, since it has no server to ask".to_owned(),
            servers => servers.join(", "),
        }
    }

    /// That a question put to `server`, as programs put it, is answered and reaches the daemon.
    pub(super) fn passes(&self, server: IpAddr, patience: &mut Patience<'_>) -> Result<(), Failed> {
        let address = SocketAddr::new(server, 53);
        let begun = Instant::now();
        loop {
            let Arrival { seen, answer } = self.arrives(address, Transport::Udp, patience)?;
            if seen {
                return Ok(());
            }
            let limit = answer.limit();
            let why = match answer {
                Answer::Good => Failed::new(Cause::Past, server.to_string()),
                bad => Failed::new(Cause::Unanswered, format!("{server}: {bad}")),
            };
            if begun.elapsed() >= limit {
                return Err(why);
            }
            pause(&format!("{server} to ask stubborn"), patience)?;
        }
    }

    /// That programs get an answer from `server` to what an upstream has to be asked for.
    pub(super) fn answers(&self, server: IpAddr, patience: &mut Patience<'_>) -> Result<(), Failed> {
        let begun = Instant::now();
        loop {
            let name = self.name.to_owned();
            let address = SocketAddr::new(server, 53);
            let what = format!("an answer for {name} from {server}");
            let asked = wait(patience, &what, move || question(address, &name, Transport::Udp, OUTSIDE))?;
            if asked == Answer::Good {
                return Ok(());
            }
            if begun.elapsed() >= UPSTREAM {
                return Err(Failed::new(Cause::Unanswered, format!("{server} for {}: {asked}", self.name)));
            }
            pause(&what, patience)?;
        }
    }

    /// Asks `address` for a name that nobody else asks for, and the daemon whether it was asked.
    fn arrives(
        &self,
        address: SocketAddr,
        transport: Transport,
        patience: &mut Patience<'_>,
    ) -> Result<Arrival, Failed> {
        let unheard = format!("stubborn-{:016x}.{}", rand::random::<u64>(), self.zone());
        self.times(&unheard, patience)?;
        let name = unheard.clone();
        let what = format!("{address} to answer");
        let answer = wait(patience, &what, move || question(address, &name, transport, ONE_QUESTION))?;
        Ok(Arrival { seen: self.times(&unheard, patience)? > 0, answer })
    }

    /// Where a name that nobody has is made: the name, or so much of it that a label has room before it.
    fn zone(&self) -> &str {
        let mut zone = self.name.trim_end_matches('.');
        while zone.len() > LONGEST_ZONE {
            zone = zone.split_once('.').map_or("", |(_, above)| above);
        }
        zone
    }

    fn times(&self, name: &str, patience: &mut Patience<'_>) -> Result<u64, Failed> {
        let command = Command::Witness { name: name.to_owned() };
        match self.command(command, "the daemon to answer on its control socket", patience)? {
            Reply::Witnessed { times } => Ok(times),
            Reply::Refused { message } => {
                let why = format!("{message}; if it is older than this program, restart it");
                Err(Failed::new(Cause::NoDaemon, why))
            }
            other => Err(Failed::new(Cause::NoDaemon, format!("it replies {other:?}"))),
        }
    }

    fn command(&self, command: Command, what: &str, patience: &mut Patience<'_>) -> Result<Reply, Failed> {
        let socket = self.socket.to_owned();
        let replied = wait(patience, what, move || ask(&socket, &command))?;
        replied.map_err(|error| Failed::new(Cause::NoDaemon, error.to_string()))
    }
}

/// What became of a question.
struct Arrival {
    /// The daemon got it.
    seen: bool,
    answer: Answer,
}

/// What was replied to a question.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The name's addresses, or that there are none.
    Good,
    /// A reply that is not an answer, in words.
    Bad(String),
    /// No reply, and why.
    Silence(String),
}

impl Answer {
    /// How long it may take until there is another.
    fn limit(&self) -> Duration {
        match self {
            Self::Good | Self::Bad(_) => CHANGE,
            Self::Silence(_) => START,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("somebody else answers"),
            Self::Bad(why) | Self::Silence(why) => f.write_str(why),
        }
    }
}

fn wait<T: Send + 'static>(
    patience: &mut Patience<'_>,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failed> {
    patience.wait(what, work).map_err(|_| Failed::new(Cause::Interrupted, ""))
}

fn pause(what: &str, patience: &mut Patience<'_>) -> Result<(), Failed> {
    wait(patience, what, || thread::sleep(PAUSE))
}

fn over(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    }
}

/// Asks for the name's addresses. That there is no such name is an answer as well; where no name outside is known, it is
/// the only one.
fn question(server: SocketAddr, name: &str, transport: Transport, patience: Duration) -> Answer {
    let query = Query {
        id: rand::random(),
        qname: wire::name(name),
        qtype: code::A,
        qclass: code::IN,
        flags: flag::RD,
        edns: Some((1232, false)),
    };
    let asked = match transport {
        Transport::Udp => ask_udp(server, &query.encode(), patience),
        Transport::Tcp => ask_tcp(server, &query.encode(), patience),
    };
    match asked {
        Ok(reply) => judged(&reply),
        Err(error) => Answer::Silence(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("no answer within {} s", patience.as_secs())
            }
            _ => format!("no answer ({error})"),
        }),
    }
}

fn judged(reply: &[u8]) -> Answer {
    let (reply, _) = lenient(reply);
    let rcode = reply.rcode();
    if matches!(rcode, code::NOERROR | code::NXDOMAIN) {
        return Answer::Good;
    }
    let errors = reply.errors();
    let texts = errors.iter().filter(|(_, text)| !text.is_empty());
    let texts: Vec<String> =
        texts.map(|(_, text)| crate::config::printable(&String::from_utf8_lossy(text))).collect();
    let in_words = RCODES.iter().find(|(number, _)| *number == rcode);
    let in_words =
        in_words.map_or_else(|| format!("response code {rcode}"), |(_, words)| (*words).to_owned());
    Answer::Bad(match texts.as_slice() {
        [] => in_words,
        texts => format!("{in_words} ({})", texts.join("; ")),
    })
}

/// Response codes in words.
const RCODES: &[(u16, &str)] = &[
    (1, "FORMERR, which means that the server did not understand the question"),
    (2, "SERVFAIL, which means that the server could not get an answer"),
    (4, "NOTIMP, which means that the server does not do this"),
    (5, "REFUSED, which means that the server does not answer this client or this name"),
];
