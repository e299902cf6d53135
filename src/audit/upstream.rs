//! The attacker's server: finds the case by the name it is asked for and plays its reply, over UDP and TCP.
//!
//! It runs on plain threads, so that it works beside a runtime as well as without one, and stops when it is dropped.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::cases::{Action, Asked, Case, Script};
use super::oracle::parse::{lenient, show};
use super::wire;

/// What stands in a name where each round has a label of its own.
pub const NONCE: &str = "{nonce}";

/// How long a stream may stay silent.
const IDLE: Duration = Duration::from_secs(30);

/// A label for one round of questions, so that it meets no cache entry of another.
pub fn nonce() -> String {
    format!("n-{:012x}", rand::random::<u64>() & 0xffff_ffff_ffff)
}

fn is_nonce(label: &[u8]) -> bool {
    matches!(label, [b'n' | b'N', b'-', digits @ ..] if digits.len() == 12 && digits.iter().all(u8::is_ascii_hexdigit))
}

/// The name in lower case, its nonce replaced by the placeholder.
fn key(name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((length, tail)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let (label, next) = tail.split_at_checked(usize::from(*length)).unwrap_or((tail, &[]));
        if is_nonce(label) {
            key.extend(wire::label(NONCE.as_bytes()));
        } else {
            key.extend(wire::label(&label.to_ascii_lowercase()));
        }
        rest = next;
    }
    key.push(0);
    key
}

#[derive(Default)]
struct Shared {
    scripts: HashMap<Vec<u8>, Script>,
    counts: Mutex<HashMap<(Vec<u8>, u16), usize>>,
    streams: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

/// A server of hostile and honest replies on a port of its own on 127.0.0.1.
pub struct AttackUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl AttackUpstream {
    /// A server for these cases.
    pub fn start(cases: &[Case]) -> io::Result<Self> {
        Self::with_scripts(cases.iter().flat_map(|case| case.scripts.iter().cloned()))
    }

    /// A server for these names; any other gets NXDOMAIN and an SOA.
    pub fn with_scripts(scripts: impl IntoIterator<Item = (String, Script)>) -> io::Result<Self> {
        let scripts = scripts.into_iter().map(|(name, script)| (key(&wire::name(&name)), script)).collect();
        let shared = Arc::new(Shared { scripts, ..Shared::default() });
        let (udp, tcp) = bind()?;
        let address = udp.local_addr()?;
        udp.set_read_timeout(Some(Duration::from_millis(200)))?;
        thread::Builder::new().name("attack-udp".into()).spawn({
            let shared = Arc::clone(&shared);
            move || serve_datagrams(&udp, &shared)
        })?;
        thread::Builder::new().name("attack-tcp".into()).spawn({
            let shared = Arc::clone(&shared);
            move || serve_streams(&tcp, &shared)
        })?;
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many queries for this name came, of any type; in presentation form, letter case apart.
    pub fn asked(&self, name: &str) -> usize {
        let name = wire::name(name).to_ascii_lowercase();
        let counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().filter(|((asked, _), _)| *asked == name).map(|(_, count)| count).sum()
    }

    /// How many queries for this name, in wire form, and type came; letter case apart.
    pub fn asked_for(&self, qname: &[u8], qtype: u16) -> usize {
        let counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&(qname.to_ascii_lowercase(), qtype)).copied().unwrap_or(0)
    }

    /// Every name that was asked for, in lower case and presentation form.
    pub fn names(&self) -> BTreeSet<String> {
        let counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.keys().map(|(name, _)| show(name)).collect()
    }
}

impl Drop for AttackUpstream {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for stream in self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _closed = stream.shutdown(Shutdown::Both);
        }
        // Wakes the accepting thread.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_millis(200)));
    }
}

/// UDP and TCP on the same free port.
pub(super) fn bind() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..32 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        match TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Shared {
    fn play(&self, query: &[u8], stream: bool) -> Vec<Action> {
        let (parsed, _) = lenient(query);
        let Some((name, qtype, _)) = parsed.questions.first() else {
            return Vec::new();
        };
        let before = {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry((name.to_ascii_lowercase(), *qtype)).or_default();
            *count += 1;
            *count - 1
        };
        let asked = Asked { wire: query, stream, before };
        match self.scripts.get(&key(name)) {
            Some(script) => script(&asked),
            None => asked.send(&asked.nxdomain()),
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

fn serve_datagrams(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = vec![0; 65_535];
    while !shared.is_stopped() {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
        for action in shared.play(buffer.get(..length).unwrap_or(&[]), false) {
            if let Action::Send(octets) | Action::Raw(octets) = action {
                // A datagram that cannot be sent is a datagram lost.
                let _sent = socket.send_to(&octets, client);
            }
        }
    }
}

fn serve_streams(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_stopped() {
            return;
        }
        let Ok(stream) = stream else { continue };
        if let Ok(handle) = stream.try_clone() {
            let mut streams = shared.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.retain(|stream| stream.peer_addr().is_ok());
            streams.push(handle);
        }
        let shared = Arc::clone(shared);
        let spawned = thread::Builder::new().name("attack-stream".into()).spawn(move || {
            // The client went away, or the upstream was stopped: both end the stream and nothing else.
            let _ended = serve_stream(stream, &shared);
        });
        if spawned.is_err() {
            return;
        }
    }
}

fn serve_stream(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        for action in shared.play(&query, true) {
            match action {
                Action::Send(octets) => {
                    let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
                    stream.write_all(&[&length.to_be_bytes()[..], &octets].concat())?;
                }
                Action::Raw(octets) => stream.write_all(&octets)?,
                Action::Close => return stream.shutdown(Shutdown::Both),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_s_label_is_found_in_any_letter_case() {
        let asked = format!("A01-3.{}.Rebind-Audit.Example", nonce().to_ascii_uppercase());
        assert_eq!(key(&wire::name(&asked)), key(&wire::name("a01-3.{nonce}.rebind-audit.example")));
    }
}
