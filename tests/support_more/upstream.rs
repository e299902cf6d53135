//! An upstream that a test has in its hand: what it was asked and from where, and what goes back, when, and how often.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use stubborn::audit::cases::{Action, Asked};
use stubborn::audit::oracle::parse::{Section, lenient, show};
use stubborn::audit::wire::{self, Message, Record, code, flag};

use super::DEADLINE;

/// A query that reached the upstream.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its octets.
    pub wire: Vec<u8>,
    /// The socket it came from.
    pub from: SocketAddr,
    /// Over TCP.
    pub stream: bool,
    /// How many of the same name and type came before, over either transport.
    pub before: usize,
}

impl Call {
    pub fn asked(&self) -> Asked<'_> {
        Asked { wire: &self.wire, stream: self.stream, before: self.before }
    }

    pub fn id(&self) -> u16 {
        self.asked().id()
    }

    /// The name as it was written, letter case and all.
    pub fn name(&self) -> String {
        show(&self.asked().qname())
    }

    pub fn qtype(&self) -> u16 {
        self.asked().qtype()
    }

    pub fn is_for(&self, name: &str) -> bool {
        self.asked().qname().eq_ignore_ascii_case(&wire::name(name))
    }

    /// It is a question of the daemon's own.
    pub fn looks_for_loop(&self) -> bool {
        self.name().to_ascii_lowercase().starts_with("stubborn-loop-")
    }

    pub fn dnssec_ok(&self) -> bool {
        self.asked().edns().is_some_and(|(_, dnssec)| dnssec)
    }

    pub fn checking_disabled(&self) -> bool {
        lenient(&self.wire).0.flags & flag::CD != 0
    }

    /// The reply with these records.
    pub fn answer(&self, records: impl IntoIterator<Item = Record>) -> Vec<Action> {
        self.asked().send(&self.asked().reply().answer(records))
    }

    /// The reply with this address.
    pub fn address(&self, address: &str) -> Vec<Action> {
        self.answer([Record::address(address.parse().unwrap())])
    }

    pub fn rcode(&self, rcode: u16) -> Vec<Action> {
        self.asked().send(&self.asked().reply().rcode(rcode))
    }

    pub fn send(&self, message: &Message) -> Vec<Action> {
        self.asked().send(message)
    }
}

type Script = dyn Fn(&Call) -> Vec<Action> + Send + Sync;

struct Shared {
    script: Box<Script>,
    calls: Mutex<Vec<Call>>,
    came: Condvar,
    streams: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

/// An upstream on a port of its own. Each query is answered on a thread of its own, so a script may wait.
pub struct ScriptedUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl ScriptedUpstream {
    pub fn start(script: impl Fn(&Call) -> Vec<Action> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self::serve(udp, tcp, script)
    }

    /// The same on a port that is known already.
    pub fn at(address: SocketAddr, script: impl Fn(&Call) -> Vec<Action> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = bind(address).unwrap();
        Self::serve(udp, tcp, script)
    }

    /// An honest one: these addresses for these names, NXDOMAIN for all others.
    pub fn of(names: &'static [(&'static str, &'static str)]) -> Self {
        Self::start(move |call| match names.iter().find(|(name, _)| call.is_for(name)) {
            Some((_, address)) => call.address(address),
            None => call.send(&call.asked().nxdomain()),
        })
    }

    fn serve(
        udp: UdpSocket,
        tcp: TcpListener,
        script: impl Fn(&Call) -> Vec<Action> + Send + Sync + 'static,
    ) -> Self {
        let address = udp.local_addr().unwrap();
        udp.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            calls: Mutex::default(),
            came: Condvar::new(),
            streams: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let (one, two) = (Arc::clone(&shared), Arc::clone(&shared));
        thread::spawn(move || serve_datagrams(udp, &one));
        thread::spawn(move || serve_streams(&tcp, &two));
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything it was asked so far, in order, without the questions by which the daemon looks for a loop.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().iter().filter(|call| !call.looks_for_loop()).cloned().collect()
    }

    /// The questions by which the daemon looks for a loop.
    pub fn loop_questions(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().iter().filter(|call| call.looks_for_loop()).cloned().collect()
    }

    /// What it was asked for this name.
    pub fn calls_for(&self, name: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.is_for(name)).collect()
    }

    pub fn asked(&self, name: &str) -> usize {
        self.calls_for(name).len()
    }

    /// Waits until it was asked for this name so many times.
    #[track_caller]
    pub fn wait_for(&self, name: &str, count: usize) {
        let deadline = Instant::now() + DEADLINE;
        let mut calls = self.shared.calls.lock().unwrap();
        while calls.iter().filter(|call| call.is_for(name)).count() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not asked {count} times for {name}: {:?}", names(&calls));
            calls = self.shared.came.wait_timeout(calls, left).unwrap().0;
        }
    }

    /// Waits until it was asked so many questions in all.
    #[track_caller]
    pub fn wait_for_all(&self, count: usize) {
        let deadline = Instant::now() + DEADLINE;
        let mut calls = self.shared.calls.lock().unwrap();
        while calls.iter().filter(|call| !call.looks_for_loop()).count() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count} questions came", calls.len());
            calls = self.shared.came.wait_timeout(calls, left).unwrap().0;
        }
    }
}

fn names(calls: &[Call]) -> Vec<String> {
    calls.iter().map(Call::name).collect()
}

impl Drop for ScriptedUpstream {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _closed = stream.shutdown(Shutdown::Both);
        }
        // Wakes the accepting thread.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_millis(200)));
    }
}

/// UDP and TCP on the same port.
pub fn bind(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..32 {
        let udp = UdpSocket::bind(address)?;
        match TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// An address on loopback where nobody listens now.
pub fn free_address() -> SocketAddr {
    bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap().0.local_addr().unwrap()
}

impl Shared {
    fn note(&self, wire: &[u8], from: SocketAddr, stream: bool) -> Call {
        let mut calls = self.calls.lock().unwrap();
        let mut call = Call { wire: wire.to_vec(), from, stream, before: 0 };
        let question = (call.name().to_ascii_lowercase(), call.qtype());
        call.before =
            calls.iter().filter(|old| (old.name().to_ascii_lowercase(), old.qtype()) == question).count();
        // Whether the daemon asks for the network's translation prefix depends on the host.
        if !call.is_for("ipv4only.arpa") {
            calls.push(call.clone());
        }
        self.came.notify_all();
        call
    }
}

fn serve_datagrams(socket: UdpSocket, shared: &Arc<Shared>) {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; 65_535];
    while !shared.stopped.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let call = shared.note(&buffer[..length], from, false);
        let (shared, socket) = (Arc::clone(shared), Arc::clone(&socket));
        thread::spawn(move || {
            for action in (shared.script)(&call) {
                if let Action::Send(octets) | Action::Raw(octets) = action {
                    // A datagram that cannot be sent is a datagram lost.
                    let _sent = socket.send_to(&octets, call.from);
                }
            }
        });
    }
}

fn serve_streams(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.streams.lock().unwrap().push(stream.try_clone().unwrap());
        let shared = Arc::clone(shared);
        // It ends when either side closes the stream.
        thread::spawn(move || serve_stream(stream, &shared));
    }
}

fn serve_stream(mut stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let from = stream.peer_addr()?;
    stream.set_nodelay(true)?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        let call = shared.note(&query, from, true);
        let (shared, mut stream) = (Arc::clone(shared), stream.try_clone()?);
        thread::spawn(move || -> io::Result<()> {
            for action in (shared.script)(&call) {
                match action {
                    Action::Send(octets) => stream.write_all(&framed(&octets))?,
                    Action::Raw(octets) => stream.write_all(&octets)?,
                    Action::Close => stream.shutdown(Shutdown::Both)?,
                }
            }
            Ok(())
        });
    }
}

/// A message with its length in front, as on a stream.
pub fn framed(octets: &[u8]) -> Vec<u8> {
    [&u16::try_from(octets.len()).unwrap().to_be_bytes()[..], octets].concat()
}
