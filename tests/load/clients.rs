//! Clients: one that asks politely and counts what it gets, and many that do not care.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use stubborn::audit::run::ask_tcp;

use crate::packet;

/// How long the polite client waits for an answer; stub resolvers wait 5 s.
const PATIENCE: Duration = Duration::from_secs(2);
/// A test that goes wrong ends after so many losses.
const TOO_MANY: u64 = 10;
/// Queries a flooding client sends at once. What all clients together have under way fits into a receive buffer of the
/// default size: what the kernel drops says nothing about the daemon.
pub const WINDOW: u64 = 48;

/// A socket of a client at this address.
pub fn socket(from: &str, server: SocketAddr, patience: Duration) -> UdpSocket {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    socket
}

/// Loopback addresses from 127.0.`net`.1 on.
pub fn addresses(net: u8, count: u8) -> Vec<String> {
    (1..=count).map(|host| format!("127.0.{net}.{host}")).collect()
}

/// One question at a time, each once.
pub struct Polite {
    server: SocketAddr,
    socket: UdpSocket,
    pub asked: u64,
    pub answered: u64,
}

impl Polite {
    pub fn new(from: &str, server: SocketAddr) -> Self {
        Self { server, socket: socket(from, server, PATIENCE), asked: 0, answered: 0 }
    }

    /// Asks, and takes note of whether this address came for an answer.
    #[track_caller]
    pub fn ask(&mut self, query: &[u8], address: [u8; 4]) {
        let mut query = query.to_vec();
        query[..2].copy_from_slice(&(self.asked as u16).to_be_bytes());
        self.socket.send(&query).unwrap();
        let begun = Instant::now();
        let mut room = [0; 1500];
        let reply = loop {
            match self.socket.recv(&mut room) {
                // The answer to an earlier question may come now.
                Ok(_) if packet::id(&room) != packet::id(&query) && begun.elapsed() < PATIENCE => {}
                Ok(length) => break &room[..length],
                Err(_) => break &[],
            }
        };
        let answered = packet::answers(reply, address);
        self.note(answered);
    }

    /// The same over TCP, on a connection of its own.
    #[track_caller]
    pub fn ask_on_stream(&mut self, query: &[u8], address: [u8; 4]) {
        let reply = ask_tcp(self.server, query, PATIENCE);
        self.note(reply.is_ok_and(|reply| packet::answers(&reply, address)));
    }

    #[track_caller]
    fn note(&mut self, answered: bool) {
        self.asked += 1;
        self.answered += u64::from(answered);
        let Self { asked, answered, .. } = *self;
        assert!(asked - answered <= TOO_MANY, "only {answered} of {asked} questions were answered");
    }

    /// Of a hundred questions 99 were answered.
    #[track_caller]
    pub fn assert_served(&self) {
        let Self { asked, answered, .. } = *self;
        assert!(
            asked >= 100 && answered * 100 >= asked * 99,
            "{answered} of {asked} questions were answered"
        );
    }
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
    stopped: AtomicBool,
}

/// Clients that send without regard, each on a thread of its own; they end when this is dropped.
pub struct Flood {
    counts: Arc<Counts>,
    threads: Vec<JoinHandle<()>>,
}

impl Flood {
    /// A client at each address. It sends what `make` makes of numbers that nobody else is given, a window at a time.
    ///
    /// A window is read by the daemon before the next one is sent: its last query is one that is always answered at once.
    /// The answers to the others are not waited for.
    pub fn start<M>(from: &[String], server: SocketAddr, make: impl Fn() -> M) -> Self
    where
        M: FnMut(u64) -> Vec<u8> + Send + 'static,
    {
        let counts = Arc::new(Counts::default());
        let threads = from.iter().map(|from| {
            let (counts, make) = (Arc::clone(&counts), make());
            let socket = socket(from, server, PATIENCE);
            thread::spawn(move || flood(&socket, &counts, make))
        });
        let threads = threads.collect();
        Self { counts, threads }
    }

    /// Clients that ask for a name of their own below `domain` each time.
    pub fn of_names(from: &[String], server: SocketAddr, domain: &str) -> Self {
        Self::start(from, server, || {
            let mut query = packet::numbered(domain);
            move |number| {
                packet::number(&mut query, number);
                query.clone()
            }
        })
    }

    /// Datagrams sent so far.
    pub fn sent(&self) -> u64 {
        self.counts.sent.load(Relaxed)
    }

    /// Datagrams that came back so far, but for those to the last query of a window.
    pub fn received(&self) -> u64 {
        self.counts.received.load(Relaxed)
    }
}

fn flood(socket: &UdpSocket, counts: &Counts, mut make: impl FnMut(u64) -> Vec<u8>) {
    let last = packet::query("localhost");
    let mut room = [0; 1500];
    while !counts.stopped.load(Relaxed) {
        let first = counts.sent.fetch_add(WINDOW, Relaxed);
        for number in first..first + WINDOW {
            // Whatever the kernel says: the flood goes on.
            let _sent = socket.send(&make(number));
        }
        let _sent = socket.send(&last);
        while let Ok(length) = socket.recv(&mut room) {
            if packet::name(&room[..length]) == packet::name(&last) {
                break;
            }
            counts.received.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.counts.stopped.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

/// Asks for each of the numbered names below `domain` once, some windows of them at a time; how many were answered.
pub fn ask_for_all(numbers: Range<u64>, domain: &str, server: SocketAddr) -> u64 {
    let next = AtomicU64::new(numbers.start);
    let ask = || {
        let (socket, mut query) = (socket("127.0.0.1", server, PATIENCE), packet::numbered(domain));
        let (mut room, mut answered) = ([0; 1500], 0);
        loop {
            let first = next.fetch_add(WINDOW, Relaxed);
            let window = first..numbers.end.min(first + WINDOW);
            if window.is_empty() {
                return answered;
            }
            for number in window.clone() {
                packet::number(&mut query, number);
                socket.send(&query).unwrap();
            }
            answered += window.take_while(|_| socket.recv(&mut room).is_ok()).count() as u64;
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    })
}

/// Clients that always have so many of the same question under way, each on a thread of its own; they end when this is dropped.
pub struct Crowd {
    counts: Arc<Counts>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    pub fn start(clients: usize, under_way: usize, server: SocketAddr, query: &[u8]) -> Self {
        let counts = Arc::<Counts>::default();
        let threads = (0..clients).map(|_| {
            let (counts, query) = (Arc::clone(&counts), query.to_vec());
            let socket = socket("127.0.0.1", server, PATIENCE);
            thread::spawn(move || {
                (0..under_way).for_each(|_| drop(socket.send(&query)));
                let mut room = [0; 1500];
                while !counts.stopped.load(Relaxed) {
                    let answered = socket.recv(&mut room).is_ok();
                    counts.received.fetch_add(u64::from(answered), Relaxed);
                    let _sent = socket.send(&query);
                }
            })
        });
        let threads = threads.collect();
        Self { counts, threads }
    }

    /// Answers so far.
    pub fn answered(&self) -> u64 {
        self.counts.received.load(Relaxed)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.counts.stopped.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

/// A client that writes the same question on a stream for as long as there is room, and reads the answers; it ends when this is
/// dropped.
pub struct Torrent {
    octets: Arc<AtomicU64>,
    answer: u64,
    stream: TcpStream,
    threads: Vec<JoinHandle<()>>,
}

impl Torrent {
    pub fn start(server: SocketAddr, query: &[u8]) -> Self {
        let answer = ask_tcp(server, query, PATIENCE).unwrap().len() as u64 + 2;
        let stream = TcpStream::connect(server).unwrap();
        let octets = Arc::<AtomicU64>::default();
        let framed = [&(query.len() as u16).to_be_bytes()[..], query].concat().repeat(1000);
        let (mut to, mut from) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
        let count = Arc::clone(&octets);
        let writer = thread::spawn(move || while to.write_all(&framed).is_ok() {});
        let reader = thread::spawn(move || {
            let mut room = vec![0; 1 << 16];
            while let Ok(length) = from.read(&mut room)
                && length > 0
            {
                count.fetch_add(length as u64, Relaxed);
            }
        });
        Self { octets, answer, stream, threads: vec![writer, reader] }
    }

    /// Answers so far.
    pub fn answered(&self) -> u64 {
        self.octets.load(Relaxed) / self.answer
    }
}

impl Drop for Torrent {
    fn drop(&mut self) {
        let _shut = self.stream.shutdown(Shutdown::Both);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}
