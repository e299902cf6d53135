//! What is no query: datagrams and streams of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand::Rng;
use stubborn::audit::wire::{Message, Record, code, flag, name, question};

use crate::packet;

/// How long a stream is read from before it is given up.
const HASTE: Duration = Duration::from_millis(20);

fn random(length: usize) -> Vec<u8> {
    let mut octets = vec![0; length];
    rand::rng().fill(&mut octets[..]);
    octets
}

fn message() -> Message {
    Message {
        id: rand::random(),
        flags: flag::RD,
        qdcount: 1,
        question: question(&name("www.example"), code::A, code::IN),
        ..Message::default()
    }
}

/// A datagram nobody can use; another kind for each number.
pub fn datagram(number: u64) -> Vec<u8> {
    let mut draw = rand::rng();
    match number % 8 {
        0 => random(draw.random_range(0..700)),
        1 => message().encode()[..draw.random_range(0..12)].to_vec(),
        // A reply, which must not start a conversation.
        2 => message().with(flag::QR).answer([Record::new(code::A, [1, 1, 1, 1])]).encode(),
        3 => [random(2), vec![1, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff], random(40)].concat(),
        4 => message().additional((0..80).map(|_| Record::new(code::A, [1, 1, 1, 1]))).encode(),
        // A question that ends before its end, and one whose name is a pointer to itself.
        5 => {
            let whole = message().encode();
            whole[..draw.random_range(12..whole.len())].to_vec()
        }
        6 => Message { question: vec![0xc0, 12, 0, 1, 0, 1], ..message() }.encode(),
        _ => {
            let mut bent = packet::query("www.example");
            let place = draw.random_range(2..bent.len());
            bent[place] ^= 1 << draw.random_range(0..8);
            // Not a new name: that one would be forwarded.
            bent[2] |= 0x80;
            bent
        }
    }
}

/// What is written on a stream; another kind for each number.
fn stream(number: u64) -> Vec<u8> {
    let framed = |octets: Vec<u8>| [&(octets.len() as u16).to_be_bytes()[..], &octets].concat();
    match number % 5 {
        0 => random(3000),
        // A message that is announced and does not come.
        1 => vec![0xff, 0xff, 1, 2, 3],
        2 => vec![0],
        3 => (0..64).flat_map(|number| framed(datagram(number))).collect(),
        _ => framed(Vec::new()).repeat(100),
    }
}

/// Clients that open one stream after the other and write no query on it; they end when this is dropped.
pub struct Streams {
    opened: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Streams {
    pub fn start(count: usize, server: SocketAddr) -> Self {
        let (opened, stopped) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let threads = (0..count).map(|_| {
            let (opened, stopped) = (Arc::clone(&opened), Arc::clone(&stopped));
            thread::spawn(move || {
                while !stopped.load(Relaxed) {
                    let number = opened.fetch_add(1, Relaxed);
                    // Refused, closed, reset: whatever becomes of it.
                    let _ended = write_and_wait(server, &stream(number));
                }
            })
        });
        let threads = threads.collect();
        Self { opened, stopped, threads }
    }

    /// Streams opened so far.
    pub fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }
}

fn write_and_wait(server: SocketAddr, octets: &[u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(HASTE))?;
    stream.write_all(octets)?;
    let mut room = [0; 4096];
    while stream.read(&mut room)? > 0 {}
    Ok(())
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.stopped.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}
