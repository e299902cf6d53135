//! A question asked, and that it was stubborn who answered.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::audit::run::{ask_tcp, ask_udp};
use crate::audit::wire::{self, Query, code, flag};
use crate::control::{self, ClientError, Command, Reply, Status};
use crate::machine::{Root, Transport, holders};

/// How long a server may take to start and to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one question may take.
const ONE_QUESTION: Duration = Duration::from_secs(5);
/// How long a server that answers may take to take to its new upstream.
const CHANGE: Duration = Duration::from_secs(3);
/// How long to wait before a question is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// How the daemon is.
pub(super) fn status(socket: &Path) -> Result<Status, ClientError> {
    match ask(socket, &Command::Status)? {
        Reply::Status(status) => Ok(*status),
        other => Err(ClientError::Foreign { path: socket.to_owned(), why: format!("{other:?}") }),
    }
}

/// Has the daemon read its configuration and the system's servers now, not when it notices.
pub(super) fn reload(socket: &Path) -> Result<(), String> {
    match ask(socket, &Command::Reload).map_err(in_words)? {
        Reply::NotReloaded { errors, .. } => {
            Err(errors.iter().map(|error| error.line.clone()).collect::<Vec<_>>().join("; "))
        }
        _ => Ok(()),
    }
}

fn ask(socket: &Path, command: &Command) -> Result<Reply, ClientError> {
    control::ask(socket, command)?.reply()
}

fn in_words(error: ClientError) -> String {
    error.to_string()
}

/// That the daemon of that control socket has `address`, over UDP and TCP, and answers there for `name` with what an
/// upstream said; waits for one that is starting.
pub(super) fn answers(socket: &Path, address: SocketAddr, name: &str) -> Result<(), String> {
    patiently(PATIENCE, || {
        let status = status(socket).map_err(in_words)?;
        let held = holders(&Root::default(), address.port());
        let is_its = |transport| {
            let there = held.iter().filter(|holder| holder.transport == transport);
            there
                .filter(|holder| holder.receives(address.ip()))
                .any(|holder| holder.processes.iter().any(|process| process.pid == status.pid))
        };
        if !is_its(Transport::Udp) || !is_its(Transport::Tcp) {
            let where_ = status.listeners.join(", ");
            return Err(format!("the daemon does not listen at {address}, but at {where_}"));
        }
        question(address, name, Transport::Udp)?;
        question(address, name, Transport::Tcp)
    })
}

/// That a question put to `server`, as programs put it, is answered, and by the daemon of that control socket: it is about
/// a name that nobody asked before, and the daemon has it in its cache then.
pub(super) fn passes(socket: &Path, server: IpAddr, name: &str) -> Result<(), String> {
    replies(server, name)?;
    patiently(CHANGE, || {
        let unheard = format!("stubborn-{:016x}.{name}", rand::random::<u64>());
        question(SocketAddr::new(server, 53), &unheard, Transport::Udp)?;
        match ask(socket, &Command::CacheFlush { name: Some(unheard) }).map_err(in_words)? {
            Reply::Flushed { entries: 0 } => Err(format!("{server} answers without asking stubborn")),
            _ => Ok(()),
        }
    })
}

/// That `server` answers a question.
pub(super) fn replies(server: IpAddr, name: &str) -> Result<(), String> {
    patiently(PATIENCE, || question(SocketAddr::new(server, 53), name, Transport::Udp))
}

fn patiently(patience: Duration, mut step: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    loop {
        match step() {
            Err(_) if Instant::now() < deadline => thread::sleep(PAUSE),
            done => return done,
        }
    }
}

/// Asks for the name's addresses. That there is no such name is an answer as well; where no name outside is known, it is
/// the only one.
fn question(server: SocketAddr, name: &str, transport: Transport) -> Result<(), String> {
    let query = Query {
        id: rand::random(),
        qname: wire::name(name),
        qtype: code::A,
        qclass: code::IN,
        flags: flag::RD,
        edns: Some((1232, false)),
    };
    let (asked, over) = match transport {
        Transport::Udp => (ask_udp(server, &query.encode(), ONE_QUESTION), "UDP"),
        Transport::Tcp => (ask_tcp(server, &query.encode(), ONE_QUESTION), "TCP"),
    };
    let reply = asked.map_err(|error| format!("{server} does not answer over {over} ({error})"))?;
    match reply.get(3).map(|octet| u16::from(octet & 0x0f)) {
        Some(code::NOERROR | code::NXDOMAIN) => Ok(()),
        Some(rcode) => Err(format!("{server} answers over {over} for {name} with response code {rcode}")),
        None => Err(format!("{server} answers nonsense over {over}")),
    }
}
